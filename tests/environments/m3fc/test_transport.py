"""Optimal transport against linear programmes, and against itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from swarmfield.environments import make
from swarmfield.environments.m3fc.crowd import Bins, Crowd
from swarmfield.environments.m3fc.transport import ExactTransport, GridTransport
from swarmfield.types import SwarmfieldError

SQUARE = ((-2.0, -2.0), (2.0, 2.0))
HEAPS = {
    "right": ((1.0, 0.0), 0.22),
    "a corner": ((-1.9, -1.9), 0.05),
    "the other corner": ((1.9, 1.9), 0.05),
}
TWO_HEAPS = {"half and half": 0.5, "rather left": 0.55, "mostly left": 0.7}
FINE = GridTransport(Bins(*SQUARE, (25, 25)))


def points(kind, seed, number):
    key = jax.random.key(seed)
    if kind == "anywhere":
        return Crowd(jax.random.uniform(key, (number, 2), minval=-2, maxval=2))
    if kind in TWO_HEAPS:
        left = jnp.arange(number) < TWO_HEAPS[kind] * number
        middle, width = jnp.stack([jnp.where(left, -1.0, 1.0), jnp.zeros(number)], axis=-1), 0.22
    else:
        middle, width = jnp.array(HEAPS[kind][0])[None], HEAPS[kind][1]
    drawn = middle + width * jax.random.normal(key, (number, 2))
    return Crowd(jnp.clip(drawn, -2, 2))


def squared_distances(one, other):
    x, y = np.asarray(one.state, np.float64), np.asarray(other.state, np.float64)
    return np.sum((x[:, None] - y[None]) ** 2, axis=-1)


def by_assignment(one, other, repeat=1):
    costs = np.repeat(squared_distances(one, other), repeat, axis=1)
    return costs[linear_sum_assignment(costs)].mean()


PAIRS = [
    ("anywhere", "right"),
    ("right", "right"),
    ("a corner", "the other corner"),
    ("a corner", "anywhere"),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_exact_is_the_best_plan(one, other):
    x, y = points(one, 1, 60), points(other, 2, 20)
    found = jax.jit(ExactTransport().cost)(x, y)
    np.testing.assert_allclose(found, by_assignment(x, y, 3), rtol=1e-5)
    np.testing.assert_allclose(jax.jit(ExactTransport().cost)(y, x), found, rtol=1e-5)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_the_grid_is_near_the_best_plan(one, other):
    x, y = points(one, 1, 300), points(other, 2, 300)
    exact = by_assignment(x, y)
    # Cells are 0.16 wide, which matters more the farther all have to go.
    assert abs(float(jax.jit(FINE.cost)(x, y)) - exact) < 0.02 + 0.02 * np.sqrt(exact)


@pytest.mark.parametrize(
    ("one", "other", "number", "tolerance"),
    [
        *((*pair, 300, 1e-4) for pair in PAIRS),
        ("anywhere", "anywhere", 300, 3e-4),
        ("half and half", "mostly left", 300, 5e-4),
        ("half and half", "rather left", 300, 0.012),
        ("half and half", "anywhere", 2, 5e-3),
        ("anywhere", "anywhere", 3, 0.05),
    ],
)
def test_the_grid_has_converged(one, other, number, tolerance):
    """Against many more iterations on the whole kernel, in double precision."""
    x, y = points(one, 1, number), points(other, 2, 300)
    a, b = FINE.bins.histogram(x), FINE.bins.histogram(y)
    line = -2 + 4 / 25 * (np.arange(25) + 0.5)
    centres = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    costs = np.sum((centres[:, None] - centres[None]) ** 2, axis=-1)

    kernel = np.exp(-costs / FINE.epsilon)

    def transport(a, b):
        scale_b = np.ones_like(b)
        for _ in range(2000):
            scale_a = 1 / (kernel @ (b * scale_b))
            scale_b = 1 / ((a * scale_a) @ kernel)
        return FINE.epsilon * (np.sum(a * np.log(scale_a)) + np.sum(b * np.log(scale_b)))

    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    expected = transport(a, b) - (transport(a, a) + transport(b, b)) / 2
    np.testing.assert_allclose(jax.jit(FINE.cost)(x, y), expected, rtol=1e-4, atol=tolerance)


def test_nothing_has_to_be_moved_onto_itself():
    x = points("anywhere", 3, 50)
    assert abs(float(FINE.cost(x, x))) < 2e-3
    assert abs(float(ExactTransport().cost(x, x))) < 1e-6


def test_order_does_not_matter():
    x, y = points("anywhere", 3, 40), points("right", 4, 20)
    shuffled = Crowd(x.state[jax.random.permutation(jax.random.key(5), 40)])
    for transport in (FINE, ExactTransport()):
        cost = jax.jit(transport.cost)
        np.testing.assert_allclose(cost(shuffled, y), cost(x, y), rtol=1e-5)


def test_shares_count_as_agents_do():
    """Three agents at one point are one of three times the weight."""
    x, y = points("anywhere", 3, 4), points("right", 4, 20)
    weights = jnp.array([3.0, 1.0, 2.0, 2.0])
    copies = Crowd(jnp.repeat(x.state, np.array([3, 1, 2, 2]), axis=0))
    weighted = Crowd(x.state, weights / 8)
    np.testing.assert_allclose(FINE.cost(weighted, y), FINE.cost(copies, y), rtol=1e-5)
    np.testing.assert_allclose(weighted.mean(x.state), copies.mean(copies.state), rtol=1e-6)


def test_plans_send_everybody_somewhere_of_its_own():
    few = Crowd(jnp.array([[0.0, 0.0], [1.0, 0.0]]))
    many = Crowd(jnp.array([[1.1, 0.0], [0.1, 0.0], [0.3, 0.0], [1.3, 0.0]]))
    np.testing.assert_allclose(ExactTransport().goals(few, many), [[0.2, 0], [1.2, 0]], atol=1e-6)
    there = ExactTransport().goals(many, few)[:, 0]
    np.testing.assert_allclose(there, [1, 0, 0, 1], atol=1e-6)


def test_exact_transport_of_too_many_is_refused():
    with pytest.raises(
        SwarmfieldError, match=r"7001 agents and 100 points .* choose --env.transport grid"
    ):
        make("two_gaussians", num_agents=7001, transport="exact")
