"""Discs on a map of cells: the stretches of rows that they are made of, in whole numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

Cells = tuple[int, int]
"""Columns and rows of a map."""

ROWS = 16
"""Rows of a disc that are looked at together: one at a time is slow, and all at once would take
memory for the largest disc of all."""


class Disc(NamedTuple):
    """All cells within a distance of one (column, row); none where its square is negative."""

    centre: Int[Array, " 2"]
    squared: Int[Array, ""]


class Stretches(NamedTuple):
    """A disc's part in some rows.

    Attributes:
        row: Rows of the map.
        reach: Cells it reaches to either side of its centre there; -1 where it does not.
        spare: By how much the squared distance of those outermost cells is below the disc's.
    """

    row: Int[Array, " R"]
    reach: Int[Array, " R"]
    spare: Int[Array, " R"]


def over_rows(cells: Cells, disc: Disc, start: Any, add: Callable[[Any, Stretches], Any]) -> Any:
    """Go through a disc, some rows at a time."""
    middle, size = disc.centre[1], round_root(jnp.maximum(disc.squared, 0))
    first = jnp.maximum(middle - size, 0)
    last = jnp.minimum(middle + size, cells[1] - 1)

    def some(number: Int[Array, ""], total: Any) -> Any:
        row = first + number * ROWS + jnp.arange(ROWS)
        left = disc.squared - (row - middle) ** 2
        inside = (row <= last) & (left >= 0)
        reach = jnp.where(inside, round_root(jnp.maximum(left, 0)), -1)
        return add(total, Stretches(jnp.where(inside, row, 0), reach, left - reach**2))

    return jax.lax.fori_loop(0, (last - first + ROWS) // ROWS, some, start)


def round_root(number: Int[Array, "*any"]) -> Int[Array, "*any"]:
    """The square root of whole numbers, rounded down; right whatever the device's roots are."""
    root = jnp.sqrt(number.astype(jnp.float32)).astype(jnp.int32)
    root = root - (root**2 > number).astype(jnp.int32)
    return root + (number - root**2 > 2 * root).astype(jnp.int32)


def longest_squared(cells: Cells) -> int:
    """The largest squared distance between two cells of a map."""
    return sum((side - 1) ** 2 for side in cells)


def most_on_edge(squared: int) -> int:
    """The most cells that can lie equally far from one, where squared distances are limited.

    There are at most 4 (e_1 + 1) (e_2 + 1) ... ways to write a number as a sum of two squares,
    e_i being how often the primes 5, 13, 17, ... (of the form 4 n + 1) divide it.

    Args:
        squared: The limit, below 2^31, where seven such primes are too many.

    Source: Jacobi's two-square theorem.
    """

    def divisors(primes: tuple[int, ...], limit: int) -> int:
        if not primes or limit < primes[0]:
            return 1
        prime, *others = primes
        powers = [e for e in range(32) if prime**e <= limit]
        return max((e + 1) * divisors(tuple(others), limit // prime**e) for e in powers)

    return 4 * divisors((5, 13, 17, 29, 37, 41), squared)
