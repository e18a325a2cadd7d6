"""Scripted players of environments of one team, to compare learned ones with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from swarmfield.chunks import AGENTS_AT_ONCE, in_chunks
from swarmfield.environments.wrappers import episode_over
from swarmfield.types import Environment, PRNGKey, Timestep

Choose = Callable[[Any, Any, PRNGKey], Array]
"""`(environment, state, key) -> actions` of the only team."""


class Played(NamedTuple):
    """What whole episodes came to.

    Attributes:
        returns: Undiscounted sum of all agents' rewards.
        measures: The environment's totals at the end, by name.
        length: Steps.
    """

    returns: Float[Array, " M"]
    measures: dict[str, Float[Array, " M"]]
    length: Int[Array, " M"]


class _Playing(NamedTuple):
    state: Any
    timestep: Timestep
    over: Bool[Array, ""]
    returns: Float[Array, ""]
    length: Int[Array, ""]


def play_scripted(world: Environment, choose: Choose, num_episodes: int, key: PRNGKey) -> Played:
    """Let a scripted player play M episodes, many at once.

    Args:
        world: An environment of one team.
        choose: What the team does.
        num_episodes: M.
        key: Where all randomness comes from.
    """
    (team,) = world.teams

    def play(key: PRNGKey) -> Played:
        key_reset, key_play = jax.random.split(key)
        state, timesteps = world.reset(key_reset)
        first = _Playing(
            state, timesteps[team.name], jnp.bool_(False), jnp.float32(0), jnp.int32(0)
        )

        def step(now: _Playing) -> _Playing:
            key_choose, key_step = jax.random.split(jax.random.fold_in(key_play, now.length))
            actions = {team.name: choose(world, now.state, key_choose)}
            state, timesteps = world.step(key_step, now.state, actions)
            timestep = timesteps[team.name]
            returns = now.returns + jnp.sum(timestep.reward)
            return _Playing(state, timestep, episode_over(timesteps), returns, now.length + 1)

        last = jax.lax.while_loop(lambda now: ~now.over, step, first)
        return Played(last.returns, dict(last.timestep.measures), last.length)

    at_once = max(1, AGENTS_AT_ONCE // team.num_agents)
    keys = jax.random.split(key, num_episodes)
    return jax.jit(lambda keys: in_chunks(jax.vmap(play), keys, at_once))(keys)
