"""One episode from its start to its end, with whatever is to be kept of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from swarmfield.environments.wrappers import episode_over
from swarmfield.training.matchup import act_both, begin_both, env_keys
from swarmfield.training.playing import Match
from swarmfield.types import PRNGKey

Look = Callable[[Any, dict[str, Any]], PyTree]
"""What is kept of an instant: of the environment's state and every team's timestep."""

Acted = Callable[[dict[str, Any], dict[str, Array], tuple[Any, Any]], PyTree]
"""What is kept of an act: of every team's timestep before it, the actions, and both records."""


def episode(
    match: Match, look: Look, acted: Acted
) -> Callable[[PyTree, PyTree, PRNGKey], tuple[PyTree, PyTree, Array]]:
    """A function of both players' parameters and a key that plays one episode.

    It returns the T + 1 instants, the T acts between them, T being the most steps there are, and
    whether the episode was over at each instant. `look` and `acted` get a batch of one environment.
    """

    def play(learner: PyTree, opponent: PyTree, key: PRNGKey) -> tuple[PyTree, PyTree, Array]:
        environment, policies = match.environment, (match.learner, match.opponent)
        parameters, explore = (learner, opponent), (jnp.full((), match.explore), jnp.zeros(()))
        keys = env_keys(key, 0, 1)
        state, timesteps = jax.vmap(environment.reset)(keys.environment)
        memories = begin_both(match.sides, policies, parameters, timesteps, keys)

        def step(carry: Any, time: Array) -> Any:
            state, timesteps, memories, over = carry
            keys = env_keys(key, time, 1)
            actions, memories, records = act_both(
                match.sides, policies, parameters, timesteps, memories, keys, explore
            )
            done = acted(timesteps, actions, records)
            state, timesteps = jax.vmap(environment.step)(keys.environment, state, actions)
            over = over | jax.vmap(episode_over)(timesteps)[0]
            return (state, timesteps, memories, over), (look(state, timesteps), done, over)

        start = (state, timesteps, memories, jnp.zeros((), bool))
        first = look(state, timesteps)
        _, (later, done, over) = jax.lax.scan(step, start, 1 + jnp.arange(environment.max_steps))
        instants = jax.tree.map(lambda x, y: jnp.concatenate([x[None], y]), first, later)
        return instants, done, jnp.concatenate([jnp.zeros(1, bool), over])

    return play


def first_key(key: PRNGKey) -> PRNGKey:
    """What the environment of `episode` is reset by."""
    return env_keys(key, 0, 1).environment[0]


def length_of(over: Array | np.ndarray) -> int:
    """Instants of an episode, with the one at which it was over."""
    ended = np.asarray(over)
    return 1 + int(np.argmax(ended)) if ended.any() else ended.size
