"""Spread: its physics by hand and against JaxMARL, its guarantees, and scripted agents."""

import dataclasses

import jax
import jax.numpy as jnp
import jaxmarl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmfield.environments import make, sight
from swarmfield.environments.conformance import check_environment
from swarmfield.environments.scripted import play_scripted
from swarmfield.environments.spread import Spread, SpreadConfig, contact
from swarmfield.environments.spread_reference import POLICIES, assigned
from swarmfield.types import Box, SwarmfieldError

KEY = jax.random.key(0)
FAR = [[-5.0, 0.0], [5.0, 0.0]]


def placed(world, position, velocity=None, landmarks=None):
    """A state with agents at given places."""
    state, _ = world.reset(KEY)
    position = jnp.asarray(position, jnp.float32)
    velocity = jnp.zeros_like(position) if velocity is None else jnp.asarray(velocity, jnp.float32)
    landmarks = state.landmarks if landmarks is None else jnp.asarray(landmarks, jnp.float32)
    there = {"position": position, "contact": contact(position)}
    return dataclasses.replace(state, **there, velocity=velocity, landmarks=landmarks)


def push(world, state, *actions):
    return world.step(KEY, state, {"agents": jnp.asarray(actions)})


@pytest.mark.parametrize(
    ("action", "velocity"),
    [(0, [0.3, -0.6]), (1, [-0.2, -0.6]), (2, [0.8, -0.6]), (3, [0.3, -1.1]), (4, [0.3, -0.1])],
)
def test_a_push_by_hand(action, velocity):
    """v' = 0.75 v + 0.5 u, x' = x + 0.1 v'."""
    world = make("spread", num_agents=2)
    state, _ = push(world, placed(world, FAR, [[0.4, -0.8], [0, 0]]), action, 0)
    np.testing.assert_allclose(state.velocity[0], velocity, rtol=1e-6)
    moved = np.array(FAR[0]) + 0.1 * np.array(velocity)
    np.testing.assert_allclose(state.position[0], moved, rtol=1e-6)


def test_the_explicit_form_moves_by_the_old_velocity():
    world = make("spread", num_agents=2, integration="explicit")
    state, _ = push(world, placed(world, FAR, [[0.4, -0.8], [0, 0]]), 2, 0)
    np.testing.assert_allclose(state.position[0], [-4.96, -0.08], rtol=1e-6)
    np.testing.assert_allclose(state.velocity[0], [0.8, -0.6], rtol=1e-6)


def test_contact_by_hand():
    """Two at 0.2 overlap by 0.1: each is pushed away with 100 times that; nobody else is."""
    found = contact(jnp.array([[0.0, 0.0], [0.2, 0.0], [3.0, 0.0]]))
    np.testing.assert_allclose(found.force, [[-10, 0], [10, 0], [0, 0]], rtol=1e-5)
    assert found.collisions.tolist() == [1, 1, 0]


def test_the_force_is_soft_where_two_just_touch():
    found = contact(jnp.array([[0.0, 0.0], [0.0, 0.3]]))
    np.testing.assert_allclose(found.force[1], [0, 0.1 * np.log(2)], rtol=2e-3)


def test_two_at_one_place_are_not_pushed_and_no_number_is_lost():
    found = contact(jnp.zeros((2, 2)))
    np.testing.assert_array_equal(found.force, 0)
    assert found.collisions.tolist() == [1, 1]


@given(seed=st.integers(0, 2**16))
def test_forces_cancel(seed):
    found = contact(jax.random.uniform(jax.random.key(seed), (8, 2)))
    np.testing.assert_allclose(jnp.sum(found.force, axis=0), 0, atol=1e-3)


