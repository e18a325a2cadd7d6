"""Means over a batch: of many things in one sum, and without what does not count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from swarmfield.batching import mean_of, shares


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
