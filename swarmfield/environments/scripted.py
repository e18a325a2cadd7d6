"""What scripted policies earn, to compare learned ones with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from swarmfield.types import Environment, PRNGKey

Choose = Callable[[Any, Any, PRNGKey], Array]
"""`(environment, state, key) -> actions` of the only team."""


def reference_returns(
    world: Environment, choose: Choose, num_episodes: int, key: PRNGKey
) -> Float[Array, " M"]:
    """The team's return in each of M episodes: the sum of all rewards.

    Args:
        world: An environment of one team whose episodes all are as long as the longest.
        choose: What the team does.
        num_episodes: M.
        key: Where all randomness comes from.
    """
    (team,) = world.teams

    def play(key: PRNGKey) -> Float[Array, ""]:
        key_reset, key_play = jax.random.split(key)

        def step(state: Any, key: PRNGKey) -> tuple[Any, Array]:
            key_choose, key_step = jax.random.split(key)
            actions = {team.name: choose(world, state, key_choose)}
            state, timesteps = world.step(key_step, state, actions)
            return state, jnp.sum(timesteps[team.name].reward)

        state, _ = world.reset(key_reset)
        return jnp.sum(jax.lax.scan(step, state, jax.random.split(key_play, world.max_steps))[1])

    return jax.jit(jax.vmap(play))(jax.random.split(key, num_episodes))
