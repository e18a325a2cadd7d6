"""Ratings against numbers worked out on paper and against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from swarmfield import elo
from swarmfield.types import SwarmfieldError


def table(num_players: int, seed: int, episodes: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Wins and ties of players who met by chance."""
    generator = np.random.default_rng(seed)
    wins, ties = np.zeros((2, num_players, num_players), int)
    for i, j in zip(*np.triu_indices(num_players, 1), strict=True):
        outcomes = generator.multinomial(episodes, generator.dirichlet([1, 1, 1]))
        wins[i, j], ties[i, j], wins[j, i] = outcomes
        ties[j, i] = ties[i, j]
    return wins, ties


def test_three_to_one_by_hand() -> None:
    # 400 log10(3) = 190.8 points.
    found = elo.ratings(np.array([[0.0, 3.0], [1.0, 0.0]]), prior=0.0)
    np.testing.assert_allclose(found, [1500 + 95.424, 1500 - 95.424], atol=1e-3)


def test_the_prior_is_half_a_win_each_by_hand() -> None:
    # 9 : 0 becomes 9.5 : 0.5, and 400 log10(19) = 511.5.
    found = elo.ratings(np.array([[0.0, 9.0], [0.0, 0.0]]))
    assert found[0] - found[1] == pytest.approx(511.50, abs=0.01)


def test_odds_multiply_along_a_chain() -> None:
    """A beats B 2 : 1 and B beats C 3 : 1: A is 6 : 1 ahead of C, which six to one confirms."""
    points = np.array([[0, 20, 60], [10, 0, 30], [10, 10, 0]], float)
    found = elo.ratings(points, prior=0.0)
    differences = found[:-1] - found[1:]
    np.testing.assert_allclose(differences, 400 * np.log10([2, 3]), atol=1e-6)
    assert found.mean() == pytest.approx(1500)
    # Without any episodes of A against C it is the same.
    points[0, 2] = points[2, 0] = 0
    np.testing.assert_allclose(elo.ratings(points, prior=0.0), found, atol=1e-6)


def test_who_always_tied_is_equal() -> None:
    ties = 7 * (1 - np.eye(4, dtype=int))
    found = elo.rate(np.zeros((4, 4), int), ties)
    np.testing.assert_allclose(found.estimate, 1500)
    assert np.all((found.low < 1500) & (found.high > 1500))


def test_the_order_of_players_does_not_matter() -> None:
    wins, ties = table(6, 0)
    points, order = wins + ties / 2, np.random.default_rng(1).permutation(6)
    turned = elo.ratings(points[np.ix_(order, order)])
    np.testing.assert_allclose(turned, elo.ratings(points)[order], rtol=1e-9)


@pytest.mark.parametrize("num_players", [2, 3, 8, 15])
def test_ratings_maximise_the_likelihood_as_scipy_does(num_players: int) -> None:
    wins, ties = table(num_players, num_players)
    points = wins + ties / 2
    weights = points + elo.PRIOR * (1 - np.eye(num_players))

    def surprise(rest: np.ndarray) -> float:
        rating = np.append(0.0, rest)
        return float(np.sum(weights * np.logaddexp(0, rating[None, :] - rating[:, None])))

    best = optimize.minimize(surprise, np.zeros(num_players - 1), method="BFGS", tol=1e-9).x
    ours = elo.ratings(points)
    theirs = np.append(0.0, best) * 400 / math.log(10)
    np.testing.assert_allclose(ours - ours[0], theirs, atol=0.01)


def test_many_tables_are_rated_as_one_by_one() -> None:
    points = np.stack([wins + ties / 2 for wins, ties in (table(4, 0), table(4, 1))])
    found = elo.ratings(points)
    np.testing.assert_allclose(found, [elo.ratings(each) for each in points], rtol=1e-9)


def test_who_beat_everyone_always_is_still_rated() -> None:
    """A ladder of twenty, whose ends are thousands of points apart."""
    wins = 1000 * np.triu(np.ones((20, 20), int), 1)
    found = elo.rate(wins, np.zeros_like(wins), resamples=100)
    assert np.all(np.diff(found.estimate) < 0)
    assert np.all((found.low < found.estimate) & (found.estimate < found.high))
    points = wins + elo.PRIOR * (1 - np.eye(20))
    expected = 1 / (1 + 10 ** ((found.estimate[None] - found.estimate[:, None]) / 400))
    games = (points + points.T) * (1 - np.eye(20))
    np.testing.assert_allclose((games * expected).sum(1), points.sum(1), rtol=1e-9)


@pytest.mark.parametrize(("won", "lost"), [(30, 10), (12, 0)])
def test_the_interval_of_two_players_is_jeffreys(won: int, lost: int) -> None:
    wins = np.array([[0, won], [lost, 0]])
    found = elo.rate(wins, np.zeros((2, 2), int), resamples=40_000)
    chances = stats.beta(won + 0.5, lost + 0.5).ppf([0.025, 0.975])
    wanted = 1500 + 200 * np.log10(chances / (1 - chances))
    np.testing.assert_allclose([found.low[0], found.high[0]], wanted, rtol=0.01)
    np.testing.assert_allclose(found.low[1] - 1500, 1500 - found.high[0])


def test_intervals_are_deterministic_and_narrow_with_more_episodes() -> None:
    wins, ties = table(4, 0)
    once, again = elo.rate(wins, ties), elo.rate(wins, ties)
    np.testing.assert_array_equal(np.stack(once), np.stack(again))
    assert np.any(once.low != elo.rate(wins, ties, seed=1).low)
    more = elo.rate(100 * wins, 100 * ties)
    assert np.all(more.high - more.low < (once.high - once.low) / 5)


def test_intervals_hold_what_they_promise() -> None:
    strength = np.array([-0.5, 0.0, 0.7])
    truth = elo.CENTRE + elo.SCALE * (strength - strength.mean())
    chances = 1 / (1 + np.exp(strength[None] - strength[:, None]))
    held = []
    for seed in range(100):
        upper = np.triu(np.random.default_rng(seed).binomial(30, chances), 1)
        wins = upper + np.tril(30 - upper.T, -1)
        found = elo.rate(wins, np.zeros_like(wins), resamples=200)
        held.append((found.low <= truth) & (truth <= found.high))
    assert 0.90 <= np.mean(held) <= 0.99


@pytest.mark.parametrize(
    "points",
    [
        [[0.0, 3.0], [0.0, 0.0]],
        # Two pairs that never met.
        [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]],
        # The first two lost nothing to the others.
        [[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]],
    ],
)
def test_what_has_no_finite_ratings_is_refused(points: list) -> None:
    with pytest.raises(SwarmfieldError, match=r"won or lost everything.*prior above 0"):
        elo.ratings(np.array(points, float), prior=0.0)
    assert np.isfinite(elo.ratings(np.array(points, float))).all()
