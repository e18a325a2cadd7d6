"""Battlefield: two small armies fight around long walls."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from swarmfield.environments.gridworld.armies import ArmyConfig
from swarmfield.environments.gridworld.battle import army_layout, measure
from swarmfield.environments.gridworld.formation import (
    GAP,
    Cells,
    FixedPlacement,
    block,
    columns,
    front,
    join,
    rows,
)
from swarmfield.environments.gridworld.layout import Layout
from swarmfield.environments.gridworld.occupancy import ring
from swarmfield.environments.gridworld.world import GridWorld

SMALLEST_MAP = 46
DEFAULT_MAP = 80
FEWEST_COLUMNS = 4


@dataclass(frozen=True)
class BattlefieldConfig(ArmyConfig):
    """Options of Battlefield."""

    map_size: int | None = None
    """Side of the square map, at least 46. Default: 80, or the smallest that holds num_agents."""

    def __post_init__(self) -> None:
        self.check("Battlefield", SMALLEST_MAP, lambda size: 2 * largest_army(size), smallest_map)


def build(config: BattlefieldConfig) -> GridWorld:
    """Make the environment that a configuration describes."""
    map_size = config.map_size or smallest_map(config.num_agents or 2)
    army = config.num_agents // 2 if config.num_agents else _army(map_size, FEWEST_COLUMNS)
    return GridWorld(
        name="battlefield",
        layout=army_layout(config, map_size, army),
        place=FixedPlacement(arrange_armies, build_walls),
        measure=measure,
        max_steps=config.max_steps,
        interchangeable=True,
        description=(
            f"Battlefield: {army} against {army} between walls on a {map_size} x {map_size} map,"
            f" {config.max_steps} steps"
        ),
    )


def build_walls(map_size: int) -> Bool[np.ndarray, "H W"]:
    """The ring, and two cells wide lines on both sides of the middle, each with a gap.

    Left of the middle the lines are in rows 10 ... 44 and 50 ... S/2 + 24; right of it they are
    the same turned by 180 degrees, but for rounding.
    """
    walls, half = ring(map_size), map_size // 2
    left = [int(map_size / 2 - 5), int(map_size / 2 - 4)]
    right = [int(map_size / 2 + 5), int(map_size / 2 + 4)]
    for x, start, stop in (
        (left, 10, 45),
        (left, 50, half + 25),
        (right, half - 25, map_size - 50),
        (right, map_size - 45, map_size - 10),
    ):
        walls[max(start, 0) : max(stop, 0), x] = True
    return walls


def arrange_armies(layout: Layout) -> Cells:
    """MAgent2's four columns of four, or as many as hold the team; nobody stands in a wall.

    With fewer agents than places the front columns are filled. Ids run down each column, columns
    from left to right, in both teams.
    """
    army, size = layout.groups[0].num_agents, layout.map_size
    count = max(FEWEST_COLUMNS, math.isqrt(army))
    while _army(size, count) < army:
        count += 1
    red, blue = _places(size, count)
    return join([front(red, army, on_left=True), front(blue, army, on_left=False)])


def largest_army(map_size: int) -> int:
    """Agents of each team that a map holds."""
    return _army(map_size, _most_columns(map_size))


def smallest_map(num_agents: int) -> int:
    """The smallest map, MAgent2's or larger, that holds `num_agents` in both teams together."""
    size = max(DEFAULT_MAP, 4 * math.isqrt(num_agents // 2))
    while 2 * largest_army(size) < num_agents:
        size += 1
    return size


def _army(map_size: int, count: int) -> int:
    """Agents of each team in blocks of `count` columns: as many as the smaller block holds."""
    return min(len(x) for x, _ in _places(map_size, count))


def _most_columns(map_size: int) -> int:
    return (map_size // 2 - GAP - 1) // 2


def _places(map_size: int, count: int) -> tuple[Cells, Cells]:
    """The free places of both teams, in the order of ids."""
    walls, middle = build_walls(map_size), rows(map_size, count)

    def free(columns_of_team: np.ndarray) -> Cells:
        x, y = block(columns_of_team, middle, map_size)
        return x[~walls[y, x]], y[~walls[y, x]]

    left, right = columns(map_size, count)
    return free(left), free(right)
