"""Checks that the configurations of grid worlds share."""

from __future__ import annotations

import math

from swarmfield.types import SwarmfieldError


def require_positive(name: str, value: int) -> None:
    """Refuse a count below 1."""
    if value < 1:
        raise SwarmfieldError(f"{name} is {value}: choose a whole number of at least 1.")


def require_finite(name: str, value: float) -> None:
    """Refuse a reward that is not a number."""
    if not math.isfinite(value):
        raise SwarmfieldError(f"{name} is {value}: choose a finite number.")
