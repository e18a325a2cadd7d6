"""Checks that the configurations of grid worlds share."""

from __future__ import annotations

from swarmfield.environments.gridworld.layout import LARGEST_MAP
from swarmfield.options import LARGEST_FLOAT, spelled
from swarmfield.types import SwarmfieldError

LARGEST_COUNT = 10**9
"""More than anything can be counted to in a run."""


def require_count(name: str, value: int, most: int = LARGEST_COUNT) -> None:
    """Refuse a count below 1 or above what there can be."""
    if not 1 <= value <= most:
        raise SwarmfieldError(
            f"{spelled(name, 'env.')} is {value}: choose a whole number from 1 to {most}."
        )


def require_map(title: str, value: int, smallest: int) -> None:
    """Refuse a map too small for the game, or too large for its cells to be numbered."""
    if not smallest <= value <= LARGEST_MAP:
        raise SwarmfieldError(
            f"--env.map-size is {value}, but {title} needs a map of at least {smallest} x "
            f"{smallest} and at most {LARGEST_MAP} x {LARGEST_MAP}: choose another."
        )


def require_finite(name: str, value: float) -> None:
    """Refuse a reward that is not a number or too large for float32."""
    if not abs(value) <= LARGEST_FLOAT:
        raise SwarmfieldError(
            f"{spelled(name, 'env.')} is {value}: choose a finite number of at most"
            f" {LARGEST_FLOAT:.4g} either way."
        )
