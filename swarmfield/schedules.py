"""Values that change while a run goes on, as functions of the fraction of it that is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import jax.numpy as jnp
from jaxtyping import Array, Float

Schedule = Callable[[Float[Array, ""]], Float[Array, ""]]


def piecewise_linear(*points: Sequence[float]) -> Schedule:
    """A broken line through `(progress, value)` points, level before the first and after the last.

    Args:
        points: Pairs in increasing order of progress, which runs from 0 to 1.
    """

    def schedule(progress: Float[Array, ""]) -> Float[Array, ""]:
        value = jnp.asarray(points[0][1], progress.dtype)
        for (begin, before), (end, after) in pairwise(points):
            value += (after - before) * jnp.clip((progress - begin) / (end - begin), 0.0, 1.0)
        return value

    return schedule


def linear(start: float, end: float, fraction: float) -> Schedule:
    """From `start` to `end` over the first `fraction` of the run, level afterwards."""
    return piecewise_linear((0.0, start), (max(fraction, 1e-9), end))


def mfrl(start: float, end: float) -> Schedule:
    """The mean-field reference code's: to `start / 5` over 80 % of the run, then to `end`.

    With its values, 1 and 0.1, this is 1 -> 0.2 -> 0.1.
    """
    return piecewise_linear((0.0, start), (0.8, 0.2 * start), (1.0, end))
