"""How fast a number of N agents comes near its limit, from pairs of episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from swarmfield.statistics import percentiles
from swarmfield.types import SwarmfieldError

TOLD_APART = 2.0
"""Standard errors that a gap must be long to be told from none."""


class Rate(NamedTuple):
    """|J_N - J| ~ N^slope.

    Attributes:
        slope: The exponent.
        low: Lower end of its 95 % interval.
        high: Upper end.
        used: The numbers of agents at which the gap could be told from none.
    """

    slope: float
    low: float
    high: float
    used: list[int]


def fitted_rate(
    numbers: Sequence[int],
    gaps: Float[np.ndarray, "K M"],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Rate | None:
    """The exponent of |J_N - J| in N, fitted to logarithms by least squares.

    Each number of agents counts by the inverse variance of its logarithm, which is
    (standard error / mean)^2. Numbers at which the mean gap is less than two standard errors long
    are left out: their logarithms are of noise. The interval is bootstrapped over episodes, all
    numbers of agents together, since they share what the world does.

    Args:
        numbers: N, more than one of them different.
        gaps: J_N - J of each N in each of M episodes.
        resamples: Draws of the bootstrap.
        seed: Of the draws.

    Returns:
        None where fewer than two gaps can be told from none.

    Raises:
        SwarmfieldError: There is a single episode, which says nothing of its spread.
    """
    episodes = gaps.shape[1]
    if episodes < 2:
        raise SwarmfieldError(
            f"A rate cannot be told from {episodes} episode(s); at least 2 are needed."
        )
    error = gaps.std(axis=1, ddof=1) / np.sqrt(episodes)
    told = np.abs(gaps.mean(axis=1)) > TOLD_APART * error
    if np.sum(told) < 2:
        return None
    x, gaps, error = np.log(np.asarray(numbers, np.float64)[told]), gaps[told], error[told]
    # Gaps without any spread, as of a deterministic world, are known best, but not without bounds.
    means = gaps.mean(axis=1)
    weight = (means / np.maximum(error, 1e-6 * np.abs(means))) ** 2
    draws = np.random.default_rng(seed).integers(episodes, size=(resamples, episodes))
    redrawn = np.stack([gaps[:, draw].mean(axis=1) for draw in draws])
    found = percentiles(_slope(x, means, weight), _slope(x, redrawn, weight), 0.95)
    used = [int(n) for n, is_told in zip(numbers, told, strict=True) if is_told]
    return Rate(float(found.estimate), float(found.low), float(found.high), used)


def _slope(
    x: Float[np.ndarray, " K"], means: Float[np.ndarray, "*R K"], weight: Float[np.ndarray, " K"]
) -> Float[np.ndarray, "*R"]:
    """Of log|mean| over x."""
    share = weight / weight.sum()
    y = np.log(np.maximum(np.abs(means), np.finfo(np.float64).tiny))
    across = x - share @ x
    return np.asarray((share * across * y).sum(axis=-1) / (share * across**2).sum())
