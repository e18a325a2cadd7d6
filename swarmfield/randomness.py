"""Random arrays."""

from __future__ import annotations

import math
from collections.abc import Callable

from jaxtyping import Array, Float

from swarmfield.types import PRNGKey


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
