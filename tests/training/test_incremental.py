"""Who of a team learns when, what the others do meanwhile, and who is paid what."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import NUM_ACTIONS, Toy, ToyConfig, answering, make_program, make_timestep

from swarmfield.training import program as loop
from swarmfield.training.incremental import IncrementalConfig, exploring, learning
from swarmfield.training.terms import Terms
from swarmfield.types import Algorithm, Discrete, Replay, SwarmfieldError, TeamSpec

KEY = jax.random.key(0)
TENTHS = IncrementalConfig(start=0.2, step=0.2, every=0.15)


def team(num_agents: int) -> TeamSpec:
    return TeamSpec("team", num_agents, Discrete(NUM_ACTIONS), None, NUM_ACTIONS)


def number(config: IncrementalConfig, num_agents: int, progress: float) -> int:
    who = np.asarray(learning(config, num_agents, jnp.float32(progress)))
    assert who[: who.sum()].all()
    return int(who.sum())


@pytest.mark.parametrize(
    ("progress", "expected"),
    [(0.0, 2), (0.149, 2), (0.15, 4), (0.3, 6), (0.45, 8), (0.599, 8), (0.6, 10), (1.0, 10)],
)
def test_a_fifth_more_learn_after_each_stage(progress: float, expected: int) -> None:
    assert number(TENTHS, 10, progress) == expected


def test_at_least_one_learns_and_at_most_all() -> None:
    assert number(IncrementalConfig(start=0.01), 5, 0.0) == 1
    assert number(IncrementalConfig(start=0.5, step=1.0), 5, 0.9) == 5
    assert number(IncrementalConfig(), 5, 0.0) == 5


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"start": 0.0}, "--incremental.start is 0.0"),
        ({"step": 1.5}, "--incremental.step is 1.5"),
        ({"every": -1.0}, "--incremental.every is -1.0"),
        ({"newcomers_explore": -0.1}, "--incremental.newcomers-explore is -0.1"),
    ],
)
def test_what_cannot_be_is_refused(options, named: str) -> None:
    with pytest.raises(SwarmfieldError, match=named):
        IncrementalConfig(**options)


def test_newcomers_explore_more_until_the_next_come() -> None:
    config = IncrementalConfig(start=0.2, step=0.2, every=0.15, newcomers_explore=0.3)

    def at(progress: float) -> list[float]:
        return exploring(config, 10, jnp.float32(progress), jnp.float32(0.05)).tolist()

    np.testing.assert_allclose(at(0.1), [0.05] * 10)  # the first are no newcomers
    np.testing.assert_allclose(at(0.15), [0.05] * 2 + [0.3] * 8, rtol=1e-3)
    np.testing.assert_allclose(at(0.225), [0.05] * 2 + [0.15] * 8, rtol=1e-3)
    np.testing.assert_allclose(at(0.999), [0.05] * 10)


def test_a_team_is_paid_the_mean_of_those_who_learn() -> None:
    timestep = make_timestep(
        4,
        reward=[1.0, 2.0, 3.0, 10.0],
        trained=[True, True, True, False],
        alive=[True, True, False, True],
    )
    batch = jax.tree.map(lambda x: x[None], timestep)
    paid = Terms(team(4), "team").paid(batch)
    np.testing.assert_array_equal(paid.reward, [[2.0] * 4])
    of_all = IncrementalConfig(reward_scope="all")
    np.testing.assert_array_equal(Terms(team(4), "team", of_all).paid(batch).reward, [[4.0] * 4])
    np.testing.assert_array_equal(Terms(team(4)).paid(batch).reward, batch.reward)


RIGHT = Algorithm(
    experience=Replay("agents", capacity=1000, batch_size=8, warmup=10**6),
    init=lambda _key: jnp.zeros(()),
    begin=lambda *_: None,
    act=answering(0).act,
    update=lambda learner, *_: (learner, {"loss": jnp.zeros(())}),
    explore=lambda _progress: jnp.zeros(()),
    policy=lambda learner: learner,
)
"""Answers rightly, and has nothing to learn."""


def run_with(terms, steps: int, num_envs: int = 4):
    """Some steps of an algorithm that always answers rightly, on some terms."""
    environment = Toy(ToyConfig(num_agents=10, max_steps=5))
    program = make_program(RIGHT, environment, num_envs, 100 * num_envs)
    terms = terms._replace(team=program.sides.home)
    program = program._replace(student=program.student._replace(terms=terms))
    run = loop.start(program, None, KEY)
    return jax.jit(partial(loop.advance, program))(run, jnp.int32(0), jnp.int32(steps))


def test_who_does_not_learn_acts_at_random_and_is_no_sample() -> None:
    """Two of ten learn in the first 15 of 100 steps, and answer rightly; four after that."""
    run = run_with(Terms(team(10), "individual", TENTHS), 24)
    right = np.asarray(run.ring.reward)[1:]  # step, environment, agent
    is_reset = np.asarray(run.ring.flags)[1:] & 1 != 0
    trained = np.asarray(run.ring.agent_flags) >> 2 & 1
    np.testing.assert_array_equal(trained[:15].sum(axis=2), 2)
    np.testing.assert_array_equal(trained[15:25].sum(axis=2), 4)
    assert (right[:24][~is_reset[:24]][:, :2] == 1).all()
    shares = right[:14][~is_reset[:14]][:, 2:].mean()
    assert 0.1 < shares < 0.4  # a quarter, at random
    assert (right[15:24][~is_reset[15:24]][:, 2:4] == 1).all()
    acted = int(run.window.agent_steps[0])
    expected = (trained[:24].sum(axis=2) * ~is_reset[:24]).sum()
    assert acted == expected


def test_a_return_is_of_all_whatever_is_learned_from() -> None:
    alone = run_with(Terms(team(10)), 12)
    together = run_with(Terms(team(10), "team"), 12)
    np.testing.assert_array_equal(alone.window.returns, together.window.returns)
    mean = np.asarray(alone.ring.reward).mean(axis=2, keepdims=True)
    np.testing.assert_allclose(
        np.asarray(together.ring.reward), np.broadcast_to(mean, alone.ring.reward.shape), rtol=1e-6
    )
