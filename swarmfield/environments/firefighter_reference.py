"""Scripted firefighters to compare with, and what they earn."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from swarmfield.environments.firefighter import LEFT, RIGHT, Firefighter, FirefighterState
from swarmfield.types import PRNGKey

Choose = Callable[[Firefighter, FirefighterState, PRNGKey], Int[Array, " N"]]


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


def reference_returns(
    world: Firefighter, choose: Choose, num_episodes: int, key: PRNGKey
) -> Float[Array, " M"]:
    """The team's return in each of M episodes: the sum of all rewards.

    Args:
        world: The environment.
        choose: One of `POLICIES`, or another function of (world, state, key).
        num_episodes: M.
        key: Where all randomness comes from.
    """

    def play(key: PRNGKey) -> Float[Array, ""]:
        key_reset, key_play = jax.random.split(key)

        def step(state: FirefighterState, key: PRNGKey) -> tuple[FirefighterState, Array]:
            key_choose, key_step = jax.random.split(key)
            actions = {"fighters": choose(world, state, key_choose)}
            state, timesteps = world.step(key_step, state, actions)
            return state, jnp.sum(timesteps["fighters"].reward)

        state, _ = world.reset(key_reset)
        return jnp.sum(jax.lax.scan(step, state, jax.random.split(key_play, world.max_steps))[1])

    return jax.jit(jax.vmap(play))(jax.random.split(key, num_episodes))
