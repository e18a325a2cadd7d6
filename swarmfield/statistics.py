"""Summaries of few, noisy scores: interquartile means, bootstrap and Student intervals.

Episodes of one run are many and independent: their mean gets a Student interval. Seeds are
few and their scores far from normal: their interquartile mean gets a bootstrap interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Num

from swarmfield.types import SwarmfieldError

Statistic = Callable[[np.ndarray], Any]
"""Maps `[..., n]` to `[...]`: one number for every n scores."""


class Interval(NamedTuple):
    """An estimate between the ends of its confidence interval."""

    estimate: Float[np.ndarray, "*P"]
    low: Float[np.ndarray, "*P"]
    high: Float[np.ndarray, "*P"]


class EpisodeSummary(NamedTuple):
    """What the returns of independent episodes say about their mean.

    Attributes:
        mean: Their mean.
        std: Sample standard deviation (n - 1); 0 for a single episode.
        ci95: Half the width of the mean's 95 % interval, so that the mean lies in
            mean ± ci95. None for a single episode, which says nothing about its spread.
        episodes: Their number.
    """

    mean: float
    std: float
    ci95: float | None
    episodes: int


def interquartile_mean(scores: Num[np.ndarray, "*P n"]) -> Float[np.ndarray, "*P"]:
    """Mean of the middle half of the scores: less noisy than the median, robust to outliers.

        IQM = mean(x_(k+1), ..., x_(n-k)),   k = floor(n / 4),   x_(i) the sorted scores.

    With n < 4 nothing is cut and it is the mean.

    Args:
        scores: Finite scores, along the last axis.

    Returns:
        One number for every row of scores.

    Raises:
        SwarmfieldError: There are no scores.

    Source: Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical
    Precipice", section 4.3.
    """
    ordered = np.sort(np.asarray(scores, np.float64), axis=-1)
    count = at_least_one(ordered.shape[-1])
    cut = count // 4
    return np.asarray(ordered[..., cut : count - cut].mean(axis=-1))


def bootstrap_interval(
    scores: Num[np.ndarray, "S ..."],
    statistic: Statistic = interquartile_mean,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap over seeds, for each point of a curve on its own.

    Seeds are drawn with replacement `resamples` times; the interval's ends are quantiles of
    the statistic over the draws. Equal seeds give equal intervals.

    Args:
        scores: One row a seed; any further axes are points treated separately.
        statistic: What is estimated, along the last axis.
        confidence: Probability that the interval is meant to cover, in (0, 1).
        resamples: Draws; 2,000 fix the ends to about 1 % of the interval's width.
        seed: Of the draws.

    Returns:
        Estimate, low and high end, each of the points' shape.

    Raises:
        SwarmfieldError: There are no scores.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
    """
    points = np.moveaxis(np.asarray(scores, np.float64), 0, -1)
    count = at_least_one(points.shape[-1])
    draws = np.random.default_rng(seed).integers(count, size=(resamples, count))
    estimates = np.stack([statistic(points[..., draw]) for draw in draws])
    return percentiles(statistic(points), estimates, confidence)


