"""What agents on a plane see of each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from swarmfield.chunks import in_chunks

_PAIRS_AT_ONCE = 2**20


def number_seen(there_are: int, sees: int | None) -> int:
    """How many of some are seen: all, or no more than that."""
    return there_are if sees is None else min(sees, there_are)


def see_others(
    position: Float[Array, "N 2"],
    index: Int[Array, ""],
    sees: int | None,
    offset: Callable[[Float[Array, "M 2"]], Float[Array, "M 2"]] = lambda vectors: vectors,
) -> tuple[Int[Array, " K"], Float[Array, "K 2"]]:
    """Whom an agent sees, and where from its own place.

    Args:
        position: Of all.
        index: Who looks.
        sees: How many at most, the nearest first; all, in the order of their numbers, if None.
        offset: What differences of places are taken for, such as the short way around a torus.
    """
    number = jnp.arange(position.shape[0] - 1)
    number = number + (number >= index)
    others = offset(position[number] - position[index][None])
    if sees is None:
        return number, others
    near = nearest(others, number_seen(number.shape[0], sees))
    return number[near], others[near]


def nearest(vectors: Float[Array, "M 2"], number: int) -> Int[Array, " K"]:
    """Which of them are the shortest, the very shortest first."""
    return jax.lax.top_k(-jnp.sum(vectors**2, axis=-1), number)[1]


def for_all_pairs(function: Callable[[Any], Any], inputs: Any, num_others: int) -> Any:
    """A function of some agents, each of which looks at all others, in pieces that fit a memory."""
    return in_chunks(function, inputs, max(1, _PAIRS_AT_ONCE // num_others))
