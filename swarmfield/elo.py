"""Elo ratings of players who met in pairs, fitted to all their games at once."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float, Integer

from swarmfield.statistics import Interval, percentiles
from swarmfield.types import SwarmfieldError

CENTRE = 1500.0
"""Mean of all players' ratings."""
SCALE = 400.0 / math.log(10.0)
"""Points for odds of e to 1: 400 points are odds of ten to one."""
PRIOR = 0.5
"""Wins added to both sides of every pair, so that whoever won everything has a rating."""

_TOLERANCE = 1e-10
_MOST_ITERATIONS = 100


def ratings(
    points: Float[np.ndarray, "*R n n"], *, prior: float = PRIOR
) -> Float[np.ndarray, "*R n"]:
    """Elo ratings by maximum likelihood in the model of Bradley and Terry.

        P(i beats j) = 1 / (1 + 10^((R_j - R_i) / 400)),   mean(R) = 1500

    and R maximises the sum over i != j of (points_ij + prior) log P(i beats j). It is found by
    Newton's method, with steps shortened by log(1 + b) / b, where b is how far a step moves two
    players apart: it converges from anywhere, and at the end quadratically.

    Args:
        points: Of i against j: wins, and half of the ties. The diagonal is not read.
        prior: Added to both sides of every pair; 0 for plain maximum likelihood.

    Returns:
        One rating a player, for every table of points.

    Raises:
        SwarmfieldError: Without a prior, some players never lost a point to the others.

    Source: Bradley and Terry 1952; ties as half a win are Elo's. The steps: Sun and Tran-Dinh
    2019, "Generalized self-concordant functions", theorem 2. The prior of half a win a side is
    Haldane's and Anscombe's (1956) correction of log odds.
    """
    num_players = points.shape[-1]
    won = np.where(np.eye(num_players, dtype=bool), 0.0, points + prior)
    if prior == 0:
        _require_finite(won > 0)
    games = won + won.swapaxes(-1, -2)
    found = np.zeros(won.shape[:-1])
    for _ in range(_MOST_ITERATIONS):
        expected = 1 / (1 + np.exp(found[..., None, :] - found[..., :, None]))
        gradient = (won - games * expected).sum(-1)
        weights = games * expected * (1 - expected)
        curvature = weights.sum(-1)[..., None] * np.eye(num_players) - weights
        # All ratings together may move freely; adding 1 makes them stay.
        step = np.linalg.solve(curvature + 1, gradient[..., None])[..., 0]
        spread = np.ptp(step, axis=-1, keepdims=True)
        found = found + step * np.log1p(spread) / np.maximum(spread, _TOLERANCE)
        if np.max(spread) < _TOLERANCE:
            break
    return CENTRE + SCALE * (found - found.mean(-1, keepdims=True))


def rate(
    wins: Integer[np.ndarray, "n n"],
    ties: Integer[np.ndarray, "n n"],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Elo ratings with percentile intervals by a bootstrap over games, within each pair.

    Every draw weighs each pair's games anew, at random, and fits all ratings again. It is the
    Bayesian bootstrap: n games, with the prior's half win and half loss among them, have

        n + 1 = sum of weights,   weights / (n + 1) ~ Dirichlet(1, ..., 1, 1/2, 1/2).

    Drawn with replacement instead, a pair that one side always won would never come out
    otherwise, and the interval would claim to be certain. Of two players without ties it is
    Jeffreys' interval of the odds.

    Args:
        wins: Of i against j.
        ties: Of i with j, symmetric.
        confidence: Probability that an interval is meant to cover, in (0, 1).
        resamples: Draws.
        seed: Of the draws.

    Returns:
        Rating, low and high end, one a player. They are relative to the mean of all players: of
        two players the ends mirror each other.

    Source: Rubin 1981, "The Bayesian bootstrap"; intervals at the edge: Brown, Cai and DasGupta
    2001, section 4.
    """
    num_players = len(wins)
    first, second = np.triu_indices(num_players, 1)
    outcomes = np.stack([wins[first, second], ties[first, second], wins[second, first]], axis=-1)
    amounts = outcomes + np.array([PRIOR, 0, PRIOR])
    # Of the same outcome only the sum of weights matters, and that is a gamma variable.
    drawn = np.random.default_rng(seed).standard_gamma(amounts, (resamples, *amounts.shape))
    drawn *= (amounts.sum(-1) / drawn.sum(-1))[..., None]
    points = np.zeros((resamples, num_players, num_players))
    points[:, first, second] = drawn[..., 0] + drawn[..., 1] / 2
    points[:, second, first] = drawn[..., 2] + drawn[..., 1] / 2
    return percentiles(ratings(wins + ties / 2), ratings(points, prior=0.0), confidence)


def _require_finite(beat: Bool[np.ndarray, "*R n n"]) -> None:
    """Refuse tables whose likelihood grows without end.

    Ratings are finite where everyone has beaten everyone, directly or by way of others (Ford
    1957).
    """
    num_players = beat.shape[-1]
    reached = beat | np.eye(num_players, dtype=bool)
    for _ in range(num_players.bit_length()):
        reached = reached @ reached
    if not reached.all():
        raise SwarmfieldError(
            "Some players won or lost everything against the others, so no ratings fit best; "
            "give a prior above 0."
        )
