"""Miners: its rules by hand, its guarantees, and what scripted miners earn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmfield.environments import make
from swarmfield.environments.conformance import check_environment
from swarmfield.environments.miners import STRENGTH, MinersState
from swarmfield.environments.miners_reference import POLICIES
from swarmfield.environments.scripted import play_scripted
from swarmfield.types import Box, SwarmfieldError

KEY = jax.random.key(0)
UP, DOWN, LEFT, RIGHT = range(4)
SEVENTH = np.log(7.0) / STRENGTH
"""Seven parts in ten one way and one part each of the others."""


def towards(way: int, count: int, strength: float = SEVENTH):
    return jnp.zeros((count, 4)).at[:, way].set(strength)


def state_of(world, miners=None, diamonds=((1, 1),), time=0):
    n = world.config.num_agents
    miners = jnp.ones(n) if miners is None else jnp.asarray(miners, jnp.float32)
    return MinersState(miners, jnp.array(diamonds), jnp.zeros((n, 4)), jnp.int32(time))


def source_field(side: int, diamonds) -> np.ndarray:
    """Every sample, with each diamond's images in the tori around."""
    field = np.zeros((3 * side, 3 * side))
    for row, column in diamonds:
        for y, x in np.ndindex(field.shape):
            for up, aside in np.ndindex(7, 7):
                dy = (y - 3 * row - 1) / 3 + side * (up - 3)
                dx = (x - 3 * column - 1) / 3 + side * (aside - 3)
                field[y, x] += np.exp(-2 * (dy**2 + dx**2) / (3 * side))
    return field


def test_the_field_by_hand() -> None:
    """Thirty cells a side, so that images are too far to count: exp(-2 r^2 / 90)."""
    world = make("miners", num_agents=900, num_diamonds=1)
    state = state_of(world, diamonds=((1, 1),))
    seen = np.asarray(world.observe(state, "cells").features)
    corner = np.exp(-2 * (2 / 9) / 90)
    less = 10 * (corner - 1)
    np.testing.assert_allclose(seen[31], [less, less, 1, less, less], rtol=1e-4)
    # The cell on the right: corners at (1/3, 2/3) and (1/3, 4/3) cells, centre at one.
    near, far = np.exp(-2 * (5 / 9) / 90), np.exp(-2 * (17 / 9) / 90)
    centre = np.exp(-2 / 90)
    more, less = 10 * (near - centre), 10 * (far - centre)
    np.testing.assert_allclose(seen[32], [more, less, centre, more, less], rtol=1e-4)
    # Nine samples are three by three along the axes.
    row = 1 + 2 * np.exp(-2 / 9 / 90)
    column = np.exp(-2 * (4 / 9) / 90) + np.exp(-2 / 90) + np.exp(-2 * (16 / 9) / 90)
    field = np.asarray(world.field(state.diamonds))
    np.testing.assert_allclose(field[[31, 32, 61]], [row**2, row * column, row * column], 1e-5)


def test_what_cells_see_and_have_is_the_sampled_field() -> None:
    world = make("miners", num_agents=25)
    diamonds = ((1, 1), (4, 2))
    field = source_field(5, diamonds)
    state = state_of(world, diamonds=diamonds)
    summed = field.reshape(5, 3, 5, 3).sum(axis=(1, 3)).reshape(-1)
    np.testing.assert_allclose(world.field(state.diamonds), summed, rtol=1e-5)
    corners = [field[row::3, column::3].reshape(-1) for row, column in _CORNERS]
    seen = world.observe(state, "cells").features
    centre = corners[2]
    told = [centre if at is centre else 10 * (at - centre) for at in corners]
    np.testing.assert_allclose(seen, np.stack(told, axis=1), rtol=1e-4, atol=1e-5)


_CORNERS = ((0, 0), (0, 2), (1, 1), (2, 0), (2, 2))


def test_miners_move_by_hand() -> None:
    """Everybody sends 0.07 up and 0.01 each other way; the torus wraps around."""
    world = make("miners", num_agents=9)
    miners = np.arange(1.0, 10.0)
    arrives = world.flow(jnp.asarray(miners, jnp.float32), towards(UP, 9))
    np.testing.assert_allclose(arrives, np.zeros(9), atol=1e-7)
    # Only the first cell has miners: 0.07 go up, around the torus to row 2, and 0.01 elsewhere.
    arrives = world.flow(jnp.zeros(9).at[0].set(5.0), towards(UP, 9))
    expected = np.zeros(9)
    expected[[0, 6, 3, 2, 1]] = [-0.1, 0.07, 0.01, 0.01, 0.01]
    np.testing.assert_allclose(arrives, expected, atol=1e-7)
    # Nobody sends what is not there.
    arrives = world.flow(jnp.zeros(9).at[4].set(0.04), towards(RIGHT, 9))
    expected = np.zeros(9)
    expected[[4, 1, 7, 3, 5]] = [-0.04, 0.004, 0.004, 0.004, 0.028]
    np.testing.assert_allclose(arrives, expected, atol=1e-7)


