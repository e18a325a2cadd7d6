"""Checks that the configurations of environments share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from swarmfield.options import LARGEST_FLOAT, spelled
from swarmfield.types import SwarmfieldError

LARGEST_COUNT = 10**9
"""More than anything can be counted to in a run."""


def require_count(name: str, value: int, most: int = LARGEST_COUNT, least: int = 1) -> None:
    """Refuse a count below `least` or above what there can be."""
    if not least <= value <= most:
        raise SwarmfieldError(
            f"{spelled(name, 'env.')} is {value}: choose a whole number from {least} to {most}."
        )


def require_finite(name: str, value: float) -> None:
    """Refuse a reward that is not a number or too large for float32."""
    if not abs(value) <= LARGEST_FLOAT:
        raise SwarmfieldError(
            f"{spelled(name, 'env.')} is {value}: choose a finite number of at most"
            f" {LARGEST_FLOAT:.4g} either way."
        )


def require_rewards(config: Any, names: Iterable[str]) -> None:
    """Refuse a configuration with such a reward."""
    for name in names:
        require_finite(name, getattr(config, name))
