"""Checks that the configurations of grid worlds share."""

from __future__ import annotations

from swarmfield.environments.gridworld.layout import LARGEST_MAP
from swarmfield.types import SwarmfieldError


def require_map(title: str, value: int, smallest: int) -> None:
    """Refuse a map too small for the game, or too large for its cells to be numbered."""
    if not smallest <= value <= LARGEST_MAP:
        raise SwarmfieldError(
            f"--env.map-size is {value}, but {title} needs a map of at least {smallest} x "
            f"{smallest} and at most {LARGEST_MAP} x {LARGEST_MAP}: choose another."
        )
