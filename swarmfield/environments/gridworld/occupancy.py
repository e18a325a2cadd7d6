"""Which body lies on which cell, for a flat batch of worlds."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, Integer

from swarmfield.environments.gridworld.layout import Layout
from swarmfield.environments.gridworld.state import State
from swarmfield.types import SwarmfieldError

BLOCKED = 0
EMPTY = 1
FIRST_AGENT = 2
"""Codes of a cell; the agent in row i of its world is `FIRST_AGENT + i`."""


def first_cells(layout: Layout, num_worlds: int) -> Int32[Array, "E 1"]:
    """Where each world's cells start in the grid of all worlds; this cell is always wall.

    Raises:
        SwarmfieldError: There are 2**31 cells or more.
    """
    if num_worlds * layout.num_cells >= 2**31:
        size = layout.map_size
        raise SwarmfieldError(
            f"{num_worlds} worlds of {size} x {size} cells are more cells than 32 bits can number; "
            "choose fewer environments or seeds side by side, or a smaller map."
        )
    return jnp.arange(num_worlds, dtype=jnp.int32)[:, None] * layout.num_cells


def first_rows(layout: Layout, num_worlds: int) -> Int32[Array, "E 1"]:
    """Where each world's agents start in arrays `[E * N]`."""
    return jnp.arange(num_worlds, dtype=jnp.int32)[:, None] * layout.num_agents


def cells_of(layout: Layout, state: State) -> Int32[Array, "E N"]:
    """The cell of each position in the grid of all worlds; past its end for the dead."""
    num_worlds = state.x.shape[0]
    cells = first_cells(layout, num_worlds) + state.y * layout.map_size + state.x
    return jnp.where(state.alive, cells, num_worlds * layout.num_cells)


def draw_bodies(layout: Layout, grid: Array, cells: Int32[Array, "E N"], values: Array) -> Array:
    """Write each agent's value on every cell of its body."""
    for offset, rows in layout.bodies:
        grid = grid.at[cells[:, rows] + offset].set(values[:, rows], mode="drop")
    return grid


def occupants(layout: Layout, state: State) -> Integer[Array, " cells"]:
    """The grid of all worlds: the code of the agent on each cell, `EMPTY`, or `BLOCKED`."""
    grid = jnp.where(state.walls.reshape(-1), BLOCKED, EMPTY).astype(layout.word)
    codes = FIRST_AGENT + jnp.arange(layout.num_agents, dtype=layout.word)
    codes = jnp.broadcast_to(codes[None], state.x.shape)
    return draw_bodies(layout, grid, cells_of(layout, state), codes)


def rows_on(grid: Integer[Array, " cells"], cells: Int32[Array, "E M"]) -> Int32[Array, "E M"]:
    """The row in its world of the agent on each cell; negative for nobody."""
    return look_up(grid, cells).astype(jnp.int32) - FIRST_AGENT


def look_up(values: Array, index: Array) -> Array:
    """`values[index]` where every index is known to be inside, of any shape."""
    return values.reshape(-1).at[index].get(mode="clip")


def ring(map_size: int) -> Bool[np.ndarray, "H W"]:
    """The map's outer ring."""
    walls = np.ones((map_size, map_size), bool)
    walls[1:-1, 1:-1] = False
    return walls
