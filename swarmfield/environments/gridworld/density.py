"""How many bodies a map of random places holds: a share of its cells."""

from __future__ import annotations

import math

from swarmfield.environments.gridworld.options import refuse_crowd


def count_on(map_size: int, per_cell: float) -> int:
    """Bodies that MAgent2 puts on a map."""
    return int(map_size * map_size * per_cell)


def smallest_map_for(count: int, per_cell: float, least: int) -> int:
    """The smallest map, at least `least`, that holds that many bodies."""
    size = max(least, math.isqrt(int(count / per_cell)) - 1)
    while count_on(size, per_cell) < count:
        size += 1
    return size


def check_fit(map_size: int, count: int, per_cell: float, least: int, who: str) -> None:
    """Refuse more bodies than a map holds."""
    refuse_crowd(
        map_size,
        count,
        count_on(map_size, per_cell),
        lambda n: smallest_map_for(n, per_cell, least),
        f" {who}",
    )
