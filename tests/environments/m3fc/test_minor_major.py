"""Environments of minor agents and a major one: guarantees, symmetries, and known returns."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmfield.environments import make
from swarmfield.environments.conformance import check_environment, random_actions
from swarmfield.environments.m3fc.minor_major import MAJOR, MINOR, TEAM
from swarmfield.environments.m3fc.reference import POLICIES
from swarmfield.environments.scripted import play_scripted
from swarmfield.types import SwarmfieldError

KEY = jax.random.key(0)
MODELS = ("two_gaussians", "formation", "beach_bar", "foraging", "potential")
DIMENSIONS = {
    "two_gaussians": (98, 98),
    "formation": (102, 102),
    "beach_bar": (45, 45),
    "foraging": (100, 149),
    "potential": (9, 9),
}
"""Of what one who controls all sees, as published and otherwise."""


def step(world, seed=0):
    """A state after some steps, and what one step more of random actions makes of it."""
    state, timesteps = world.reset(jax.random.key(seed))
    key, run = jax.random.key(seed + 1), jax.jit(world.step)
    for _ in range(3):
        actions = {TEAM: random_actions(world.teams[0], timesteps[TEAM], key)}
        state, timesteps = run(key, state, actions)
    return state, actions, *run(key, state, actions)


@pytest.mark.parametrize("name", MODELS)
def test_one_agent_is_enough_and_published_quirks_keep_the_guarantees(name):
    check_environment(make(name, num_agents=1, max_steps=4, parity=True), KEY, num_steps=6)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("parity", [True, False])
def test_what_one_who_controls_all_sees(name, parity):
    model = make(name, num_agents=5, parity=parity).model
    assert model.num_controlled == DIMENSIONS[name][not parity]
    state, *_ = step(make(name, num_agents=5, parity=parity))
    assert model.public(make(name, num_agents=5).crowd(state), state.world).shape == (
        model.num_public,
    )


@pytest.mark.parametrize("name", MODELS)
def test_who_is_who_does_not_matter(name):
    """Agents in another order are paid the same, and end up in that order if nothing is drawn."""
    world = make(name, num_agents=6)
    state, actions, after, timesteps = step(world)
    order = np.array([3, 1, 0, 5, 4, 2])
    all_of_them = np.array([*order, 6]) if world.model.has_major else order
    shuffled = eqx.tree_at(lambda s: s.minors, state, state.minors[order])
    action = {TEAM: actions[TEAM][all_of_them]}
    key = jax.random.key(1)
    other, its_timesteps = world.step(key, shuffled, action)
    np.testing.assert_allclose(
        its_timesteps[TEAM].reward, timesteps[TEAM].reward[all_of_them], rtol=1e-5, atol=1e-6
    )
    if name != "two_gaussians":
        np.testing.assert_allclose(other.minors, after.minors[order], atol=1e-5)
    for here, there in zip(jax.tree.leaves(other.world), jax.tree.leaves(after.world), strict=True):
        np.testing.assert_allclose(here, there, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_all_are_paid_alike_and_counted_once(name):
    world = make(name, num_agents=6)
    before, _, state, timesteps = step(world)
    reward = timesteps[TEAM].reward
    assert np.ptp(reward) == 0
    np.testing.assert_allclose(state.shared_return - before.shared_return, reward[0], rtol=1e-5)
    assert float(timesteps[TEAM].measures["shared_return"]) == float(state.shared_return)


@pytest.mark.parametrize("name", MODELS)
def test_the_world_is_the_same_for_any_number_of_agents(name):
    """So that numbers of agents can be compared on the same draws."""
    few, many = (make(name, num_agents=number).reset(KEY)[0] for number in (3, 50))
    for one, other in zip(jax.tree.leaves(few.world), jax.tree.leaves(many.world), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(few.minors, many.minors[:3])


def test_the_major_agent_is_told_apart():
    world = make("formation", num_agents=4)
    _, _, after, timesteps = step(world)
    assert timesteps[TEAM].kind.tolist() == [MINOR] * 4 + [MAJOR]
    features = world.observe(after, TEAM).features
    np.testing.assert_array_equal(features[:, 2], [0, 0, 0, 0, 1])
    np.testing.assert_array_equal(features[4, :2], 0)
    np.testing.assert_array_equal(features[:4, :2], after.minors)
    np.testing.assert_array_equal(timesteps[TEAM].position[4], after.world.major)


def test_potential_has_a_major_agent_only_as_published():
    assert make("potential", num_agents=4).teams[0].num_agents == 4
    world = make("potential", num_agents=4, parity=True)
    assert world.teams[0].num_agents == 5
    state, _ = world.reset(KEY)
    ends = [world.step(KEY, state, {TEAM: jnp.zeros((5, 1)).at[4].set(u)})[0] for u in (-1.0, 1.0)]
    assert float(ends[0].world.major[0]) == float(ends[1].world.major[0])


@pytest.mark.parametrize("number", [2, 20, 100])
def test_the_beach_returns_what_it_must_if_nobody_moves(number):
    """-624.7201 - 288 / N, the last from agents that count themselves as a crowd."""
    played = play_scripted(
        make("beach_bar", num_agents=number), POLICIES["beach_bar"]["nothing"], 400, KEY
    )
    returns = np.asarray(played.measures["shared_return"])
    error = returns.std(ddof=1) / np.sqrt(len(returns))
    assert abs(returns.mean() - (-624.7201 - 288 / number)) < 3 * error


FORAGING = make("foraging", num_agents=8)
FORAGE = jax.jit(FORAGING.step)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**16))
def test_foragers_never_hold_more_than_fits_nor_tasks_less_than_nothing(seed):
    state, _ = FORAGING.reset(jax.random.key(seed))
    for time in range(30):
        key = jax.random.fold_in(jax.random.key(seed), time)
        action = jax.random.uniform(key, (9, 2), minval=-1)
        state, timesteps = FORAGE(key, state, {TEAM: action})
        held, left = np.asarray(state.minors[:, 2]), np.asarray(state.world.left)
        assert ((held >= 0) & (held <= 1)).all()
        assert ((left >= 0) & (left <= 1.5)).all()
        assert float(timesteps[TEAM].reward[0]) >= 0


@pytest.mark.parametrize(
    ("name", "best", "options", "ahead"),
    [
        ("two_gaussians", "transport", {"num_agents": 20, "max_steps": 6}, 3),
        ("formation", "transport", {"num_agents": 10, "max_steps": 6}, 3),
        ("beach_bar", "to-the-bar", {"num_agents": 30}, 150),
        ("foraging", "shuttle", {"num_agents": 30}, 500),
        ("potential", "push", {"num_agents": 30}, 30),
    ],
)
def test_crowds_that_know_how_earn_more(name, best, options, ahead):
    world = make(name, **options)

    def earned(player):
        played = play_scripted(world, POLICIES[name][player], 4, KEY)
        return float(jnp.mean(played.measures["shared_return"]))

    assert earned(best) > earned("nothing") + ahead


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("two_gaussians", ("minor agents", "users")),
        ("formation", ("minor agents", "major agent", "target")),
        ("beach_bar", ("minor agents", "major agent", "target")),
        ("foraging", ("minor agents", "major agent", "tasks")),
        ("potential", ("minor agents", "body", "target")),
    ],
)
def test_pictures_tell_all_apart(name, names):
    world = make(name, num_agents=3)
    state, _ = world.reset(KEY)
    scene = world.scene(state)
    assert scene.names == names
    assert scene.sort.shape == scene.level.shape
    assert sorted(set(scene.sort.tolist())) == list(range(len(names)))
    assert scene.sort[:3].tolist() == [0, 0, 0]
    if world.model.has_major:
        assert int(scene.sort[3]) == 1
        place = world.model.drawn(world.model.place_of_major(state.world)[None])
        np.testing.assert_array_equal(scene.position[3], place[0])


@pytest.mark.parametrize("name", MODELS)
def test_impossible_numbers_are_refused(name):
    with pytest.raises(SwarmfieldError, match=r"--env.num-agents is 0"):
        make(name, num_agents=0)
    with pytest.raises(SwarmfieldError, match=r"--env.max-steps is 0"):
        make(name, max_steps=0)
