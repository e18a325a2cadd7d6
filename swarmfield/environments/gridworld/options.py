"""Checks that the configurations of grid worlds share."""

from __future__ import annotations

from swarmfield.options import LARGEST_FLOAT
from swarmfield.types import SwarmfieldError


def require_positive(name: str, value: int) -> None:
    """Refuse a count below 1."""
    if value < 1:
        raise SwarmfieldError(f"{option(name)} is {value}: choose a whole number of at least 1.")


def require_finite(name: str, value: float) -> None:
    """Refuse a reward that is not a number or too large for float32."""
    if not abs(value) <= LARGEST_FLOAT:
        raise SwarmfieldError(
            f"{option(name)} is {value}: choose a number of at most {LARGEST_FLOAT:.4g} either way."
        )


def option(name: str) -> str:
    """How a field is spelled on the command line."""
    return "--env." + name.replace("_", "-")
