"""Methods learn what they should: tiny games, solved in seconds."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
from toy import Toy, ToyConfig, WeatherVanes, make_algorithm, make_program

from swarmfield.training import program as loop

# Greedy from the middle of the run on.
OPTIONS = {
    "batch_size": 64,
    "capacity": 10_000,
    "warmup": 500,
    "learning_rate": 3e-3,
    "gamma": 0.5,
    "explore_end": 0.0,
    "explore_fraction": 0.5,
}
NUM_ENVS = 8


def learn(name: str, environment, steps: int) -> float:
    """The mean return of the episodes in the last fifth of a run."""
    algorithm = make_algorithm(name, environment, **OPTIONS)
    program = make_program(algorithm, environment, NUM_ENVS, steps * NUM_ENVS)
    advance = jax.jit(partial(loop.advance, program))
    last = steps // 5
    run = loop.start(program, None, jax.random.key(0))
    run = advance(run, jnp.int32(0), jnp.int32(steps - last))
    after = advance(run, jnp.int32(steps - last), jnp.int32(last))
    episodes = after.window.episodes - run.window.episodes
    return float((after.window.returns[0] - run.window.returns[0]) / episodes)


@pytest.mark.parametrize("name", ["iql", "mfq"])
def test_what_is_seen_is_learned(name: str) -> None:
    environment = Toy(ToyConfig())
    most = environment.num_agents * environment.max_steps
    assert learn(name, environment, 250) >= 0.98 * most


def test_what_only_the_mean_action_shows_is_learned_by_those_who_see_it() -> None:
    environment = WeatherVanes()
    assert learn("mfq", environment, 400) >= 0.98 * environment.best_return
    # Blind, one answer in four is right.
    assert learn("iql", environment, 400) <= 0.35 * environment.best_return
