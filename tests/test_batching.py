"""Functions of one element for many, and means over a batch without what does not count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from swarmfield.batching import for_each, mean_of, shares


def test_means_of_several_things_by_hand() -> None:
    share = shares(jnp.array([[1.0, 1.0], [0.0, 2.0]]))
    values = {
        "number": jnp.array([[1.0, 2.0], [jnp.nan, 3.0]]),
        "pair": jnp.array([[[1.0, 0.0], [0.0, 1.0]], [[jnp.inf, 9.0], [4.0, 0.0]]]),
    }
    means = mean_of(share, values)
    np.testing.assert_allclose(means["number"], (1 + 2 + 2 * 3) / 4)
    np.testing.assert_allclose(means["pair"], [(1 + 0 + 2 * 4) / 4, (0 + 1 + 0) / 4])


def test_what_has_no_share_has_no_gradient() -> None:
    share = jnp.array([0.5, 0.5, 0.0])
    slope = jax.grad(lambda x: mean_of(share, {"a": 3 * x, "b": x})["a"])
    np.testing.assert_allclose(slope(jnp.array([1.0, 2.0, jnp.inf])), [1.5, 1.5, 0.0])


def test_nothing_at_all_has_mean_zero() -> None:
    assert mean_of(shares(jnp.zeros(3)), jnp.full(3, jnp.nan)) == 0
    assert mean_of(jnp.zeros(0), jnp.zeros((0, 2))).tolist() == [0, 0]


def test_values_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="Incompatible shapes"):
        mean_of(jnp.full((2, 3), 1 / 6), jnp.arange(6.0).reshape(3, 2))


@pytest.mark.parametrize("size", [1, 3])
def test_a_function_of_one_is_applied_to_each(size: int) -> None:
    numbers = {"a": jnp.arange(2.0 * size).reshape(size, 2), "b": jnp.arange(size)}
    each = for_each(lambda one, shared: (one["a"] * shared, one["b"][None]))
    doubled, listed = each(numbers, 2.0)
    np.testing.assert_array_equal(doubled, 2 * numbers["a"])
    np.testing.assert_array_equal(listed, numbers["b"][:, None])


def test_a_single_element_is_not_mapped_over() -> None:
    shapes = []
    for_each(lambda x: shapes.append(type(x).__name__) or x)(jnp.zeros((1, 2)))
    for_each(lambda x: shapes.append(type(x).__name__) or x)(jnp.zeros((2, 2)))
    assert [name == "BatchTracer" for name in shapes] == [False, True]
