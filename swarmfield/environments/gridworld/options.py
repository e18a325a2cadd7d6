"""Checks that the configurations of grid worlds share."""

from __future__ import annotations

from collections.abc import Callable

from swarmfield.environments.gridworld.layout import LARGEST_MAP
from swarmfield.options import spelled
from swarmfield.types import SwarmfieldError


def require_map(title: str, value: int, smallest: int) -> None:
    """Refuse a map too small for the game, or too large for its cells to be numbered."""
    if not smallest <= value <= LARGEST_MAP:
        raise SwarmfieldError(
            f"--env.map-size is {value}, but {title} needs a map of at least {smallest} x "
            f"{smallest} and at most {LARGEST_MAP} x {LARGEST_MAP}: choose another."
        )


def choose_map(
    asked: int | None,
    num_agents: int | None,
    default: int,
    smallest_map: Callable[[int], int],
) -> int:
    """The map that was asked for, or the smallest that holds the agents, or the default."""
    if asked is not None:
        return asked
    return default if num_agents is None else smallest_map(num_agents)


def refuse_crowd(
    map_size: int,
    num_agents: int,
    places: int,
    smallest_map: Callable[[int], int],
    who: str = "",
    name: str = "num_agents",
) -> None:
    """Refuse more agents than a map has places for; `name` is the option that counts them."""
    if num_agents > places:
        raise SwarmfieldError(
            f"{spelled(name, 'env.')} is {num_agents}, but a {map_size} x {map_size} map holds"
            f" {places}{who}: choose fewer, or a --env.map-size of at least"
            f" {smallest_map(num_agents)}."
        )
