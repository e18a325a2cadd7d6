"""Seeds, and random arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

from jaxtyping import Array, Float

from swarmfield.types import PRNGKey, SwarmfieldError


def require_seeds(seeds: Sequence[Any]) -> None:
    """Refuse seeds that would not give keys of their own.

    Raises:
        SwarmfieldError: One is out of range.
    """
    for seed in seeds:
        if not isinstance(seed, Integral) or not 0 <= int(seed) < 2**32:
            raise SwarmfieldError(
                f"A seed is {seed!r}, but must be a whole number from 0 to {2**32 - 1}."
            )


def drawn_flat(
    draw: Callable[[PRNGKey, tuple[int, ...]], Array], key: PRNGKey, shape: tuple[int, ...]
) -> Float[Array, ...]:
    """`draw(key, shape)`, drawn as one row and then folded: the same numbers.

    XLA takes several times as long to compile draws of more axes, above all batched ones. Row
    by row, so that what one row draws does not depend on how many there are.

    Args:
        draw: Such as `jax.random.normal`.
        key: Draws them.
        shape: Rows first.
    """
    return draw(key, (math.prod(shape),)).reshape(shape)
