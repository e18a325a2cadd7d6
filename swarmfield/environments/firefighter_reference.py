"""Scripted firefighters to compare with."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from swarmfield.environments.firefighter import LEFT, RIGHT, Firefighter, FirefighterState
from swarmfield.environments.scripted import Choose
from swarmfield.types import PRNGKey


def choose_random(_world: Firefighter, state: FirefighterState, key: PRNGKey) -> Int[Array, " N"]:
    """Either house, by the toss of a coin."""
    return jax.random.bernoulli(key, shape=state.last_action.shape).astype(jnp.int32)


def choose_left(_world: Firefighter, state: FirefighterState, _key: PRNGKey) -> Int[Array, " N"]:
    """Everybody left: one fighter a house, which does not suffice."""
    return jnp.full(state.last_action.shape, LEFT)


def choose_greedily(world: Firefighter, state: FirefighterState, key: PRNGKey) -> Int[Array, " N"]:
    """The house that burns more, by its true level, which fighters do not see; or either."""
    left, right = world.houses_of(state.fire)
    return jnp.where(left == right, choose_random(world, state, key), right > left)


def choose_in_pairs(
    _world: Firefighter, state: FirefighterState, _key: PRNGKey
) -> Int[Array, " N"]:
    """Two to every second house, then two to each of the others, and so on."""
    return (jnp.arange(state.last_action.shape[0]) + state.time) % (RIGHT + 1)


POLICIES: dict[str, Choose] = {
    "random": choose_random,
    "all_left": choose_left,
    "greedy": choose_greedily,
    "pairs": choose_in_pairs,
}
