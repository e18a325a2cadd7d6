"""Whether one method's scores are above another's, over few seeds each."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Num

from swarmfield.statistics import (
    Interval,
    Statistic,
    at_least_one,
    interquartile_mean,
    percentiles,
    redraw,
    student_quantile,
)
from swarmfield.types import SwarmfieldError


def difference_interval(
    ours: Num[np.ndarray, " n"],
    theirs: Num[np.ndarray, " m"],
    statistic: Statistic = interquartile_mean,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of how far a statistic of ours is above that of theirs.

    Args:
        ours: Scores of our seeds.
        theirs: Scores of their seeds, not paired with ours; both are resampled apart.
        statistic: What is compared, along the last axis.
        confidence: Probability that the interval is meant to cover, in (0, 1).
        resamples: Draws.
        seed: Of the draws.

    Returns:
        Estimate, low and high end, as arrays without axes.

    Raises:
        SwarmfieldError: Either has no scores.

    Source: Efron and Tibshirani 1993, chapter 8.
    """
    generator = np.random.default_rng(seed)
    both = [np.asarray(scores, np.float64) for scores in (ours, theirs)]
    one, other = (statistic(redraw(scores, resamples, generator)) for scores in both)
    return percentiles(statistic(both[0]) - statistic(both[1]), one - other, confidence)


def welch_interval(
    ours: Num[np.ndarray, " n"], theirs: Num[np.ndarray, " m"], *, confidence: float = 0.95
) -> Interval:
    """Student's interval of how far our mean is above theirs, for scores too few to resample.

        d +- t sqrt(v_1 / n + v_2 / m),   t of Student's t with Welch's degrees of freedom

    Args:
        ours: At least two scores of our seeds.
        theirs: At least two of theirs; the spread may differ.
        confidence: Probability that the interval is meant to cover, in (0, 1).

    Returns:
        Estimate, low and high end, as arrays without axes.

    Raises:
        SwarmfieldError: Either has fewer than two scores.

    Source: Welch 1947; degrees of freedom are rounded down.
    """
    both = [np.asarray(scores, np.float64) for scores in (ours, theirs)]
    if min(scores.size for scores in both) < 2:
        raise SwarmfieldError("A spread needs at least two scores on each side.")
    difference = both[0].mean() - both[1].mean()
    squared = np.array([scores.var(ddof=1) / scores.size for scores in both])
    freedoms = 1.0
    if squared.sum() > 0:
        parts = squared**2 / np.array([scores.size - 1 for scores in both])
        freedoms = squared.sum() ** 2 / parts.sum()
    quantile = student_quantile((1 + confidence) / 2, max(1, int(freedoms)))
    width = quantile * math.sqrt(squared.sum())
    ends = difference, difference - width, difference + width
    return Interval(*(np.asarray(end) for end in ends))


def probability_of_improvement(ours: Num[np.ndarray, " n"], theirs: Num[np.ndarray, " m"]) -> float:
    """Probability that a random run of ours scores higher than a random run of theirs.

        P = mean over all pairs (i, j) of [x_i > y_j] + [x_i = y_j] / 2

    Args:
        ours: Scores of our seeds.
        theirs: Scores of their seeds; not paired with ours.

    Returns:
        A number in [0, 1]; 0.5 says that neither is better.

    Raises:
        SwarmfieldError: Either has no scores.

    Source: Agarwal et al. 2021, section 4.3 (the Mann-Whitney U statistic over n m).
    """
    at_least_one(min(np.size(ours), np.size(theirs)))
    differences = np.subtract.outer(np.asarray(ours), np.asarray(theirs))
    return float(np.mean(np.heaviside(differences, 0.5)))