def test_pairs_in_pieces_are_the_same_pairs(monkeypatch):
    position = jax.random.uniform(KEY, (7, 2))
    world = make("spread", num_agents=7, num_landmarks=5)
    landmarks = jax.random.uniform(jax.random.key(1), (5, 2))
    whole, distance = contact(position), world.distance(position, landmarks)
    state = placed(world, position, landmarks=landmarks)
    seen = world.observe(state, "agents").features
    monkeypatch.setattr(sight, "_PAIRS_AT_ONCE", 14)
    np.testing.assert_array_equal(world.observe(state, "agents").features, seen)
    pieces = contact(position)
    np.testing.assert_allclose(pieces.force, whole.force, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(pieces.collisions, whole.collisions)
    assert float(world.distance(position, landmarks)) == pytest.approx(float(distance), rel=1e-6)


@pytest.mark.parametrize(("reward", "share"), [("mpe", 1.0), ("jaxmarl", 0.5)])
def test_rewards_by_hand(reward, share):
    """Two that run into each other, a landmark beside one of them and one beside the third."""
    world = make("spread", num_agents=3, num_landmarks=2, reward=reward)
    at, speed = [[0, 0], [0.5, 0], [9, 0]], [[2, 0], [-2, 0], [0, 0]]
    state, timesteps = push(world, placed(world, at, speed, [[0.15, 1], [9, 2]]), 0, 0, 0)
    np.testing.assert_allclose(state.position[:2], [[0.15, 0], [0.35, 0]], rtol=1e-5)
    distance = 1.0 + 2.0
    wanted = -share * np.array([distance + 1, distance + 1, distance])
    np.testing.assert_allclose(timesteps["agents"].reward, wanted, rtol=1e-5)
    measures = timesteps["agents"].measures
    assert float(measures["distance"]) == pytest.approx(distance, rel=1e-5)
    assert float(measures["collisions"]) == 2


def test_what_is_seen():
    world = make("spread", num_agents=3, num_landmarks=1)
    state = placed(world, [[0, 0], [1, 0], [0, 2]], [[0.1, 0.2]] * 3, [[3, 3]])
    seen = world.observe(state, "agents").features
    np.testing.assert_allclose(seen[0], [0.1, 0.2, 0, 0, 3, 3, 1, 0, 0, 2], rtol=1e-6)
    np.testing.assert_allclose(seen[1], [0.1, 0.2, 1, 0, 2, 3, -1, 0, -1, 2], rtol=1e-6)
    nearest = make("spread", num_agents=3, num_landmarks=1, sees=1)
    assert nearest.teams[0].features == 8
    seen = nearest.observe(state, "agents").features
    np.testing.assert_allclose(seen[2], [0.1, 0.2, 0, 2, 3, 1, 0, -2], rtol=1e-6)


def test_six_see_what_the_paper_says_less_messages():
    assert make("spread").teams[0].features == 36 - 2 * 5


def test_any_force_may_be_asked_for():
    world = make("spread", num_agents=2, actions="continuous")
    assert world.teams[0].actions == Box(2, -1.0, 1.0)
    state, _ = push(world, placed(world, FAR), [0.5, -3.0], [0, 0])
    np.testing.assert_allclose(state.velocity[0], [0.25, -0.5], rtol=1e-6)  # cut off at -1
    np.testing.assert_allclose(state.last_action[0], [0.5, -1.0])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_agents": 1, "num_landmarks": 3},
        {"num_agents": 5, "num_landmarks": 2, "sees": 3, "reward": "jaxmarl"},
        {"num_agents": 3, "actions": "continuous", "integration": "explicit"},
    ],
)
def test_every_variant_keeps_the_guarantees(options):
    check_environment(make("spread", max_steps=5, **options), KEY, 7)


def test_it_is_jaxmarls_step_by_step():
    """Fifty episodes from the same places, with the same actions."""
    theirs = jaxmarl.make("MPE_simple_spread_v3", num_agents=6, num_landmarks=6)
    ours = make("spread", reward="jaxmarl", integration="explicit")
    names = [f"agent_{i}" for i in range(6)]

    def episode(key):
        _, their_state = theirs.reset(key)
        state = placed(ours, their_state.p_pos[:6], landmarks=their_state.p_pos[6:])

        def step(states, key):
            their_state, state = states
            actions = jax.random.randint(key, (6,), 0, 5)
            seen, their_state, paid, _, _ = theirs.step_env(
                key, their_state, dict(zip(names, actions, strict=True))
            )
            state, timesteps = ours.step(key, state, {"agents": actions})
            their_view = jnp.stack([seen[name] for name in names])[:, :26]
            their_pay = jnp.stack([paid[name] for name in names])
            our_view = ours.observe(state, "agents").features
            return (their_state, state), (
                (their_view, our_view),
                (their_pay, timesteps["agents"].reward),
                (their_state.p_pos[:6], state.position),
            )

        return jax.lax.scan(step, (their_state, state), jax.random.split(key, 25))[1]

    with jax.numpy_rank_promotion("allow"):
        pairs = jax.jit(jax.vmap(episode))(jax.random.split(KEY, 50))
    paid = np.asarray(pairs[1][0])
    assert np.mean(np.ptp(paid, axis=-1) > 0) > 0.1  # somebody collides, and others do not
    for their, our in pairs:
        np.testing.assert_allclose(our, their, rtol=2e-4, atol=2e-4)


class WithoutCollisions(Spread):
    """A world that pays for the distance alone."""

    def step(self, key, state, actions):
        state, timesteps = super().step(key, state, actions)
        timestep = timesteps["agents"]
        reward = timestep.reward + contact(state.position).collisions
        return state, {"agents": dataclasses.replace(timestep, reward=reward)}


@pytest.mark.parametrize(
    ("policy", "expected", "within"), [("random", -73, 2.5), ("assignment", -18.2, 1)]
)
def test_scripted_agents_cover_as_much_as_they_should(policy, expected, within):
    """Of the distance alone; the random one's is known, and the assignment's is to be near -19."""
    world = WithoutCollisions(SpreadConfig())
    returns = play_scripted(world, POLICIES[policy], 300, KEY).returns / 6
    assert float(returns.mean()) == pytest.approx(expected, abs=within)


def test_everybody_gets_a_landmark_of_its_own():
    position, landmarks = jnp.array([[0.0, 0], [1, 0], [5, 5]]), jnp.array([[0.9, 0.0], [0, 0.5]])
    expected = [[0, 0.5], [0.9, 0], [5, 5]]
    np.testing.assert_allclose(assigned(position, landmarks), expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_agents": 0}, "--env.num-agents is 0"),
        ({"num_agents": 10_000}, "--env.num-agents is 10000: choose a whole number from 1 to 8192"),
        ({"num_landmarks": 0}, "--env.num-landmarks is 0"),
        ({"sees": 0}, "--env.sees is 0"),
    ],
)
def test_refusals(options, said):
    with pytest.raises(SwarmfieldError, match=said):
        make("spread", **options)
