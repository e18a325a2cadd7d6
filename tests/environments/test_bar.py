"""The bar: its rules by hand, its guarantees, and what scripted people earn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmfield.environments import make
from swarmfield.environments.bar_reference import (
    POLICIES,
    best_chance,
    equilibrium,
    value_of_chance,
)
from swarmfield.environments.conformance import check_environment
from swarmfield.environments.scripted import play_scripted
from swarmfield.types import SwarmfieldError

KEY = jax.random.key(0)


def night(world, actions):
    state, _ = world.reset(KEY)
    return world.step(KEY, state, {"people": jnp.array(actions)})


@pytest.mark.parametrize(
    ("actions", "rewards"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 0]),
        ([1, 0, 0, 0], [1, 0, 0, 0]),
        ([1, 0, 1, 0], [1, 0, 1, 0]),  # exactly as many as fit
        ([1, 0, 1, 1], [-1, 0, -1, -1]),
    ],
)
def test_a_night_by_hand(actions, rewards):
    world = make("bar", num_agents=4, capacity=2)
    state, timesteps = night(world, actions)
    after = timesteps["people"]
    assert after.reward.tolist() == rewards
    assert after.last_action.tolist() == actions
    assert np.allclose(world.observe(state, "people").features, sum(actions) / 4)
    assert not np.any(after.terminated)


def test_measures_are_totals():
    world = make("bar", num_agents=4, capacity=2, max_steps=3)
    state, _ = world.reset(KEY)
    for actions in ([1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]):
        state, timesteps = world.step(KEY, state, {"people": jnp.array(actions)})
    assert float(timesteps["people"].measures["visits"]) == 8
    assert float(timesteps["people"].measures["crowded"]) == 2
    assert bool(timesteps["people"].truncated)


def test_the_first_night_any_attendance_is_as_likely():
    world = make("bar", num_agents=3)
    states, _ = jax.vmap(world.reset)(jax.random.split(KEY, 8000))
    counts = np.bincount(np.asarray(states.attendance), minlength=4)
    np.testing.assert_allclose(counts / 8000, 0.25, atol=0.02)


@given(seed=st.integers(0, 2**16))
def test_who_is_who_does_not_matter(seed):
    """People in another order earn the same in that order."""
    world = make("bar", num_agents=7)
    order = jax.random.permutation(jax.random.key(seed), 7)
    actions = jax.random.randint(jax.random.key(seed + 1), (7,), 0, 2)
    _, one = night(world, actions)
    _, other = night(world, actions[order])
    np.testing.assert_array_equal(other["people"].reward, one["people"].reward[order])


@pytest.mark.parametrize(("people", "room"), [(100, 60), (7, 4), (1, 1)])
def test_six_in_ten_fit_if_nothing_is_said(people, room):
    assert make("bar", num_agents=people).capacity == room


@pytest.mark.parametrize("people", [1, 5])
def test_every_size_keeps_the_guarantees(people):
    check_environment(make("bar", num_agents=people, max_steps=5), KEY, 7)


def test_a_million_people():
    world = make("bar", num_agents=10**6)
    goes = (jnp.arange(10**6) < 600_000).astype(jnp.int32)
    _, timesteps = jax.jit(lambda: night(world, goes))()
    assert float(timesteps["people"].reward.sum()) == 600_000


def test_what_chance_is_worth():
    """The figures of the problem with 100 people and room for 60."""
    world = make("bar")
    assert value_of_chance(world, 0.5) == pytest.approx(0.478, abs=5e-4)
    assert best_chance(world) == pytest.approx(0.498, abs=5e-4)
    assert value_of_chance(world, best_chance(world)) == pytest.approx(0.478, abs=5e-4)
    assert equilibrium(world) == pytest.approx(0.6007, abs=5e-5)
    assert value_of_chance(world, equilibrium(world)) == pytest.approx(0, abs=1e-9)
    assert equilibrium(make("bar", num_agents=4, capacity=4)) == 1.0


@pytest.mark.parametrize(
    ("policy", "expected", "within"),
    [("regulars", 0.6, 1e-6), ("best_chance", 0.478, 0.005), ("equilibrium", 0.0, 0.012)],
)
def test_scripted_people_earn_what_they_should(policy, expected, within):
    world = make("bar")
    returns = play_scripted(world, POLICIES[policy], 600, KEY).returns
    assert float(returns.mean()) / (100 * 50) == pytest.approx(expected, abs=within)


def test_a_coin_is_nearly_the_best_chance():
    world = make("bar")
    returns = play_scripted(world, POLICIES["random"], 600, KEY).returns
    assert float(returns.mean()) / (100 * 50) == pytest.approx(0.478, abs=5e-3)


def test_who_goes_is_drawn_in_the_bar():
    world = make("bar", num_agents=4, capacity=2)
    state, _ = night(world, [1, 0, 0, 1])
    scene = world.scene(state)
    inside = np.asarray(scene.position[:, 0]) > world.extent[0] / 2
    assert inside.tolist() == [True, False, False, True]
    assert scene.level[0] > scene.level[1]
    crowd = world.scene(night(world, [1, 1, 1, 0])[0])
    assert crowd.level[0] < crowd.level[3]
    assert np.all(np.asarray(scene.position) <= np.array(world.extent))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_agents": 0}, "--env.num-agents is 0"),
        ({"capacity": 0}, "--env.capacity is 0: choose a whole number from 1 to 100"),
        ({"num_agents": 10, "capacity": 11}, "--env.capacity is 11"),
        ({"max_steps": 0}, "--env.max-steps is 0"),
    ],
)
def test_refusals(options, said):
    with pytest.raises(SwarmfieldError, match=said):
        make("bar", **options)
