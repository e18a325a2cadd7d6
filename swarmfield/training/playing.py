"""Playing whole episodes: many at once, in one compiled program."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from swarmfield.batching import select
from swarmfield.devices import num_apart
from swarmfield.environments.wrappers import episode_over, reset_all, step_all
from swarmfield.training.matchup import Both, Keys, Policy, Sides, act_both, begin_both, env_keys
from swarmfield.types import Environment, PRNGKey, Timestep


class Match(NamedTuple):
    """Two players and where they meet. Static; their parameters are passed beside it.

    Attributes:
        environment: Where they meet.
        sides: Who plays which team.
        learner: How the first acts.
        opponent: How the other acts, None in a cooperative environment.
        explore: How much the first explores, in [0, 1]; the other is greedy.
    """

    environment: Environment
    sides: Sides
    learner: Policy
    opponent: Policy | None
    explore: float = 0.0


class Episodes(NamedTuple):
    """What whole episodes came to, one entry an episode.

    Attributes:
        returns: Undiscounted sum of a player's rewards over its agents and steps, by player.
        measures: The environment's totals at the end, by player and name.
        length: Steps.
    """

    returns: dict[str, Float[Array, " M"]]
    measures: dict[str, dict[str, Float[Array, " M"]]]
    length: Int[Array, " M"]


class Playing(NamedTuple):
    """Episodes on their way."""

    state: Any
    timesteps: dict[str, Timestep]
    memories: tuple[Any, Any]
    over: Bool[Array, " M"]
    returns: tuple[Array, ...]
    length: Int[Array, " M"]
    time: Int[Array, ""]


def play(match: Match, num_episodes: int) -> Callable[[PyTree, PyTree, PRNGKey], Episodes]:
    """A function of both players' parameters and a key that plays greedy episodes at once.

    Args:
        match: Who plays where.
        num_episodes: M, one environment each; sides are swapped in half of them where they
            are interchangeable.
    """

    def episodes(learner: PyTree, opponent: PyTree, key: PRNGKey) -> Episodes:
        places, players = places_of(num_episodes, num_apart()), (learner, opponent)
        first = places.keys(key, 0).environment
        playing = begin(match, places, players, key, *reset_all(match.environment, first))

        def step(now: Playing) -> Playing:
            keys, actions, memories = decide(match, places, players, key, now)
            state, timesteps = step_all(match.environment, keys.environment, now.state, actions)
            return go_on(match, now, memories, state, timesteps)

        return came_to(
            match, places, jax.lax.while_loop(lambda now: ~jnp.all(now.over), step, playing)
        )

    return episodes


class Places(NamedTuple):
    """Environments that episodes are played in: as many on each device.

    Attributes:
        episode: Whose keys each place has.
        counts: Whether it is that episode's place; if not, nothing comes of it.
        of_episode: Each episode's place.
    """

    episode: Int[np.ndarray, " L"]
    counts: Bool[np.ndarray, " L"]
    of_episode: Int[np.ndarray, " M"]

    def keys(self, key: PRNGKey, time: Array | int) -> Keys:
        """Everybody's keys of a time."""
        keys = env_keys(key, time, self.of_episode.size)
        return jax.tree.map(lambda x: x[self.episode], keys)


def places_of(num_episodes: int, num_devices: int) -> Places:
    """The first half of the episodes in the first half of the places, for sides are swapped so."""
    if num_episodes % num_devices == 0:
        every = np.arange(num_episodes)
        return Places(every, np.ones(num_episodes, bool), every)
    first, unit = -(-num_episodes // 2), num_devices // math.gcd(num_devices, 2)
    half = unit * -(-first // unit)
    place = np.arange(2 * half)
    behind = place - half
    episode = np.where(place < half, np.minimum(place, first - 1), first + behind)
    counts = np.where(place < half, place < first, first + behind < num_episodes)
    return Places(np.minimum(episode, num_episodes - 1), counts, np.flatnonzero(counts))


def begin(
    match: Match,
    places: Places,
    players: Both,
    key: PRNGKey,
    state: PyTree,
    timesteps: dict[str, Timestep],
) -> Playing:
    """Episodes whose environments have been reset; nobody has acted yet."""
    keys, policies = places.keys(key, 0), (match.learner, match.opponent)
    memories = begin_both(match.sides, policies, players, timesteps, keys)
    over = ~jnp.asarray(places.counts)
    returns = tuple(jnp.zeros(over.shape) for t in match.sides.split(timesteps) if t is not None)
    length = jnp.zeros(over.shape, jnp.int32)
    return Playing(state, timesteps, memories, over, returns, length, jnp.int32(0))


def decide(
    match: Match, places: Places, players: Both, key: PRNGKey, now: Playing
) -> tuple[Keys, dict[str, Array], Both]:
    """The first half of a step: its keys, everybody's actions, and both memories."""
    keys = places.keys(key, now.time + 1)
    actions, memories, _ = act_both(
        match.sides,
        (match.learner, match.opponent),
        players,
        now.timesteps,
        now.memories,
        keys,
        (jnp.full((), match.explore), jnp.zeros(())),
    )
    return keys, actions, memories


def go_on(
    match: Match, now: Playing, memories: Both, state: PyTree, timesteps: dict[str, Timestep]
) -> Playing:
    """The second half: what the environments answered, added up."""
    rewards = [jnp.sum(t.reward, axis=1) for t in match.sides.split(timesteps) if t is not None]
    paid = [jnp.where(now.over, 0.0, reward) for reward in rewards]
    return Playing(
        state,
        # An episode that is over stays as it ended.
        select(now.over, now.timesteps, timesteps),
        memories,
        now.over | jax.vmap(episode_over)(timesteps),
        tuple(total + reward for total, reward in zip(now.returns, paid, strict=True)),
        now.length + ~now.over,
        now.time + 1,
    )


def came_to(match: Match, places: Places, playing: Playing) -> Episodes:
    """What finished episodes came to."""
    final = [t for t in match.sides.split(playing.timesteps) if t is not None]
    names = ("learner", "opponent")
    played = Episodes(
        dict(zip(names, playing.returns, strict=False)),
        {name: dict(t.measures) for name, t in zip(names, final, strict=False)},
        playing.length,
    )
    return jax.tree.map(lambda x: x[places.of_episode], played)
