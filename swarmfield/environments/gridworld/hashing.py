"""Random numbers from a hash of a key: many times cheaper than drawing from the key itself."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, UInt, UInt32

from swarmfield.types import PRNGKey

_ROUNDS = {15: 4, 31: 2}


def hash_numbers(
    keys: PRNGKey, numbers: UInt32[Array, "1 M"], draw: Array | int = 0, bits: int = 31
) -> UInt[Array, "E M"]:
    """Pseudo-random numbers below 2**bits, another one for each number below 2**bits.

    Every operation is one-to-one on that many bits: addition, odd multiplication, exclusive or
    with the number's own upper bits. So different numbers never share a hash, and a number's
    hash does not depend on which others are hashed.

    Args:
        keys: One for each world.
        numbers: What to hash.
        draw: Tells several draws from one key apart.
        bits: 15 or 31.
    """
    kind = jnp.uint16 if bits == 15 else jnp.uint32
    words = jax.random.key_data(keys).astype(jnp.uint32)
    step = jnp.asarray(draw, jnp.uint32) * jnp.uint32(0x9E3779B9)
    low, high = _spread(words[:, :1] + step), _spread(words[:, -1:] ^ step)
    # Few bits of each at a time: all of them come in over the rounds.
    secrets = jnp.stack([low, high, low >> 15, high >> 15]).astype(kind)
    shape = (keys.shape[0], numbers.shape[1])
    # As a loop, because a compiler would repeat a plain expression for each of its uses.
    return jax.lax.fori_loop(
        0,
        _ROUNDS[bits],
        lambda i, x: _mix(x + secrets[i], bits),
        jnp.broadcast_to(numbers.astype(kind), shape),
    )


def _spread(x: UInt32[Array, "E 1"]) -> UInt32[Array, "E 1"]:
    """Spread a key's word over all its bits."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def _mix(x: UInt[Array, "E M"], bits: int) -> UInt[Array, "E M"]:
    """One round."""
    mask, shifts = (1 << bits) - 1, (bits // 2, bits * 2 // 5)
    x = x & mask
    x = (x ^ (x >> shifts[0])) * (0x2C1B3C6D & mask) & mask
    x = (x ^ (x >> shifts[1])) * (0x297A2D39 & mask) & mask
    return x ^ (x >> shifts[0])
