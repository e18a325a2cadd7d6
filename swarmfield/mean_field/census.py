"""Where a team's living stand on a map, laid down so that whole discs are counted at once.

The living are put in the order of their cells, row after row of the map. Agents of a stretch of
a row then stand side by side, and how many they are, and how many of them did what, is the
difference of two running totals. A disc is one stretch of each row it reaches, so that it costs
its diameter, however many agents it holds. Nothing is N x N, and no cell can overflow.

All numbers are whole: what is counted here is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from swarmfield.mean_field.discs import (
    Cells,
    Disc,
    Stretches,
    longest_squared,
    most_on_edge,
    over_rows,
)
from swarmfield.types import Timestep

PLACES = 8
"""Cells on the edge of a disc that are looked at together; there are seldom more."""


class Census(NamedTuple):
    """A team on a map.

    Attributes:
        place: Column and row of each agent, dead or alive.
        alive: Who is counted.
        action: Last actions.
        start: Of each cell, and of the end: how many of the living stand in cells before it.
        order: Agents in the order of their cells, those of one cell by index; the dead last.
        before: How often each action occurs among the first in that order.
        crowd: The most agents in one cell.
    """

    place: Int[Array, "N 2"]
    alive: Bool[Array, " N"]
    action: Int[Array, " N"]
    start: Int[Array, " M"]
    order: Int[Array, " N"]
    before: Int[Array, "N_and_1 A"]
    crowd: Int[Array, ""]


class Edge(NamedTuple):
    """The cells just within a disc where somebody stands, at the beginning of an array."""

    cell: Int[Array, " P"]
    number: Int[Array, ""]


def take_census(timestep: Timestep, cells: Cells, num_actions: int) -> Census:
    """Lay down where the living stand: O(N log N + N A + cells).

    Args:
        timestep: Positions are cells of the map; several agents may stand in one.
        cells: Columns and rows of the map.
        num_actions: A.
    """
    columns, rows = cells
    place = timestep.position.astype(jnp.int32)
    cell = jnp.where(timestep.alive, place[:, 1] * columns + place[:, 0], columns * rows)
    order = jnp.argsort(cell, stable=True).astype(jnp.int32)
    number = jnp.zeros(columns * rows + 1, jnp.int32).at[cell + 1].add(1, mode="drop")
    action = timestep.last_action.astype(jnp.int32)
    done = _one_hot(action[order], num_actions)
    before = jnp.concatenate([jnp.zeros_like(done[:1]), jnp.cumsum(done, axis=0)])
    start = jnp.cumsum(number)
    return Census(place, timestep.alive, action, start, order, before, jnp.max(number))


def actions_within(
    census: Census, cells: Cells, squared: Int[Array, ""], index: Int[Array, ""]
) -> tuple[Int[Array, " A"], Int[Array, ""]]:
    """How often each action occurs among the living around an agent, and how many they are.

    Args:
        census: The team.
        cells: Columns and rows of the map.
        squared: Square of the distance within which they stand, inclusive; not negative.
        index: The agent, which does not count itself.
    """
    own, alive = _own(census, index)
    disc = Disc(census.place[index], squared)
    number = _count(census, cells, disc) - alive
    return _sum_actions(census, cells, disc) - own, number


def actions_of_nearest(
    census: Census, cells: Cells, k: int, index: Int[Array, ""]
) -> tuple[Int[Array, " A"], Int[Array, ""]]:
    """How often each action occurs among the K living next to an agent, and how many they are.

    All that are nearer than the K-th count, and of those that are as near as it those with the
    lowest indices.

    Args:
        census: The team.
        cells: Columns and rows of the map.
        k: K; where fewer others live, all of them count.
        index: The agent, which does not count itself.
    """
    own, alive = _own(census, index)
    number = jnp.minimum(k, census.start[-1] - alive)
    disc = _just_holding(census, cells, census.place[index], number + alive)
    inside = disc._replace(squared=disc.squared - 1)
    missing = number + alive - _count(census, cells, inside)
    edge = _edge(census, cells, disc)
    # On the edge of a disc of one cell the agent itself stands, first of all.
    itself = alive * (disc.squared == 0).astype(jnp.int32)

    def is_enough(limit: Int[Array, ""]) -> Bool[Array, ""]:
        put_first = jnp.where(limit <= index, itself, 0)
        return _over_edge(census, edge, limit, jnp.int32(0), _lengths) + put_first >= missing

    limit = _smallest(is_enough, jnp.int32(-1), jnp.int32(census.order.shape[0]))
    on_edge = _over_edge(census, edge, limit, jnp.zeros_like(own), partial(_actions, census))
    put_first = jnp.where(limit <= index, itself, 0) * own
    return _sum_actions(census, cells, inside) + on_edge + put_first - own, number


def _one_hot(action: Int[Array, "*N"], num_actions: int) -> Int[Array, "*N A"]:
    return jax.nn.one_hot(action, num_actions, dtype=jnp.int32)


def _own(census: Census, index: Int[Array, ""]) -> tuple[Int[Array, " A"], Int[Array, ""]]:
    """What an agent itself adds to a disc about it."""
    alive = census.alive[index].astype(jnp.int32)
    return alive * _one_hot(census.action[index], census.before.shape[1]), alive


def _lengths(begin: Int[Array, " R"], end: Int[Array, " R"]) -> Int[Array, ""]:
    """How many agents stand in stretches of the order, together."""
    return jnp.sum(end - begin)


def _actions(census: Census, begin: Int[Array, " R"], end: Int[Array, " R"]) -> Int[Array, " A"]:
    """How often each action occurs in stretches of the order, together."""
    return jnp.sum(census.before[end] - census.before[begin], axis=0)


def _ends(
    census: Census, cells: Cells, disc: Disc, some: Stretches
) -> tuple[Int[Array, " R"], Int[Array, " R"]]:
    """Where in the order the agents of stretches begin and end."""
    corner = some.row * cells[0]
    left = jnp.maximum(disc.centre[0] - some.reach, 0)
    right = jnp.minimum(disc.centre[0] + some.reach + 1, cells[0])
    # A stretch that reaches nowhere begins and ends in the same cell.
    left = jnp.where(some.reach < 0, right, left)
    return census.start[corner + left], census.start[corner + right]


def _count(census: Census, cells: Cells, disc: Disc) -> Int[Array, ""]:
    """How many stand in a disc."""

    def add(total: Int[Array, ""], some: Stretches) -> Int[Array, ""]:
        return total + _lengths(*_ends(census, cells, disc, some))

    return over_rows(cells, disc, jnp.int32(0), add)


def _sum_actions(census: Census, cells: Cells, disc: Disc) -> Int[Array, " A"]:
    """How often each action occurs in a disc."""

    def add(total: Int[Array, " A"], some: Stretches) -> Int[Array, " A"]:
        return total + _actions(census, *_ends(census, cells, disc, some))

    return over_rows(cells, disc, jnp.zeros_like(census.before[0]), add)


def _just_holding(
    census: Census, cells: Cells, place: Int[Array, " 2"], number: Int[Array, ""]
) -> Disc:
    """The smallest disc about a place that holds so many."""
    longest = longest_squared(cells)

    def holds(squared: Int[Array, ""]) -> Bool[Array, ""]:
        return _count(census, cells, Disc(place, squared)) >= number

    def is_too_small(between: tuple[Int[Array, ""], Int[Array, ""]]) -> Bool[Array, ""]:
        # The largest disc is the whole map; nothing could hold more.
        return (between[1] < longest) & ~holds(between[1])

    def double(
        between: tuple[Int[Array, ""], Int[Array, ""]],
    ) -> tuple[Int[Array, ""], Int[Array, ""]]:
        small = between[1]
        return small, jnp.where(small > longest // 4, longest, 4 * small)

    start = (jnp.int32(-1), jnp.int32(min(1, longest)))
    small, large = jax.lax.while_loop(is_too_small, double, start)
    return Disc(place, _smallest(holds, small, large))


def _smallest(
    holds: Callable[[Int[Array, ""]], Bool[Array, ""]], below: Int[Array, ""], above: Int[Array, ""]
) -> Int[Array, ""]:
    """The smallest number that something holds of, if not of `below`, but of `above` and on."""

    def halve(
        between: tuple[Int[Array, ""], Int[Array, ""]],
    ) -> tuple[Int[Array, ""], Int[Array, ""]]:
        below, above = between
        middle = below + (above - below) // 2
        true = holds(middle)
        return jnp.where(true, below, middle), jnp.where(true, middle, above)

    return jax.lax.while_loop(lambda x: x[1] - x[0] > 1, halve, (below, above))[1]


def _search(
    census: Census, first: Int[Array, " P"], end: Int[Array, " P"], limit: Int[Array, ""]
) -> Int[Array, " P"]:
    """Where in the order those with an index of `limit` or more begin, in each of some cells."""
    last = census.order.shape[0] - 1

    def halve(
        _: Int[Array, ""], between: tuple[Int[Array, " P"], Int[Array, " P"]]
    ) -> tuple[Int[Array, " P"], Int[Array, " P"]]:
        low, high = between
        middle = (low + high) // 2
        is_lower = (census.order[jnp.minimum(middle, last)] < limit) & (low < high)
        return jnp.where(is_lower, middle + 1, low), jnp.where(is_lower, high, middle)

    rounds = 32 - jax.lax.clz(census.crowd)
    return jax.lax.fori_loop(0, rounds, halve, (first, end))[0]


def _over_edge(
    census: Census,
    edge: Edge,
    limit: Int[Array, ""],
    start: Any,
    measure: Callable[[Int[Array, " R"], Int[Array, " R"]], Any],
) -> Any:
    """Add something up over those with an index below `limit` on an edge, some cells at a time."""

    def some(number: Int[Array, ""], total: Any) -> Any:
        place = number * PLACES + jnp.arange(PLACES)
        cell = edge.cell[place]
        begin = census.start[cell]
        end = jnp.where(place < edge.number, census.start[cell + 1], begin)
        return total + measure(begin, _search(census, begin, end, limit))

    return jax.lax.fori_loop(0, (edge.number + PLACES - 1) // PLACES, some, start)


def _edge(census: Census, cells: Cells, disc: Disc) -> Edge:
    """The cells just within a disc where somebody stands."""
    columns, _ = cells
    size = -(-most_on_edge(longest_squared(cells)) // PLACES) * PLACES

    def add(found: Edge, some: Stretches) -> Edge:
        column = disc.centre[0] + jnp.stack([-some.reach, some.reach])
        is_on = (some.reach >= 0) & (some.spare == 0)
        # Straight above and below its centre a disc has one cell, not two.
        is_on = jnp.stack([is_on & (some.reach > 0), is_on]) & (column >= 0) & (column < columns)
        cell = jnp.where(is_on, some.row[None] * columns + column, 0)
        is_on = (is_on & (census.start[cell + 1] > census.start[cell])).reshape(-1)
        rank = found.number + jnp.cumsum(is_on.astype(jnp.int32))
        slot = jnp.where(is_on, rank - 1, size)
        return Edge(found.cell.at[slot].set(cell.reshape(-1), mode="drop"), rank[-1])

    return over_rows(cells, disc, Edge(jnp.zeros(size, jnp.int32), jnp.int32(0)), add)
