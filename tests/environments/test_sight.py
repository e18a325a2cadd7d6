"""Tests of what agents on a plane see of each other."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from swarmfield.environments.sight import nearest


@pytest.mark.parametrize("number", [1, 3, 40])
@pytest.mark.parametrize("there_are", [1, 5, 24, 25, 60])
def test_the_nearest_come_first_and_of_equals_the_first(there_are: int, number: int) -> None:
    number = min(number, there_are)
    draw = np.random.default_rng(there_are)
    for _ in range(20):
        vectors = draw.integers(-2, 3, size=(there_are, 2)).astype(np.float32)
        expected = np.argsort((vectors**2).sum(axis=1), kind="stable")[:number]
        np.testing.assert_array_equal(nearest(jnp.asarray(vectors), number), expected)
