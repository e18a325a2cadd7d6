"""Scripted agents of Spread to compare with."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from swarmfield.environments.scripted import Choose
from swarmfield.environments.spread import DAMPING, DIRECTIONS, PUSH, STEP, Spread, SpreadState
from swarmfield.types import PRNGKey


def choose_random(_world: Spread, state: SpreadState, key: PRNGKey) -> Int[Array, " N"]:
    """Any of the five, each as likely."""
    return jax.random.randint(key, state.position.shape[:1], 0, len(DIRECTIONS))


def choose_nothing(_world: Spread, state: SpreadState, _key: PRNGKey) -> Int[Array, " N"]:
    """Never push: only collisions move anybody."""
    return jnp.zeros(state.position.shape[0], jnp.int32)


def choose_by_assignment(_world: Spread, state: SpreadState, _key: PRNGKey) -> Int[Array, " N"]:
    """To a landmark of one's own: the nearest pair is matched first, then the nearest of the rest.

    An agent pushes so that the step brings it nearest to its landmark; who gets none holds its
    place.
    """
    target = assigned(state.position, state.landmarks)
    directions = jnp.array(DIRECTIONS, jnp.float32)
    velocity = (1 - DAMPING) * state.velocity[:, None] + STEP * PUSH * directions[None]
    after = state.position[:, None] + STEP * velocity
    return jnp.argmin(jnp.sum((after - target[:, None]) ** 2, axis=-1), axis=1)


def assigned(position: Float[Array, "N 2"], landmarks: Float[Array, "L 2"]) -> Float[Array, "N 2"]:
    """The landmark of each agent, or where it is."""
    apart = jnp.sum((position[:, None] - landmarks[None]) ** 2, axis=-1)

    def match(_: Int[Array, ""], found: tuple[Array, Array]) -> tuple[Array, Array]:
        apart, target = found
        agent, landmark = jnp.divmod(jnp.argmin(apart), landmarks.shape[0])
        target = target.at[agent].set(landmarks[landmark])
        return apart.at[agent].set(jnp.inf).at[:, landmark].set(jnp.inf), target

    pairs = min(position.shape[0], landmarks.shape[0])
    return jax.lax.fori_loop(0, pairs, match, (apart, position))[1]


POLICIES: dict[str, Choose] = {
    "random": choose_random,
    "nothing": choose_nothing,
    "assignment": choose_by_assignment,
}
"""All for discrete actions."""
