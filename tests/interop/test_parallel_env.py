"""Our environments as PettingZoo's: its own tests, and the same steps as ours."""

import dataclasses
import pickle
import sys
import warnings
from inspect import unwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pettingzoo.utils import parallel_to_aec
from toy import SMALL_WORLDS, Toy, ToyConfig

from swarmfield.algorithms.m3fppo import M3FPPOConfig
from swarmfield.environments import ENVIRONMENTS, make
from swarmfield.interop import parallel_env
from swarmfield.training.control import controlled
from swarmfield.types import SwarmfieldError

with warnings.catch_warnings():
    # Their tests import games of theirs in a way that is old by now.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test


CROWDS = ("two_gaussians", "formation", "beach_bar", "foraging", "potential")
SMALL = {**SMALL_WORLDS, **{name: {"num_agents": 10, "max_steps": 9} for name in CROWDS}}


def small(name, **options):
    return parallel_env(name, **{**SMALL.get(name, {}), **options})


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_passes_their_tests(name):
    env = small(name)
    parallel_api_test(env, num_cycles=30)
    both = iter([env, small(name)])
    parallel_seed_test(lambda: next(both), num_cycles=5)


@pytest.mark.parametrize("name", ["battle", "spread", "beach_bar"])
def test_their_wrapper_makes_turns_of_it(name):
    with warnings.catch_warnings():
        # Observations without bounds are unusual among board games, for which that test is.
        warnings.simplefilter("ignore", UserWarning)
        api_test(parallel_to_aec(small(name)), num_cycles=40)


def stepped(world, seed, choose, steps):
    """Each step's state and timesteps by our own interface, from the same draws."""
    key, sub = jax.random.split(jax.random.key(seed))
    state, timesteps = world.reset(sub)
    yield state, timesteps
    step = jax.jit(world.step)
    for time in range(steps):
        key, sub = jax.random.split(key)
        state, timesteps = step(sub, state, choose(time))
        yield state, timesteps


def test_it_is_the_same_as_by_our_own_interface():
    """To the end of the game, when the last tiger has starved."""
    steps = 120
    world = make("tiger_deer", map_size=14, max_steps=steps)
    teams = {team.name: team for team in world.teams}
    draws = np.random.default_rng(0)
    chosen = [
        {name: draws.integers(0, team.actions.num_actions, team.num_agents)
         for name, team in teams.items()}
        for _ in range(steps)
    ]  # fmt: skip
    env = parallel_env(world)
    place = {
        f"{name}_{row}": (name, row) for name in teams for row in range(teams[name].num_agents)
    }
    observations, _ = env.reset(seed=3)
    told = None
    for time, (state, timesteps) in enumerate(stepped(world, 3, chosen.__getitem__, steps)):
        seen = {name: world.observe(state, name) for name in teams}
        for agent in observations:
            team, row = place[agent]
            now = timesteps[team]
            np.testing.assert_array_equal(observations[agent]["view"], seen[team].view[row])
            np.testing.assert_array_equal(observations[agent]["features"], seen[team].features[row])
            if told:
                died = bool(now.terminated[row])
                expected = (now.reward[row], died, bool(now.truncated) and not died)
                assert tuple(part[agent] for part in told) == expected
        if not env.agents:
            break
        alive = {agent for agent, (team, row) in place.items() if timesteps[team].alive[row]}
        assert set(env.agents) == alive
        actions = {agent: chosen[time][team][row] for agent, (team, row) in place.items()}
        observations, *told, _ = env.step(actions)
    assert time < steps
    assert told[1] == dict.fromkeys(observations, True)


class Forbidding(Toy):
    """Its agents may only play 1 or 2, and are of two kinds."""

    def __init__(self, config):
        super().__init__(config)
        self.teams = tuple(team._replace(num_kinds=2) for team in self.teams)

    def _timestep(self, state, row, last_action, reward):
        now = super()._timestep(state, row, last_action, reward)
        legal = jnp.broadcast_to(jnp.array([False, True, True, False]), (self.num_agents, 4))
        kind = jnp.arange(self.num_agents, dtype=jnp.uint8) % 2
        return dataclasses.replace(now, legal=legal, kind=kind)


def test_forbidden_actions_are_masked():
    env = parallel_env(Forbidding(ToyConfig()))
    parallel_api_test(env, num_cycles=20)
    observations, infos = env.reset(seed=0)
    seen = observations["left_1"]
    assert env.observation_space("left_1").contains(seen)
    np.testing.assert_array_equal(seen["action_mask"], [0, 1, 1, 0])
    assert seen["features"].shape == (4,)
    assert infos["left_1"] == {"kind": 1}


