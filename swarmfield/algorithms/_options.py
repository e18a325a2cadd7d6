"""Checks that the options of all methods share."""

from __future__ import annotations

from functools import partial

from swarmfield import options
from swarmfield.options import LARGEST_FLOAT

POSITIVE = f"above 0 and at most {LARGEST_FLOAT:.4g}"
PROBABILITY = "a number from 0 to 1"
NOT_NEGATIVE = f"from 0 to {LARGEST_FLOAT:.4g}"


require = partial(options.require, prefix="algo.")
"""`options.require` of an algorithm's options."""
