"""Matrix products that are to be right, where those of networks need only be good enough."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float


def matmul(x: Float[Array, "... K"], y: Float[Array, "K ..."]) -> Float[Array, ...]:
    """The product x y in full single precision.

    GPUs otherwise keep eleven bits of each factor (TF32), so that a product is wrong by up to a
    thousandth. Networks learn no worse from it, but a mean would not be the mean, nor the nearest
    group the nearest. On a CPU it is `x @ y`.
    """
    return jnp.matmul(x, y, precision="highest")
