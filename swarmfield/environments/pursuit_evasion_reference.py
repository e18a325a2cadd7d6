"""Scripted pursuers to compare with."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from swarmfield.environments.pursuit_evasion import PursuitEvasion, PursuitEvasionState
from swarmfield.environments.scripted import Choose
from swarmfield.types import PRNGKey


def choose_random(world: PursuitEvasion, state: PursuitEvasionState, key: PRNGKey) -> Array:
    """Any action, each as likely."""
    shape = state.last_action.shape
    if len(shape) == 1:
        return jax.random.randint(key, shape, 0, world.config.headings + 1)
    return jax.random.uniform(key, shape, minval=-1.0)


def choose_to_stay(
    _world: PursuitEvasion, state: PursuitEvasionState, _key: PRNGKey
) -> Int[Array, " N"]:
    """Nobody moves but the evader; of holonomic pursuers."""
    return jnp.zeros(state.last_action.shape[0], jnp.int32)


def choose_chase(
    world: PursuitEvasion, state: PursuitEvasionState, _key: PRNGKey
) -> Int[Array, " N"]:
    """All go straight for the evader, as straight as their headings allow; holonomic."""
    return heading_to(world, world.offset(state.evader[None] - state.motion.position))


def choose_ring(
    world: PursuitEvasion, state: PursuitEvasionState, _key: PRNGKey
) -> Int[Array, " N"]:
    """Close in from all sides: each to a point of its own around the evader; holonomic.

    The points are on a ring two thirds as wide as the pursuer is far from the evader; their order
    around it is the pursuers' own.
    """
    away = world.offset(state.motion.position - state.evader[None])
    angle = jnp.arctan2(away[:, 1], away[:, 0])
    rank = jnp.argsort(jnp.argsort(angle)).astype(jnp.float32)
    even = 2 * jnp.pi * rank / rank.shape[0] - jnp.pi
    even = even + jnp.mean(angle - even)
    reach = 2 / 3 * jnp.sqrt(jnp.sum(away**2, axis=1))[:, None]
    place = reach * jnp.stack([jnp.cos(even), jnp.sin(even)], axis=1)
    return heading_to(world, place - away)


def heading_to(world: PursuitEvasion, way: Float[Array, "N 2"]) -> Int[Array, " N"]:
    """The action that goes nearest to a direction."""
    step = 2 * jnp.pi / world.config.headings
    turns = jnp.round(jnp.arctan2(way[:, 1], way[:, 0]) / step).astype(jnp.int32)
    return 1 + turns % world.config.headings


POLICIES: dict[str, Choose] = {
    "random": choose_random,
    "stay": choose_to_stay,
    "chase": choose_chase,
    "ring": choose_ring,
}
"""The last three are holonomic."""