def test_who_is_dead_from_the_start_is_not_there():
    observations, _ = parallel_env(Toy(ToyConfig(num_dead=2))).reset(seed=0)
    assert sorted(observations) == [f"{team}_{i}" for team in ("left", "right") for i in range(4)]


def test_episodes_go_on_from_the_seed():
    """A second episode is another one, and the same again after the same seed."""
    env = small("spread")
    starts = [env.reset(seed=5)[0], env.reset()[0], env.reset(seed=5)[0], env.reset()[0]]
    first, second, again, second_again = (start["agents_0"] for start in starts)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(second, second_again)
    assert (first != second).any()
    assert (small("spread").reset()[0]["agents_0"] != small("spread").reset()[0]["agents_0"]).any()


def test_what_is_seen_may_be_written_to():
    observations, _ = small("spread").reset(seed=0)
    observations["agents_0"] += 1


@pytest.mark.parametrize("name", ["battle", "spread"])
def test_a_picture_shows_the_world(name):
    env = small(name, render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    colours = np.unique(picture.reshape(-1, 3), axis=0)
    assert len(colours) > 3
    assert small(name).render() is None


def act(env, **changes):
    env.reset(seed=0)
    actions = {name: env.action_space(name).sample() for name in env.agents} | changes
    env.step({name: action for name, action in actions.items() if action is not None})


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: small("battle", render_mode="human"), "render_mode is 'human', but must be"),
        (lambda: small("battle", render_mode="rgb_array").render(), "begin an episode by reset"),
        (lambda: small("battle").step({}), "Nobody is there to act; begin an episode"),
        (lambda: act(small("battle"), red_0=None), "red_0 lives, but has no action"),
        (lambda: act(small("battle"), red_0=99), r"red_0 does 99, .* Discrete\(21\)"),
        (lambda: act(small("spread"), agents_1=1.5), "agents_1 does 1.5, but what it may do"),
        (lambda: act(small("bar"), people_0=10**30), "people_0 does 1000"),
        (lambda: act(small("miners"), cells_0=[0, np.nan, 0, 0]), r"cells_0 does \[0, nan, 0, 0\]"),
        (lambda: act(small("miners"), cells_0=[[0], [0, 1]]), "cells_0 does"),
        (lambda: small("bar").reset(seed=2**32), "seed is 4294967296"),
        (lambda: parallel_env("battel"), "no environment named 'battel'; did you mean 'battle'"),
        (lambda: parallel_env("battle", size=3), "size"),
        (lambda: parallel_env(make("bar"), num_agents=3), "num_agents cannot be set"),
        (
            lambda: parallel_env(controlled(make("beach_bar"), M3FPPOConfig(), "m3fppo")),
            "of several kinds at once",
        ),
    ],
)
def test_mistakes_are_told_in_a_sentence(attempt, message):
    with pytest.raises(SwarmfieldError, match=message):
        attempt()


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: unwrap(type(small("bar")).reset)(small("bar"), seed=3.0), "seed is 3.0, but must"),
        (lambda: unwrap(parallel_env)(3), "3 is no environment; give a name"),
        (lambda: unwrap(parallel_env)(Toy), "is no environment; give a name"),
    ],
)
def test_what_is_of_another_type_is_told_too(attempt, message):
    """Without the checks of types that only tests have."""
    with pytest.raises(SwarmfieldError, match=message):
        attempt()


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("miners", np.full(4, 0.5)),
        ("miners", np.ones(4, int)),
        ("miners", [0.5, 1, 0, -1]),
        ("miners", jnp.full(4, 0.5)),
        ("bar", np.uint64(1)),
        ("bar", jnp.int32(1)),
        ("bar", np.array(0)),
    ],
)
@pytest.mark.filterwarnings("error")
def test_actions_may_be_numbers_of_any_form(name, action):
    env = small(name)
    env.reset(seed=0)
    env.step(dict.fromkeys(env.agents, action))


def test_it_can_be_sent_to_another_process():
    env = small("spread")
    env.reset(seed=1)
    actions = dict.fromkeys(env.agents, 1)
    env.step(actions)
    copy = pickle.loads(pickle.dumps(env))
    for mine, its in zip(env.step(actions), copy.step(actions), strict=True):
        assert mine.keys() == its.keys()
        np.testing.assert_array_equal(mine["agents_0"], its["agents_0"])


def test_pettingzoo_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pettingzoo", None)
    monkeypatch.delitem(sys.modules, "swarmfield.interop.as_pettingzoo", raising=False)
    with pytest.raises(SwarmfieldError, match=r"pip install 'swarmfield\[interop\]'"):
        parallel_env("bar")


def test_it_is_made_as_often_as_one_likes():
    """The module that holds the class must not take the place of what makes one."""
    import swarmfield.interop

    for _ in range(2):
        assert swarmfield.interop.parallel_env("bar", num_agents=3).possible_agents
