"""How fast numbers of agents come near their limit."""

import numpy as np
import pytest

from swarmfield import SwarmfieldError
from swarmfield.convergence import fitted_rate

NUMBERS = [2, 8, 32, 128]


def gaps(slope, spread, episodes=200, seed=0):
    noise = np.random.default_rng(seed).normal(size=(len(NUMBERS), episodes))
    return -3.0 * np.array(NUMBERS)[:, None] ** slope + spread * noise


@pytest.mark.parametrize("slope", [-1.0, -0.5])
def test_a_rate_is_found_again(slope):
    rate = fitted_rate(NUMBERS, gaps(slope, 0.05))
    assert rate.low < slope < rate.high
    assert rate.high - rate.low < 0.1
    assert rate.used == NUMBERS


def test_gaps_that_are_noise_do_not_count():
    found = gaps(-1.0, 0.05)
    found[3] = np.random.default_rng(1).normal(size=200) - 1e-4
    assert fitted_rate(NUMBERS, found).used == [2, 8, 32]
    noise = np.random.default_rng(2).normal(size=(4, 200))
    assert fitted_rate(NUMBERS, noise - noise.mean(axis=1, keepdims=True)) is None


def test_an_interval_holds_the_truth_as_often_as_it_says():
    held = [
        rate.low < -1 < rate.high
        for seed in range(100)
        if (rate := fitted_rate(NUMBERS, gaps(-1.0, 0.1, 50, seed), resamples=200))
    ]
    assert np.mean(held) > 0.85


def test_gaps_without_noise_are_fitted_exactly():
    rate = fitted_rate(NUMBERS, gaps(-1.0, 0.0))
    np.testing.assert_allclose(rate[:3], -1, rtol=1e-9)


def test_one_episode_is_too_few():
    with pytest.raises(SwarmfieldError, match="cannot be told from 1 episode"):
        fitted_rate(NUMBERS, gaps(-1.0, 0.0, 1))
