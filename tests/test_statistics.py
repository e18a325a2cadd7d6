"""Statistics against numbers worked out on paper and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from swarmfield.comparisons import (
    difference_interval,
    probability_of_improvement,
    welch_interval,
)
from swarmfield.statistics import (
    bootstrap_interval,
    interquartile_mean,
    stratified_interval,
    student_quantile,
    summarize_episodes,
    win_rate,
)
from swarmfield.types import SwarmfieldError


def test_interquartile_mean_by_hand():
    # Eight scores: two are cut at each end; the middle is 3, 4, 5, 8.
    scores = np.array([100.0, 4.0, 3.0, -50.0, 5.0, 8.0, 2.0, 9.0])
    assert interquartile_mean(scores) == 5.0
    # Fewer than four: the mean.
    assert interquartile_mean(np.array([1.0, 2.0, 9.0])) == 4.0


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 10, 23])
def test_interquartile_mean_equals_scipy(count):
    scores = np.random.default_rng(count).standard_cauchy((6, count))
    oracle = stats.trim_mean(scores, 0.25, axis=-1)
    np.testing.assert_allclose(interquartile_mean(scores), oracle, rtol=1e-12)


def test_bootstrap_of_equal_seeds_has_no_width():
    interval = bootstrap_interval(np.full((5, 3), 2.5))
    np.testing.assert_array_equal(np.stack(interval), np.full((3, 3), 2.5))


def test_bootstrap_of_two_seeds_by_hand():
    # Draws of {0, 1}: mean 0 and 1 each with probability 1/4, so both ends are extremes.
    interval = bootstrap_interval(np.array([0.0, 1.0]))
    assert (interval.estimate, interval.low, interval.high) == (0.5, 0.0, 1.0)


def test_bootstrap_is_deterministic_and_follows_its_seed():
    scores = np.random.default_rng(0).normal(size=(10, 4))
    first, again = bootstrap_interval(scores), bootstrap_interval(scores)
    other = bootstrap_interval(scores, seed=1)
    np.testing.assert_array_equal(np.stack(first), np.stack(again))
    assert np.any(first.low != other.low)
    assert np.all(first.low <= first.estimate)
    assert np.all(first.estimate <= first.high)


def test_bootstrap_treats_points_alone():
    scores = np.random.default_rng(0).normal(size=(10, 4))
    whole, last = bootstrap_interval(scores), bootstrap_interval(scores[:, 3])
    assert (whole.low[3], whole.high[3]) == (last.low, last.high)


def test_bootstrap_agrees_with_scipy():
    scores = np.random.default_rng(3).normal(size=12)
    ours = bootstrap_interval(scores, lambda x: x.mean(axis=-1), resamples=20_000)
    theirs = stats.bootstrap(
        (scores,), np.mean, method="percentile", n_resamples=20_000, random_state=0
    ).confidence_interval
    np.testing.assert_allclose([ours.low, ours.high], theirs, atol=0.02)


def test_bootstrap_covers_the_truth():
    generator = np.random.default_rng(0)
    draws = generator.normal(size=(20, 400))
    interval = bootstrap_interval(draws, resamples=500)
    covered = np.mean((interval.low <= 0) & (interval.high >= 0))
    assert 0.88 <= covered <= 0.98


def test_strata_are_never_mixed():
    # Each task's seeds agree, so resampling inside tasks can change nothing.
    interval = stratified_interval([np.full(4, 0.0), np.full(3, 10.0)], lambda x: x.mean(axis=-1))
    np.testing.assert_allclose(np.stack(interval), 30 / 7)


def test_one_stratum_is_the_plain_bootstrap():
    scores = np.random.default_rng(0).normal(size=9)
    plain, stratified = bootstrap_interval(scores), stratified_interval([scores])
    np.testing.assert_array_equal(np.stack(plain), np.stack(stratified))


@pytest.mark.parametrize("freedoms", [1, 2, 3, 4, 9, 19, 99, 999, 10**6])
@pytest.mark.parametrize("probability", [0.5, 0.9, 0.975, 0.995])
def test_student_quantile_equals_scipy(freedoms, probability):
    ours = student_quantile(probability, freedoms)
    assert ours == pytest.approx(stats.t.ppf(probability, freedoms), rel=1e-8, abs=1e-12)


def test_episode_summary_by_hand():
    # Deviations -1, 0, 1: variance 2/2; t(0.975, 2) = 4.30265 over sqrt(3).
    summary = summarize_episodes(np.array([1.0, 2.0, 3.0]))
    assert summary[:2] == (2.0, 1.0)
    assert summary.ci95 == pytest.approx(2.484138, abs=1e-6)
    assert summary.episodes == 3
    assert summarize_episodes(np.array([4.0])) == (4.0, 0.0, None, 1)


def test_win_rate_by_hand():
    assert win_rate(np.array([3, 1, 2, 2]), np.array([1, 3, 2, 0])) == 0.625


def test_probability_of_improvement_is_mann_whitney():
    ours, theirs = np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.0])
    # Pairs: 1>0; 2=2 (half), 2>0; 3>2, 3>0: 4.5 of 6.
    assert probability_of_improvement(ours, theirs) == 0.75
    assert stats.mannwhitneyu(ours, theirs).statistic / 6 == 0.75


@pytest.mark.parametrize(
    "call",
    [
        lambda none: interquartile_mean(none),
        lambda none: bootstrap_interval(none),
        lambda none: stratified_interval([none]),
        lambda none: stratified_interval([np.ones(2), none]),
        lambda none: summarize_episodes(none),
        lambda none: win_rate(none, none),
        lambda none: probability_of_improvement(none, np.ones(3)),
    ],
)
def test_no_scores_are_refused(call):
    with pytest.raises(SwarmfieldError, match="at least one score"):
        call(np.zeros(0))


def test_confidence_is_checked():
    with pytest.raises(SwarmfieldError, match=r"confidence is 1.5"):
        bootstrap_interval(np.ones(3), confidence=1.5)


def test_welch_by_hand() -> None:
    """Variances 1 and 4 over 3 each; 2.94 freedoms, rounded down to 2, whose t is 4.30265."""
    found = welch_interval(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    width = 4.30265 * np.sqrt(5 / 3)
    np.testing.assert_allclose(found, [-2, -2 - width, -2 + width], rtol=1e-5)


def test_welch_of_scores_that_do_not_vary() -> None:
    found = welch_interval(np.ones(3), np.zeros(2))
    np.testing.assert_array_equal(found, [1, 1, 1])
    with pytest.raises(SwarmfieldError, match="at least two scores on each side"):
        welch_interval(np.ones(3), np.ones(1))


def test_a_difference_is_one_of_statistics() -> None:
    ours, theirs = np.array([5.0, 5.0, 5.0, 9.0]), np.array([1.0, 2.0, 2.0, 3.0])
    found = difference_interval(ours, theirs)
    assert found.estimate == 3
    assert 2 <= found.low < 3 < found.high < 8
    np.testing.assert_array_equal(found, difference_interval(ours, theirs))
    turned = difference_interval(theirs, ours)
    assert turned.estimate == -3
    assert turned.high < 0


def test_intervals_hold_what_they_promise() -> None:
    """Of equal means, Welch's interval for three seeds leaves out 0 in about a twentieth."""
    random = np.random.default_rng(0)
    found = [welch_interval(*random.normal(size=(2, 3))) for _ in range(400)]
    assert np.mean([not interval.low <= 0 <= interval.high for interval in found]) < 0.08
