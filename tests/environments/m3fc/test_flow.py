"""How far histograms are from each other."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from swarmfield.environments.m3fc.crowd import Bins
from swarmfield.environments.m3fc.flow import wasserstein_1
from swarmfield.types import SwarmfieldError

SQUARE = Bins((0.0, 0.0), (4.0, 3.0), (4, 3))


def one(number, *cells):
    shares = np.zeros(number)
    shares[list(cells)] = 1 / len(cells)
    return shares


def test_on_a_line_it_is_that_of_numbers():
    generator = np.random.default_rng(0)
    bins = Bins((-1.0,), (2.0,), (6,))
    first, second = generator.dirichlet(np.ones(6), 2)
    centres = np.arange(6) * 0.5
    expected = wasserstein_distance(centres, centres, first, second)
    np.testing.assert_allclose(wasserstein_1(bins, first, second), expected, rtol=1e-9)


def test_in_a_square_it_goes_along_the_axes():
    assert wasserstein_1(SQUARE, one(12, 0), one(12, 11)) == pytest.approx(3 + 2)
    assert wasserstein_1(SQUARE, one(12, 0, 11), one(12, 11, 0)) == pytest.approx(0)
    assert wasserstein_1(SQUARE, one(12, 0, 3), one(12, 0, 4)) == pytest.approx(0.5)


def test_around_a_torus_it_takes_the_short_way():
    torus = Bins((-0.5, -0.5), (4.5, 4.5), (5, 5), wraps=True)
    assert wasserstein_1(torus, one(25, 0), one(25, 24)) == pytest.approx(2)
    assert wasserstein_1(torus, one(25, 0), one(25, 12)) == pytest.approx(4)


def test_it_is_a_distance():
    generator = np.random.default_rng(1)
    a, b, c = generator.dirichlet(np.ones(12), 3)
    ab, ba, bc, ac = (wasserstein_1(SQUARE, *pair) for pair in ((a, b), (b, a), (b, c), (a, c)))
    assert ab == pytest.approx(ba)
    assert ac <= ab + bc + 1e-12


def test_shares_must_sum_to_the_same():
    with pytest.raises(SwarmfieldError, match="shares that sum to 1 and 2"):
        wasserstein_1(SQUARE, one(12, 0), 2 * one(12, 1))
