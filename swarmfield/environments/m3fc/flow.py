"""How far two distributions on the same cells are from each other, exactly."""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linprog
from scipy.sparse import csr_array

from swarmfield.environments.m3fc.crowd import Bins
from swarmfield.types import SwarmfieldError


def wasserstein_1(
    bins: Bins, first: Float[np.ndarray, " B"], second: Float[np.ndarray, " B"]
) -> float:
    """The Wasserstein distance W_1 of two histograms.

        W_1 = min over f >= 0 of sum_e c_e f_e,   what flows out of a cell less what flows in being
                                                  what the first has there more than the second,

    with e from each cell to each of its neighbours and c_e their distance: the cost of a plan that
    moves mass by the L1 distance between the cells' centres, around where the space wraps.

    Args:
        bins: The cells.
        first: Shares, which sum to 1.
        second: Shares, which sum to 1.

    Raises:
        SwarmfieldError: There is no such flow, as where shares do not sum to the same.
    """
    leaves, cost = _network(bins)
    excess = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    # What sums to 1 in single precision leaves a remainder that no flow could carry off.
    solved = linprog(cost, A_eq=leaves, b_eq=excess - excess.mean(), method="highs")
    if not solved.success or abs(excess.sum()) > 1e-3:
        raise SwarmfieldError(
            f"There is no flow between shares that sum to {np.sum(first):g} and "
            f"{np.sum(second):g}; both must sum to 1."
        )
    return float(solved.fun)


@functools.cache
def _network(bins: Bins) -> tuple[csr_array, Float[np.ndarray, " E"]]:
    """What each edge takes out of each cell, +1 or -1, and how long it is."""
    start, end, cost = _edges(bins)
    edges, signs = np.arange(len(cost)), np.repeat([1.0, -1.0], len(cost))
    places = np.concatenate([start, end]), np.concatenate([edges, edges])
    return csr_array((signs, places), shape=(bins.number, len(cost))), cost


def _edges(bins: Bins) -> tuple[Int[np.ndarray, " E"], Int[np.ndarray, " E"], np.ndarray]:
    """From each cell to each neighbour, and how far that is."""
    cells = np.arange(bins.number).reshape(bins.counts)
    starts, ends, costs = [], [], []
    for axis, side in enumerate(bins.side):
        after = np.roll(cells, -1, axis)
        here, there = cells, after
        if not bins.wraps:
            here, there = (np.delete(x, -1, axis) for x in (cells, after))
        starts += [here.ravel(), there.ravel()]
        ends += [there.ravel(), here.ravel()]
        costs.append(np.full(2 * here.size, side))
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(costs)
