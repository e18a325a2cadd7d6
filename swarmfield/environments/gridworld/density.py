"""How many bodies a map of random places holds: a share of its cells."""

from __future__ import annotations

import math

from swarmfield.environments.gridworld.options import refuse_crowd

Shares = tuple[float, float]
"""Bodies of two kinds for each cell of a map; of the second a whole multiple of the first."""


def count_on(map_size: int, per_cell: float) -> int:
    """Bodies that MAgent2 puts on a map."""
    return int(map_size * map_size * per_cell)


def smallest_map_for(count: int, per_cell: float, least: int) -> int:
    """The smallest map, at least `least`, that holds that many bodies."""
    size = max(least, math.isqrt(int(count / per_cell)) - 1)
    while count_on(size, per_cell) < count:
        size += 1
    return size


def choose_sizes(
    map_size: int | None, num_agents: int | None, default: int, least: int, per_cell: Shares
) -> tuple[int, int, int]:
    """Side of the map, and bodies of the first kind and of the second.

    Args:
        map_size: What was asked for, if anything.
        num_agents: Of the first kind, if asked for; else as many of both as MAgent2 puts there.
        default: Side of the map if nothing was asked for.
        least: Side of the smallest map.
        per_cell: Bodies of each kind.
    """
    first, second = per_cell
    if num_agents is None:
        size = map_size or default
        return size, count_on(size, first), count_on(size, second)
    size = map_size or smallest_map_for(num_agents, first, least)
    return size, num_agents, round(second / first) * num_agents


def check_fit(map_size: int, count: int, per_cell: float, least: int, who: str) -> None:
    """Refuse more bodies than a map holds."""
    refuse_crowd(
        map_size,
        count,
        count_on(map_size, per_cell),
        lambda n: smallest_map_for(n, per_cell, least),
        f" {who}",
    )
