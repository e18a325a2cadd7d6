"""A pool of past selves to train against."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from swarmfield.types import PRNGKey

Sampling = Literal["uniform", "skill"]

_RATE = 0.3
"""How far a member's score goes towards its newest result."""
_LEAST = 0.05
"""Added to scores: nobody is never met."""


class Pool(eqx.Module):
    """What an opponent from a pool of P is.

    Attributes:
        playing: The parameters of the one that plays now.
        members: Of all, leading with P.
        scores: How often each was ahead of the learner, from 0 to 1; 0.5 of one not yet met.
        index: Who plays now.
        joined: How many have joined so far; the oldest makes room.
    """

    playing: PyTree
    members: PyTree
    scores: Float[Array, " P"]
    index: Int[Array, ""]
    joined: Int[Array, ""]


def first_pool(policy: PyTree, size: int) -> Pool:
    """A pool of one: the learner as it begins."""
    members = jax.tree.map(lambda x: jnp.broadcast_to(x, (size, *x.shape)), policy)
    scores = jnp.full(size, 0.5)
    return Pool(jax.tree.map(jnp.copy, policy), members, scores, jnp.int32(0), jnp.int32(1))


def next_opponent(
    pool: Pool,
    policy: PyTree,
    met: Bool[Array, ""],
    ahead: Bool[Array, ""],
    sampling: Sampling,
    key: PRNGKey,
) -> Pool:
    """The learner joins as it is now, and one of the pool is drawn to play from now on.

    Uniformly, or in proportion to 0.05 + score: those who were ahead more often come more often.

    Args:
        pool: As it was.
        policy: The learner's.
        met: Whether any episode ended since the last draw.
        ahead: Whether the opponent earned more in those than the learner.
        sampling: How to draw.
        key: Draws.
    """
    size = pool.scores.shape[0]
    moved = pool.scores[pool.index] + _RATE * (ahead.astype(jnp.float32) - pool.scores[pool.index])
    scores = pool.scores.at[pool.index].set(jnp.where(met, moved, pool.scores[pool.index]))
    slot = pool.joined % size
    scores = scores.at[slot].set(0.5)
    members = jax.tree.map(lambda kept, new: kept.at[slot].set(new), pool.members, policy)
    joined = pool.joined + 1
    weight = jnp.ones(size) if sampling == "uniform" else scores + _LEAST
    weight = jnp.where(jnp.arange(size) < joined, weight, 0.0)
    index = jax.random.categorical(key, jnp.log(weight)).astype(jnp.int32)
    return Pool(jax.tree.map(lambda x: x[index], members), members, scores, index, joined)
