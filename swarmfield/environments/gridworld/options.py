"""Checks that the configurations of grid worlds share."""

from __future__ import annotations

from collections.abc import Callable

from swarmfield.environments.gridworld.layout import LARGEST_MAP
from swarmfield.environments.options import require_count
from swarmfield.types import SwarmfieldError


def require_map(title: str, value: int, smallest: int) -> None:
    """Refuse a map too small for the game, or too large for its cells to be numbered."""
    if not smallest <= value <= LARGEST_MAP:
        raise SwarmfieldError(
            f"--env.map-size is {value}, but {title} needs a map of at least {smallest} x "
            f"{smallest} and at most {LARGEST_MAP} x {LARGEST_MAP}: choose another."
        )


def check_armies(title: str, num_agents: int | None, most: int) -> None:
    """Refuse what two teams cannot share equally."""
    if num_agents is None:
        return
    if num_agents < 2 or num_agents % 2:
        raise SwarmfieldError(
            f"--env.num-agents is {num_agents}, but {title} splits it into two equal teams:"
            " choose an even number of at least 2."
        )
    require_count("num_agents", num_agents, most)


def refuse_crowd(
    map_size: int,
    num_agents: int,
    places: int,
    smallest_map: Callable[[int], int],
    who: str = "",
) -> None:
    """Refuse more agents than a map has places for."""
    if num_agents > places:
        raise SwarmfieldError(
            f"--env.num-agents is {num_agents}, but a {map_size} x {map_size} map holds {places}"
            f"{who}: choose fewer, or a --env.map-size of at least {smallest_map(num_agents)}."
        )
