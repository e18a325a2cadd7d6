"""Checks that the options of all methods share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from swarmfield.options import LARGEST_FLOAT, spelled
from swarmfield.types import SwarmfieldError

POSITIVE = f"above 0 and at most {LARGEST_FLOAT:.4g}"
PROBABILITY = "a number from 0 to 1"
NOT_NEGATIVE = f"from 0 to {LARGEST_FLOAT:.4g}"


def require(config: Any, name: str, allowed: Callable[[Any], bool], wanted: str) -> None:
    """Refuse a field's value that is not allowed, saying what is wanted."""
    value = getattr(config, name)
    if not allowed(value):
        raise SwarmfieldError(f"{spelled(name, 'algo.')} is {value}, but must be {wanted}.")
