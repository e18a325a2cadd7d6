"""Pursuit-Evasion: motion by hand, its guarantees, and how scripted pursuers do."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from swarmfield.environments import make
from swarmfield.environments.conformance import check_environment
from swarmfield.environments.motion import Motion, move_all
from swarmfield.environments.pursuit_evasion_reference import POLICIES, heading_to
from swarmfield.environments.scripted import play_scripted
from swarmfield.types import Box, Discrete, SwarmfieldError

KEY = jax.random.key(0)


def placed(world, pursuers, evader, heading=0.0):
    state, _ = world.reset(KEY)
    position = jnp.asarray(pursuers, jnp.float32)
    n = position.shape[0]
    motion = Motion(position, jnp.full(n, heading), jnp.zeros((n, 2)))
    return dataclasses.replace(state, motion=motion, evader=jnp.asarray(evader, jnp.float32))


def go(world, state, *actions):
    return world.step(KEY, state, {"pursuers": jnp.asarray(actions)})


@pytest.mark.parametrize(
    ("action", "moved"), [(0, [0, 0]), (1, [1, 0]), (2, [0.5**0.5] * 2), (3, [0, 1]), (5, [-1, 0])]
)
def test_any_of_eight_ways(action, moved):
    world = make("pursuit_evasion", num_agents=1)
    state, _ = go(world, placed(world, [[50, 50]], [10, 10]), action)
    np.testing.assert_allclose(state.motion.position[0] - 50, moved, atol=1e-5)


def move(motion, action, dynamics):
    return move_all(motion, action, dynamics, 8, lambda position: position)


def test_who_steers_drives_a_curve():
    """Ten ticks of 0.1 along, each turned by 0.02 pi after it."""
    motion = Motion(jnp.zeros((1, 2)), jnp.zeros(1), jnp.zeros((1, 2)))
    moved = move(motion, jnp.array([[1.0, 1.0]]), "steered")
    angle = 0.02 * np.pi * np.arange(10)
    way = 0.1 * np.array([np.cos(angle).sum(), np.sin(angle).sum()])
    np.testing.assert_allclose(moved.position[0], way, rtol=1e-5)
    np.testing.assert_allclose(moved.heading, 0.2 * np.pi, rtol=1e-5)
    backwards = move(motion, jnp.array([[-1.0, 0.0]]), "steered")
    np.testing.assert_array_equal(backwards.position, 0)


def test_who_accelerates_gets_faster_and_never_too_fast():
    motion = Motion(jnp.zeros((1, 2)), jnp.zeros(1), jnp.zeros((1, 2)))
    full = jnp.array([[1.0, 0.0]])
    rate, expected = 0.0, 0.0
    for _ in range(10):
        rate = 0.99 * rate + 0.01
        expected += 0.1 * rate
    after = move(motion, full, "accelerated")
    np.testing.assert_allclose(after.rates[0], [rate, 0], rtol=1e-5)
    np.testing.assert_allclose(after.position[0], [expected, 0], rtol=1e-5)
    for _ in range(100):
        after = move(after, full, "accelerated")
    assert 0.9 < float(after.rates[0, 0]) <= 1


def test_the_evader_goes_two_units_from_the_nearest():
    world = make("pursuit_evasion", num_agents=2)
    state, timesteps = go(world, placed(world, [[55, 50], [50, 80]], [50, 50]), 0, 0)
    assert float(jnp.hypot(*(state.evader - 50.0))) == pytest.approx(2, rel=1e-5)
    assert float(state.evader[0]) < 50
    distance = np.hypot(*(np.asarray(state.evader) - [55, 50]))
    np.testing.assert_allclose(timesteps["pursuers"].reward, -distance / (100 * 2**0.5), rtol=1e-5)


def test_the_torus_is_joined_and_the_square_is_not():
    torus, square = (
        make("pursuit_evasion", num_agents=1, topology=name) for name in ("torus", "closed")
    )
    state, _ = go(torus, placed(torus, [[99.5, 50]], [50, 50]), 1)
    np.testing.assert_allclose(state.motion.position[0], [0.5, 50], atol=1e-4)
    np.testing.assert_allclose(torus.offset(jnp.array([98.0, -2.0])), [-2, -2])
    state, _ = go(square, placed(square, [[99.5, 50]], [50, 50]), 1)
    np.testing.assert_allclose(state.motion.position[0], [100, 50])
    np.testing.assert_allclose(square.offset(jnp.array([98.0, -2.0])), [98, -2])


def test_the_game_is_over_when_it_is_caught():
    """In the corner of the square it cannot get away."""
    world = make("pursuit_evasion", num_agents=1, topology="closed")
    _, timesteps = go(world, placed(world, [[0.9, 0.9]], [0, 0]), 6)
    after = timesteps["pursuers"]
    assert bool(jnp.all(after.terminated))
    assert bool(jnp.all(after.alive))
    assert float(after.measures["captured"]) == 1
    assert float(after.measures["steps"]) == 1
    _, timesteps = go(world, placed(world, [[50, 50]], [0, 0]), 0)
    assert not bool(jnp.any(timesteps["pursuers"].terminated))


def test_what_is_seen():
    world = make("pursuit_evasion", num_agents=3)
    state = placed(world, [[10, 10], [90, 10], [10, 40]], [20, 90])
    seen = np.asarray(world.observe(state, "pursuers").features) * 50
    # The evader, then the others, each the short way around.
    np.testing.assert_allclose(seen[0], [10, -20, -20, 0, 0, 30], atol=1e-4)
    np.testing.assert_allclose(seen[1], [30, -20, 20, 0, 20, 30], atol=1e-4)
    nearest = make("pursuit_evasion", num_agents=3, sees=1)
    seen = np.asarray(nearest.observe(state, "pursuers").features) * 50
    np.testing.assert_allclose(seen[2], [10, 50, 0, -30], atol=1e-4)


def test_who_steers_sees_all_from_its_own_heading():
    world = make("pursuit_evasion", num_agents=2, dynamics="steered")
    state = placed(world, [[10, 10], [10, 30]], [20, 10], heading=np.pi / 2)
    seen = np.asarray(world.observe(state, "pursuers").features)[0]
    # Facing up, the evader is on the right; the other is ahead, and turned the same way.
    np.testing.assert_allclose(seen, [0, -0.2, 0.4, 0, 1, 0], atol=1e-6)
    # Between walls it also sees where it is, and which way it faces.
    walled = make("pursuit_evasion", num_agents=2, dynamics="steered", topology="closed")
    more = np.asarray(walled.observe(state, "pursuers").features)[0]
    np.testing.assert_allclose(more, [-0.8, -0.8, 0, 1, *seen], atol=1e-6)


def test_how_the_nearest_is_turned_is_its_own():
    world = make("pursuit_evasion", num_agents=3, dynamics="steered", sees=1)
    state = placed(world, [[10, 10], [10, 60], [10, 30]], [20, 10])
    heading = jnp.array([0.0, np.pi, np.pi / 2])
    state = dataclasses.replace(state, motion=dataclasses.replace(state.motion, heading=heading))
    seen = np.asarray(world.observe(state, "pursuers").features)[0]
    np.testing.assert_allclose(seen, [0.2, 0, 0, 0.4, 0, 1], atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"topology": "closed", "num_agents": 1},
        {"dynamics": "steered", "num_agents": 4, "sees": 2},
        {"dynamics": "accelerated", "topology": "closed", "num_agents": 3},
        {"headings": 4, "num_agents": 3},
    ],
)
def test_every_variant_keeps_the_guarantees(options):
    check_environment(make("pursuit_evasion", max_steps=5, **options), KEY, 7)


def test_spaces():
    assert make("pursuit_evasion").teams[0].actions == Discrete(9)
    assert make("pursuit_evasion").teams[0].features == 2 + 2 * 19
    assert make("pursuit_evasion", dynamics="steered").teams[0].actions == Box(2, -1.0, 1.0)


def test_who_surrounds_catches_more_than_who_chases():
    """It is twice as fast, and on the torus nobody catches it alone."""
    world = make("pursuit_evasion")
    played = {name: play_scripted(world, choose, 100, KEY) for name, choose in POLICIES.items()}
    shares = {name: float(each.measures["captured"].mean()) for name, each in played.items()}
    assert shares["random"] < 0.05
    assert shares["stay"] < 0.05
    assert shares["random"] < shares["chase"] < 0.5
    assert shares["ring"] > 0.85
    assert played["random"].length.tolist() == [200] * 100
    was_caught = played["ring"].measures["captured"] == 1
    assert (played["ring"].length[was_caught] < 200).mean() > 0.9
    assert (played["ring"].length[~was_caught] == 200).all()


def test_headings_are_the_nearest():
    world = make("pursuit_evasion", headings=4)
    ways = jnp.array([[2.0, 1.0], [0.1, 5.0], [-1.0, 0.2], [0.2, -1.0]])
    assert heading_to(world, ways).tolist() == [1, 2, 3, 4]


def test_a_wall_stops_who_steers_in_every_tick():
    world = make("pursuit_evasion", num_agents=1, topology="closed", dynamics="steered")
    state, _ = go(world, placed(world, [[99.95, 50]], [10, 50]), [1.0, 1.0])
    # It slides along the wall as it turns.
    angle = 0.02 * np.pi * np.arange(10)
    np.testing.assert_allclose(
        state.motion.position[0], [100, 50 + 0.1 * np.sin(angle).sum()], rtol=1e-5
    )


def test_memory_of_ten_thousand():
    """What all see of all others is made in pieces."""
    world = make("pursuit_evasion", num_agents=10_000, sees=1)
    state, _ = world.reset(KEY)
    actions = {"pursuers": jnp.zeros(10_000, jnp.int32)}
    step = jax.jit(world.step).lower(KEY, state, actions)
    look = jax.jit(lambda state: world.observe(state, "pursuers")).lower(state)
    for lowered in (step, look):
        assert lowered.compile().memory_analysis().temp_size_in_bytes < 50e6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_agents": 0}, "--env.num-agents is 0"),
        ({"headings": 0}, "--env.headings is 0"),
        ({"sees": 0}, "--env.sees is 0"),
        ({"topology": "sphere"}, "'sphere'"),
    ],
)
def test_refusals(options, said):
    with pytest.raises(SwarmfieldError, match=said):
        make("pursuit_evasion", **options)
