"""The mean action of a team: numbers by hand, and the dead count for nothing."""

from functools import partial

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from toy import NUM_ACTIONS, make_timestep

from swarmfield import mean_field
from swarmfield.types import Discrete, TeamSpec, Timestep

pytestmark = pytest.mark.usefixtures("strict_dtypes")

NONE = NUM_ACTIONS
"""What `last_action` is where there was none."""


def make_team(num_agents: int) -> TeamSpec:
    return TeamSpec("team", num_agents, Discrete(NUM_ACTIONS), None, 0)


def played(last_action: list[int] | np.ndarray, alive: list | np.ndarray) -> Timestep:
    return make_timestep(
        len(last_action),
        last_action=np.asarray(last_action, np.uint8),
        alive=np.asarray(alive, bool),
    )


@partial(jax.jit, static_argnums=0)
def every_part(include_self: bool, timestep: Timestep) -> jax.Array:
    num_agents = timestep.alive.shape[0]
    field = mean_field.team_mean(make_team(num_agents), include_self=include_self)
    value = field.compute(timestep, None)
    return jax.vmap(lambda i: field.at(value, i)[0])(jnp.arange(num_agents))


def rows(include_self: bool, timestep: Timestep) -> np.ndarray:
    """Every agent's part."""
    return np.asarray(every_part(include_self, timestep))


def test_with_self_by_hand() -> None:
    everyone = [0.25, 0.5, 0, 0.25]
    timestep = played([0, 1, 1, 3], [1, 1, 1, 1])
    np.testing.assert_array_equal(rows(True, timestep), [everyone] * 4)


def test_with_self_is_one_vector_for_the_team() -> None:
    field = mean_field.team_mean(make_team(4))
    assert field.compute(played([0, 1, 1, 3], [1, 1, 1, 1]), None).shape == (NUM_ACTIONS,)


def test_without_self_the_living_count_only_the_other_living() -> None:
    # Alive (1, 1, 1, 0): the denominators are 2, 2, 2 and, for the dead, 3.
    timestep = played([0, 1, 1, 2], [1, 1, 1, 0])
    expected = [[0, 1, 0, 0], [0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [1 / 3, 2 / 3, 0, 0]]
    np.testing.assert_allclose(rows(False, timestep), expected, rtol=1e-6)


def test_with_self_the_dead_are_left_out() -> None:
    timestep = played([0, 1, 1, 2], [1, 1, 1, 0])
    np.testing.assert_allclose(rows(True, timestep), [[1 / 3, 2 / 3, 0, 0]] * 4, rtol=1e-6)


@pytest.mark.parametrize("include_self", [True, False])
def test_zero_before_the_first_action(include_self: bool) -> None:
    assert not rows(include_self, played([NONE] * 3, [1, 1, 1])).any()


@pytest.mark.parametrize("include_self", [True, False])
def test_zero_when_nobody_lives(include_self: bool) -> None:
    assert not rows(include_self, played([0, 1, 2], [0, 0, 0])).any()


def test_the_last_one_alive_has_no_others() -> None:
    timestep = played([0, 1, 2], [0, 1, 0])
    np.testing.assert_array_equal(rows(False, timestep)[1], np.zeros(4))
    np.testing.assert_array_equal(rows(True, timestep)[1], [0, 1, 0, 0])


def test_last_vectors_by_hand() -> None:
    one_hot = mean_field.last_vectors(played([2, 0, NONE], [1, 0, 1]), NUM_ACTIONS)
    np.testing.assert_array_equal(one_hot, [[0, 0, 1, 0], [0] * 4, [0] * 4])


def test_no_field_is_nothing() -> None:
    field = mean_field.none()
    assert field.reader is None
    assert field.at(field.compute(played([0], [1]), None), jnp.int32(0)) is None


actions = arrays.arrays(np.uint8, 7, elements=st.integers(0, NUM_ACTIONS))
masks = arrays.arrays(np.bool_, 7)


@given(actions, masks, st.booleans())
def test_in_the_simplex(last_action: np.ndarray, alive: np.ndarray, include_self: bool) -> None:
    field = rows(include_self, played(last_action, alive))
    assert (field >= 0).all()
    assert (field.sum(axis=1) <= 1 + 1e-6).all()
    complete = alive & (last_action < NUM_ACTIONS)
    if (complete == alive).all() and alive.sum() >= 2:
        np.testing.assert_allclose(field.sum(axis=1), np.ones(7), rtol=1e-6)


@given(actions, masks, st.booleans(), actions)
def test_the_dead_are_inert(
    last_action: np.ndarray, alive: np.ndarray, include_self: bool, other: np.ndarray
) -> None:
    changed = np.where(alive, last_action, other)
    np.testing.assert_array_equal(
        rows(include_self, played(last_action, alive)), rows(include_self, played(changed, alive))
    )


@given(actions, masks, st.booleans())
def test_padding_is_inert(last_action: np.ndarray, alive: np.ndarray, include_self: bool) -> None:
    padded = played(np.append(last_action, [0, NONE]), np.append(alive, [False, False]))
    np.testing.assert_array_equal(
        rows(include_self, padded)[:7], rows(include_self, played(last_action, alive))
    )


@given(actions, masks, st.booleans(), st.permutations(range(7)))
def test_agents_permuted_are_rows_permuted(
    last_action: np.ndarray, alive: np.ndarray, include_self: bool, order: list[int]
) -> None:
    permuted = rows(include_self, played(last_action[order], alive[order]))
    np.testing.assert_array_equal(permuted, rows(include_self, played(last_action, alive))[order])
