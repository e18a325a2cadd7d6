"""Two armies in blocks of columns, facing each other across the map's middle line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int

from swarmfield.environments.gridworld.layout import Layout
from swarmfield.environments.gridworld.occupancy import ring
from swarmfield.environments.gridworld.placement import Placement
from swarmfield.types import PRNGKey

GAP = 3
"""Cells between the middle line and each army's front."""

Cells = tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]
"""Columns x and rows y, as many of each."""


@dataclass(frozen=True)
class FixedPlacement:
    """The same places at every reset.

    Attributes:
        arrange: `layout -> (x, y)` of everybody, in the order of rows.
        build_walls: `map size -> walls`, the ring included.
    """

    arrange: Callable[[Layout], Cells]
    build_walls: Callable[[int], Bool[np.ndarray, "H W"]] = ring

    def __call__(self, layout: Layout, keys: PRNGKey) -> Placement:
        """Place everything in each of the worlds whose keys are given."""
        x, y = (np.asarray(part, np.int32) for part in self.arrange(layout))
        shape = (keys.shape[0], layout.num_agents)
        walls = self.build_walls(layout.map_size)
        walls = jnp.broadcast_to(walls, (keys.shape[0], *walls.shape))
        return Placement(jnp.broadcast_to(x, shape), jnp.broadcast_to(y, shape), walls)


def columns(map_size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The left and the right army's columns: every second one, `count` of each."""
    steps, middle = np.arange(0, 2 * count, 2), map_size // 2
    return middle - GAP - 2 * count + steps, middle + GAP + steps


def rows(map_size: int, count: int) -> np.ndarray:
    """The rows of both armies: every second one."""
    return (map_size - 2 * count) // 2 + np.arange(0, 2 * count, 2)


def block(x: np.ndarray, y: np.ndarray, map_size: int) -> Cells:
    """The cells strictly inside the ring where columns x and rows y meet, down each column."""
    grid_x, grid_y = (part.reshape(-1) for part in np.meshgrid(x, y, indexing="ij"))
    inside = (grid_x > 0) & (grid_x < map_size - 1) & (grid_y > 0) & (grid_y < map_size - 1)
    return grid_x[inside], grid_y[inside]


def front(cells: Cells, count: int, on_left: bool) -> Cells:
    """The cells nearest the enemy, in the order they had; the middle of a column first."""
    x, y = cells
    from_middle = np.abs(y - np.median(y)) if len(y) else y
    chosen = np.sort(np.lexsort((y, from_middle, -x if on_left else x))[:count])
    return x[chosen], y[chosen]


def join(parts: list[Cells]) -> Cells:
    """One group's cells after the other's."""
    x, y = zip(*parts, strict=True)
    return np.concatenate(x), np.concatenate(y)