def test_rewards_by_hand() -> None:
    """A cell is paid for its four neighbours' change, not for its own."""
    world = make("miners", num_agents=9, num_diamonds=1)
    state = state_of(world, miners=np.eye(9)[4])
    after, timesteps = world.step(KEY, state, {"cells": towards(LEFT, 9)})
    field = np.asarray(world.field(state.diamonds))
    change = np.zeros(9)
    change[[4, 1, 7, 3, 5]] = [-0.1, 0.01, 0.01, 0.07, 0.01]
    np.testing.assert_allclose(after.miners, np.eye(9)[4] + change, atol=1e-7)
    gain = (change * field).reshape(3, 3)
    paid = sum(np.roll(gain, shift, axis) for shift in (1, -1) for axis in (0, 1))
    cells = timesteps["cells"]
    np.testing.assert_allclose(cells.reward, paid.reshape(-1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(cells.reward.sum(), 4 * gain.sum(), rtol=1e-4)
    mined = float((after.miners * field).sum())
    np.testing.assert_allclose(cells.measures["mined"], mined, rtol=1e-5)
    np.testing.assert_allclose(cells.measures["gain"], mined - field.sum(), rtol=1e-5)


@given(seed=st.integers(0, 2**16))
def test_no_miner_is_made_or_lost(seed: int) -> None:
    world = make("miners", num_agents=16, max_steps=40)
    step = jax.jit(world.step)
    state, _ = world.reset(jax.random.key(seed))
    for number in range(40):
        key = jax.random.fold_in(jax.random.key(seed), number)
        actions = POLICIES["random"](world, state, key)
        # One cell is always fled from, and runs out.
        graph = jnp.asarray(world.teams[0].graph)
        actions = jnp.where(graph == 5, -1.0, actions)
        state, _ = step(KEY, state, {"cells": actions})
        assert float(state.miners.min()) >= 0
        assert float(state.miners.sum()) == pytest.approx(16, rel=1e-5)
    assert float(state.miners[5]) < 0.1


def test_the_graph_is_the_torus() -> None:
    team = make("miners", num_agents=9).teams[0]
    assert team.actions == Box(4, -1.0, 1.0)
    assert team.graph.tolist()[0] == [6, 3, 2, 1]
    assert team.graph.tolist()[5] == [2, 8, 4, 3]


def test_actions_are_executed_within_their_bounds() -> None:
    world = make("miners", num_agents=9)
    _, timesteps = world.step(KEY, state_of(world), {"cells": towards(DOWN, 9, 99.0)})
    assert float(timesteps["cells"].last_action.max()) == 1


def test_miners_are_seen_where_asked_for() -> None:
    world = make("miners", num_agents=9, see_miners=True, max_steps=20)
    state = state_of(world, miners=np.arange(9.0))
    features = np.asarray(world.observe(state, "cells").features)
    assert features.shape == (9, 6)
    np.testing.assert_array_equal(features[:, 5], np.arange(9.0))
    check_environment(world, KEY, 22)


def test_scripted_miners_earn_what_they_should() -> None:
    """Over 100 episodes of 100 cells; a return is four times what was gained."""
    world = make("miners")
    gain = {
        name: float(play_scripted(world, policy, 100, KEY).returns.mean()) / 4
        for name, policy in POLICIES.items()
    }
    assert gain["even"] == pytest.approx(0, abs=1e-3)
    assert abs(gain["random"]) < 2
    assert 130 < gain["sight"] < gain["uphill"] < 155


def test_uphill_is_the_best_in_ten_steps() -> None:
    """What a cell sends in a step counts by itself: 0.1 times the largest field beside it."""
    world = make("miners", num_agents=25)
    state, timesteps = world.reset(KEY)
    field = np.asarray(world.field(state.diamonds))
    beside = field[world.teams[0].graph]
    best = 0.1 * (beside.max(axis=1) - field).sum()
    for _ in range(world.max_steps):
        actions = POLICIES["uphill"](world, state, KEY)
        state, timesteps = world.step(KEY, state, {"cells": actions})
    gain = float(timesteps["cells"].measures["gain"])
    # One in a hundred goes astray, as actions are bounded.
    assert 0.97 * world.max_steps * best < gain < world.max_steps * best


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_agents": 4}, "--env.num-agents is 4: choose a whole number from 9"),
        ({"num_agents": 90}, "--env.num-agents is 90, but .* choose 81 or 100"),
        ({"num_diamonds": 0}, "--env.num-diamonds is 0"),
        ({"max_steps": 0}, "--env.max-steps is 0"),
    ],
)
def test_bad_options_are_named(options, words) -> None:
    with pytest.raises(SwarmfieldError, match=words):
        make("miners", **options)
