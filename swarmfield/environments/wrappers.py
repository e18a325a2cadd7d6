"""Wrappers that turn one environment into many, without changing what one means."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from swarmfield.batching import flat_batched, select, vmapped
from swarmfield.devices import apart
from swarmfield.types import Environment, PRNGKey, Timestep


class Episode(eqx.Module):
    """An environment's state, and whether its episode is over."""

    state: Any
    over: Bool[Array, "*E"]


def reset_all(environment: Any, keys: PRNGKey) -> Any:
    """Parallel environments at the start of an episode, each on its device."""
    return apart(lambda _, keys: jax.vmap(environment.reset)(keys))((), keys)


def step_all(environment: Any, keys: PRNGKey, states: Any, actions: Any) -> Any:
    """A step of parallel environments, each on its device."""
    return apart(lambda _, each: vmapped(environment.step)(*each))((), (keys, states, actions))


def episode_over(timesteps: Mapping[str, Timestep]) -> Bool[Array, ""]:
    """The time limit was reached, or nobody has a future: all are dead or terminated."""
    every = list(timesteps.values())
    active = [jnp.any(timestep.alive & ~timestep.terminated) for timestep in every]
    return every[0].truncated | ~functools.reduce(jnp.logical_or, active)


class AutoReset:
    """Play episode after episode.

    The timestep that ends an episode is returned as it is. The next call ignores the actions
    and returns the reset one (`first`), so the value of the last state is there to bootstrap
    on, and what is stored at t + 1 always is what followed t. Placement is computed only in
    steps in which some environment is reset.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.step = flat_batched(self._step)

    def reset(self, key: PRNGKey) -> tuple[Episode, dict[str, Timestep]]:
        """The first episode."""
        state, timesteps = self.environment.reset(key)
        return Episode(state, jnp.zeros((), bool)), timesteps

    def _step(
        self, key: PRNGKey, episode: Episode, actions: dict[str, Array]
    ) -> tuple[Episode, dict[str, Timestep]]:
        stepped = jax.vmap(self.environment.step)(key, episode.state, actions)

        def with_resets() -> Any:
            fresh = jax.vmap(self.environment.reset)(key)
            return select(episode.over, fresh, stepped)

        state, timesteps = jax.lax.cond(jnp.any(episode.over), with_resets, lambda: stepped)
        return Episode(state, jax.vmap(episode_over)(timesteps)), timesteps