def stratified_interval(
    strata: Sequence[Num[np.ndarray, " _"]],
    statistic: Statistic = interquartile_mean,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of one number over several tasks, each with its own seeds.

    Every draw resamples the seeds within each task, never across tasks, so that a lucky draw
    cannot trade an easy task for a hard one; the statistic is that of all scores together.
    Scores must be comparable between tasks: normalise them first.

    Args:
        strata: One array of seeds' scores a task; lengths may differ.
        statistic: What is estimated, along the last axis.
        confidence: Probability that the interval is meant to cover, in (0, 1).
        resamples: Draws.
        seed: Of the draws.

    Returns:
        Estimate, low and high end, as arrays without axes.

    Raises:
        SwarmfieldError: There are no tasks, or a task has no scores.

    Source: Agarwal et al. 2021, section 4.2.
    """
    at_least_one(len(strata))
    generator = np.random.default_rng(seed)
    drawn = [redraw(np.asarray(scores, np.float64), resamples, generator) for scores in strata]
    estimate = statistic(np.concatenate([np.asarray(scores, np.float64) for scores in strata]))
    return percentiles(estimate, statistic(np.concatenate(drawn, axis=-1)), confidence)


def summarize_episodes(returns: Num[np.ndarray, " n"]) -> EpisodeSummary:
    """Mean, spread and Student's 95 % interval of independent episodes' returns.

        ci95 = t * std / sqrt(n),   t = the 0.975 quantile of Student's t, n - 1 freedoms.

    Args:
        returns: One number an episode.

    Returns:
        Mean, sample standard deviation, half-width of the interval, number of episodes.

    Raises:
        SwarmfieldError: There are no episodes.
    """
    values = np.asarray(returns, np.float64)
    count = at_least_one(values.size)
    mean = float(values.mean())
    if count == 1:
        return EpisodeSummary(mean, 0.0, None, 1)
    std = float(values.std(ddof=1))
    half_width = student_quantile(0.975, count - 1) * std / math.sqrt(count)
    return EpisodeSummary(mean, std, half_width, count)


def win_rate(ours: Num[np.ndarray, " n"], theirs: Num[np.ndarray, " n"]) -> float:
    """Share of episodes in which our score is higher; a tie is half a win.

    Args:
        ours: Our score in each episode, such as kills.
        theirs: The other side's in the same episode.

    Returns:
        A number in [0, 1].

    Raises:
        SwarmfieldError: There are no episodes.
    """
    at_least_one(np.size(ours))
    return float(np.mean(np.heaviside(np.asarray(ours) - np.asarray(theirs), 0.5)))


def student_quantile(probability: float, freedoms: int) -> float:
    """Quantile of Student's t distribution, to about nine digits.

    With t = sqrt(v) tan(a) the distribution function becomes a smooth integral,

        F(t) = 1/2 + G((v + 1)/2) / (sqrt(pi) G(v/2)) * integral of cos^(v - 1) from 0 to a,

    (G the gamma function), taken by Gauss-Legendre and inverted by bisection.

    Args:
        probability: In [0.5, 1).
        freedoms: Degrees of freedom v >= 1.

    Returns:
        t with F(t) = probability.
    """
    nodes, weights = np.polynomial.legendre.leggauss(200)
    log_scale = math.lgamma((freedoms + 1) / 2) - math.lgamma(freedoms / 2)
    scale = math.exp(log_scale) / math.sqrt(math.pi)
    # For many freedoms the mass sits within a few 1/sqrt(v) of zero; no wider search is
    # needed, and a narrow one keeps the quadrature exact.
    low, high = 0.0, min(math.pi / 2, 40.0 / math.sqrt(freedoms))
    for _ in range(60):
        angle = (low + high) / 2
        density = np.cos(angle * (nodes + 1) / 2) ** (freedoms - 1)
        mass = 0.5 + scale * angle / 2 * float(weights @ density)
        low, high = (angle, high) if mass < probability else (low, angle)
    return math.sqrt(freedoms) * math.tan(low)


def at_least_one(count: int) -> int:
    """Refuse to summarise nothing."""
    if count < 1:
        raise SwarmfieldError("A statistic needs at least one score, but there are none.")
    return count


def redraw(
    scores: Float[np.ndarray, " S"], resamples: int, generator: np.random.Generator
) -> Float[np.ndarray, "R S"]:
    """Scores drawn again with replacement, `resamples` times."""
    count = at_least_one(scores.size)
    return scores[generator.integers(count, size=(resamples, count))]


def percentiles(
    estimate: np.ndarray | np.floating, estimates: Float[np.ndarray, "R ..."], confidence: float
) -> Interval:
    """An estimate between quantiles of its redraws."""
    if not 0 < confidence < 1:
        raise SwarmfieldError(
            f"confidence is {confidence}, but must lie between 0 and 1, such as 0.95."
        )
    tail = (1 - confidence) / 2
    low, high = np.quantile(estimates, [tail, 1 - tail], axis=0)
    return Interval(np.asarray(estimate), np.asarray(low), np.asarray(high))
