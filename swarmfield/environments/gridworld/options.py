"""Checks that the configurations of grid worlds share."""

from __future__ import annotations

from swarmfield.options import LARGEST_FLOAT, spelled
from swarmfield.types import SwarmfieldError


def require_positive(name: str, value: int) -> None:
    """Refuse a count below 1."""
    if value < 1:
        raise SwarmfieldError(
            f"{spelled(name, 'env.')} is {value}: choose a whole number of at least 1."
        )


def require_finite(name: str, value: float) -> None:
    """Refuse a reward that is not a number or too large for float32."""
    if not abs(value) <= LARGEST_FLOAT:
        raise SwarmfieldError(
            f"{spelled(name, 'env.')} is {value}: choose a finite number of at most"
            f" {LARGEST_FLOAT:.4g} either way."
        )
