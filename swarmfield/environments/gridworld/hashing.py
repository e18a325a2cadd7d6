"""Random numbers from a hash of a key: many times cheaper than drawing from the key itself."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, UInt32

from swarmfield.types import PRNGKey

BITS = 31
_MASK = (1 << BITS) - 1
_ROUNDS = 2


def hash_numbers(
    keys: PRNGKey, numbers: UInt32[Array, "1 M"], draw: Array | int = 0
) -> UInt32[Array, "E M"]:
    """Pseudo-random numbers below 2**31, another one for each number below 2**31.

    Every operation is one-to-one on 31 bits: addition, odd multiplication, exclusive or with the
    number's own upper bits. So different numbers never share a hash, and a number's hash does not
    depend on which others are hashed.

    Args:
        keys: One for each world.
        numbers: What to hash.
        draw: Tells several draws from one key apart.
    """
    words = jax.random.key_data(keys).astype(jnp.uint32)
    step = jnp.asarray(draw, jnp.uint32) * jnp.uint32(0x9E3779B9)
    low, high = _spread(words[:, :1] + step), _spread(words[:, -1:] ^ step)
    shape = (keys.shape[0], numbers.shape[1])
    # As a loop, because a compiler would repeat a plain expression for each of its uses.
    return jax.lax.fori_loop(
        0,
        _ROUNDS,
        lambda i, x: _mix(x + jnp.where(i == 0, low, high) & _MASK),
        jnp.broadcast_to(numbers, shape),
    )


def _spread(x: UInt32[Array, "E 1"]) -> UInt32[Array, "E 1"]:
    """Spread a key's word over all its bits."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def _mix(x: UInt32[Array, "E M"]) -> UInt32[Array, "E M"]:
    """One round on 31 bits."""
    x = (x ^ (x >> 15)) * jnp.uint32(0x2C1B3C6D) & _MASK
    x = (x ^ (x >> 12)) * jnp.uint32(0x297A2D39) & _MASK
    return x ^ (x >> 15)
