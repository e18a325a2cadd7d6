"""Who moves where when moves happen one after the other in a given order.

A cell vacated earlier in the order is free, a cell whose owner comes later is not, and a
contested cell goes to whoever comes first.

**One-cell bodies.** For a target cell whose occupant j comes at time p_j, the only agent that can
possibly enter is the first one after p_j among those who want to: whoever comes earlier finds j
still there, whoever comes later finds the entrant. That *winner* does not depend on whether j
succeeds, so one scatter-minimum finds it. The winner enters iff the cell was empty or j moved
away: a chain of pointers, each to an earlier agent, that pointer doubling resolves in
ceil(log2 length) rounds.

**Larger bodies.** An agent moves iff none of the cells it enters is blocked, each one's owner is
itself or an earlier agent that moved, and no earlier agent that moved claims one too. Starting
from everything possible, parallel sweeps settle at least one more agent each.

Source: the rules are those of MAgent's engine (Zheng et al. 2018, "MAgent").
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, Integer, UInt

from swarmfield.environments.gridworld.layout import Layout
from swarmfield.environments.gridworld.occupancy import (
    BLOCKED,
    FIRST_AGENT,
    first_rows,
    look_up,
    rows_on,
)

_FREE = -1
_STAYS = -1
_MOVES = -2


def resolve_moves(
    layout: Layout,
    grid: Integer[Array, " cells"],
    target: Int32[Array, "E N"],
    wants: Bool[Array, "E N"],
    alive: Bool[Array, "E N"],
    order: UInt[Array, "E N"],
) -> Bool[Array, "E N"]:
    """Decide who moves.

    Args:
        layout: The world.
        grid: The code of each cell before attacks.
        target: The left, top cell each body would move to.
        wants: Agents who live and move; staying is not moving.
        alive: Agents who survived the attacks; the others' cells are free.
        order: Move priorities, lowest first.
    """
    order = order.astype(layout.word)
    free_after = jnp.where(alive, order, _FREE)
    if layout.body_size == 1:
        return _move_points(layout, grid, target, wants, free_after, order)
    return _move_bodies(layout, grid, target, wants, free_after, order)


def _owners(layout: Layout, grid: Array, cells: Array, free_after: Array) -> tuple[Array, Array]:
    """Owners of cells in arrays `[E * N]`, and after which turns the cells may be entered.

    That is `_FREE` without an owner, the owner's turn if it lives (and then moves away), and
    the last turn there can be for walls.
    """
    row = rows_on(grid, cells)
    owner = first_rows(layout, cells.shape[0]) + row
    wall = jnp.asarray(np.iinfo(layout.word).max, layout.word)
    unowned = jnp.where(row == BLOCKED - FIRST_AGENT, wall, jnp.asarray(_FREE, layout.word))
    return owner, jnp.where(row < 0, unowned, look_up(free_after, owner))


def _move_points(
    layout: Layout, grid: Array, target: Array, wants: Array, free_after: Array, order: Array
) -> Bool[Array, "E N"]:
    owner, free = _owners(layout, grid, target, free_after)
    possible = wants & (free < order)
    # Below every code, so that the claims fit into the grid of codes: one grid less to fill.
    # Who cannot enter claims with what changes nothing: cheaper than leaving agents out.
    range_of_words = np.iinfo(layout.word)
    claim = order + range_of_words.min
    bid = jnp.where(possible, claim, range_of_words.max)
    claimed = grid.at[target].min(bid, mode="promise_in_bounds")
    winner = possible & (look_up(claimed, target) == claim)
    chain = jnp.where(winner, jnp.where(free > _FREE, owner, _MOVES), _STAYS)
    return _follow(chain.reshape(-1)).reshape(wants.shape) == _MOVES


def _follow(chain: Int32[Array, " agents"]) -> Int32[Array, " agents"]:
    """Replace every pointer by what lies at the end of its chain."""

    def jump(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        pointers, _ = carry
        ends = jnp.where(pointers >= 0, look_up(pointers, pointers), pointers)
        return ends, jnp.any(ends >= 0)

    return jax.lax.while_loop(lambda carry: carry[1], jump, (chain, jnp.asarray(True)))[0]


def _move_bodies(
    layout: Layout, grid: Array, target: Array, wants: Array, free_after: Array, order: Array
) -> Bool[Array, "E N"]:
    cells = _spread(layout, target) + _cell_offsets(layout)
    times = _spread(layout, order)
    owner, free = _owners(layout, grid, cells, free_after)
    itself = jnp.arange(wants.size, dtype=jnp.int32).reshape(wants.shape)
    owned = (free > _FREE) & (owner != _spread(layout, itself))
    possible = wants & _everywhere(layout, ~owned | (free < times))

    def sweep(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        moves, _ = carry
        claims = jnp.where(_spread(layout, moves), cells, grid.size)
        never = jnp.full(grid.size, np.iinfo(layout.word).max, layout.word)
        first = never.at[claims].min(times, mode="drop")
        clear = (~owned | look_up(moves, owner)) & (look_up(first, cells) >= times)
        settled = possible & _everywhere(layout, clear)
        return settled, jnp.any(settled != moves)

    start = (possible, jnp.asarray(True))
    return jax.lax.while_loop(lambda carry: carry[1], sweep, start)[0]


def _spread(layout: Layout, values: Array) -> Array:
    """Repeat each agent's value for every cell of its body: `[E, N]` to `[E, M]`."""
    return jnp.concatenate([values[:, rows] for _, rows in layout.bodies], axis=1)


def _cell_offsets(layout: Layout) -> Int32[Array, "1 M"]:
    """From a position's cell to each cell of the body, in the order of `_spread`."""
    counts = [rows.stop - rows.start for _, rows in layout.bodies]
    offsets = [offset for offset, _ in layout.bodies]
    return jnp.asarray(np.repeat(np.array(offsets, np.int32), counts))[None]


def _everywhere(layout: Layout, condition: Bool[Array, "E M"]) -> Bool[Array, "E N"]:
    """Whether each agent's condition holds for all cells of its body."""
    ends = np.cumsum([rows.stop - rows.start for _, rows in layout.bodies])[:-1]
    parts = jnp.split(condition, ends, axis=1)
    groups = {rows.start: jnp.ones((), bool) for _, rows in layout.bodies}
    for (_, rows), part in zip(layout.bodies, parts, strict=True):
        groups[rows.start] = groups[rows.start] & part
    return jnp.concatenate([groups[start] for start in layout.starts[:-1]], axis=1)
