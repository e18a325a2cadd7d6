"""Counting a team's agents by sort: the same whether sorts are compared or added up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from swarmfield.mean_field.counting import FEW, count


def test_by_hand() -> None:
    counts = count(jnp.array([0, 2, 2, 1, 2]), jnp.array([1, 1, 0, 1, 1], bool), 4)
    assert counts.tolist() == [1, 1, 2, 0]


@pytest.mark.parametrize("num_sorts", [1, FEW, FEW + 1, 3 * FEW])
def test_as_numpy_counts(num_sorts: int) -> None:
    random = np.random.default_rng(num_sorts)
    sort = random.integers(0, num_sorts, 500)
    counted = random.random(500) < 0.7
    counts = jax.jit(count, static_argnums=2)(sort, counted, num_sorts)
    np.testing.assert_array_equal(counts, np.bincount(sort[counted], minlength=num_sorts))


@pytest.mark.parametrize("num_sorts", [3, 2 * FEW])
def test_what_is_out_of_range_is_of_no_sort(num_sorts: int) -> None:
    sort = jnp.array([-1, 0, num_sorts, num_sorts + 1])
    assert jnp.sum(count(sort, jnp.ones(4, bool), num_sorts)) == 1


def test_small_numbers_do_not_overflow() -> None:
    """Last actions are kept in a byte, and there may be more agents of a sort than fit in one."""
    assert count(jnp.full(1000, 254, jnp.uint8), jnp.ones(1000, bool), 255)[254] == 1000
    assert count(jnp.full(1000, 3, jnp.uint8), jnp.ones(1000, bool), 8)[3] == 1000
