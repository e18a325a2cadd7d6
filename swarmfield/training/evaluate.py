"""Playing whole episodes: for evaluation, for duels, and to be watched."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from swarmfield.batching import for_each, select
from swarmfield.chunks import AGENTS_AT_ONCE
from swarmfield.compiler import Options, compiler_options
from swarmfield.devices import num_apart
from swarmfield.environments.wrappers import episode_over, reset_all, step_all
from swarmfield.statistics import summarize_episodes
from swarmfield.training import hosts
from swarmfield.training.layout import ONE_DEVICE, Layout
from swarmfield.training.matchup import Keys, Policy, Sides, act_both, begin_both, env_keys
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


class _Playing(NamedTuple):
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
        places = _places(num_episodes, num_apart())
        playing = _begin(match, places, learner, opponent, key)
        playing = jax.lax.while_loop(
            lambda now: ~jnp.all(now.over),
            lambda now: _step(match, places, learner, opponent, key, now),
            playing,
        )
        final = [t for t in match.sides.split(playing.timesteps) if t is not None]
        names = ("learner", "opponent")
        played = Episodes(
            dict(zip(names, playing.returns, strict=False)),
            {name: dict(t.measures) for name, t in zip(names, final, strict=False)},
            playing.length,
        )
        return jax.tree.map(lambda x: x[places.of_episode], played)

    return episodes


class _Places(NamedTuple):
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


def _places(num_episodes: int, num_devices: int) -> _Places:
    """The first half of the episodes in the first half of the places, for sides are swapped so."""
    if num_episodes % num_devices == 0:
        every = np.arange(num_episodes)
        return _Places(every, np.ones(num_episodes, bool), every)
    first, unit = -(-num_episodes // 2), num_devices // math.gcd(num_devices, 2)
    half = unit * -(-first // unit)
    place = np.arange(2 * half)
    behind = place - half
    episode = np.where(place < half, np.minimum(place, first - 1), first + behind)
    counts = np.where(place < half, place < first, first + behind < num_episodes)
    return _Places(np.minimum(episode, num_episodes - 1), counts, np.flatnonzero(counts))


def _begin(
    match: Match, places: _Places, learner: PyTree, opponent: PyTree, key: PRNGKey
) -> _Playing:
    keys = places.keys(key, 0)
    state, timesteps = reset_all(match.environment, keys.environment)
    policies = (match.learner, match.opponent)
    memories = begin_both(match.sides, policies, (learner, opponent), timesteps, keys)
    home, away = match.sides.split(timesteps)
    over = ~jnp.asarray(places.counts)
    returns = tuple(jnp.zeros(over.shape) for t in (home, away) if t is not None)
    length = jnp.zeros(over.shape, jnp.int32)
    return _Playing(state, timesteps, memories, over, returns, length, jnp.int32(0))


def _step(
    match: Match,
    places: _Places,
    learner: PyTree,
    opponent: PyTree,
    key: PRNGKey,
    now: _Playing,
) -> _Playing:
    keys = places.keys(key, now.time + 1)
    actions, memories, _ = act_both(
        match.sides,
        (match.learner, match.opponent),
        (learner, opponent),
        now.timesteps,
        now.memories,
        keys,
        (jnp.full((), match.explore), jnp.zeros(())),
    )
    state, timesteps = step_all(match.environment, keys.environment, now.state, actions)

    rewards = [jnp.sum(t.reward, axis=1) for t in match.sides.split(timesteps) if t is not None]
    paid = [jnp.where(now.over, 0.0, reward) for reward in rewards]
    return _Playing(
        state,
        # An episode that is over stays as it ended.
        select(now.over, now.timesteps, timesteps),
        memories,
        now.over | jax.vmap(episode_over)(timesteps),
        tuple(total + reward for total, reward in zip(now.returns, paid, strict=True)),
        now.length + ~now.over,
        now.time + 1,
    )


def episode_groups(match: Match, num_episodes: int) -> list[int]:
    """How many episodes to play at once, group after group."""
    agents = num_bodies(match.environment)
    at_once = max(2, AGENTS_AT_ONCE // agents // 2 * 2)
    full, rest = divmod(num_episodes, at_once)
    return [at_once] * full + [rest] * (rest > 0)


def num_bodies(environment: Environment) -> int:
    """Agents, or bodies in the world where one agent acts for many."""
    state, _ = jax.eval_shape(environment.reset, jax.random.key(0))
    bodies = jax.eval_shape(environment.scene, state).alive.shape[0]
    return max(bodies, sum(team.num_agents for team in environment.teams))


def evaluator(
    match: Match, num_episodes: int, options: Options, layout: Layout = ONE_DEVICE
) -> Callable[[PyTree, PyTree, PRNGKey], Episodes]:
    """Evaluation of every seed's policy, in groups of episodes that fit into memory.

    The opponent's parameters and the keys lead with the seeds too.
    """
    groups = episode_groups(match, num_episodes)

    def compiled(size: int) -> Callable[..., Episodes]:
        players = play(match, size)
        return layout.jit(
            for_each(lambda inputs: players(*inputs)),
            (layout.seedwise,),
            layout.seedwise,
            compiler_options=options,
        )

    programs = {size: compiled(size) for size in set(groups)}

    def evaluate(policy: PyTree, opponent: PyTree, keys: PRNGKey) -> Episodes:
        played = []
        for number, size in enumerate(groups):
            group_keys = jax.vmap(lambda key, n=number: jax.random.fold_in(key, n))(keys)
            with layout.entered():
                played.append(programs[size]((policy, opponent, group_keys)))
        return jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), *played)

    return evaluate


def play_all(
    match: Match, num_episodes: int, learner: PyTree, opponent: PyTree, key: PRNGKey
) -> Episodes:
    """`play`, compiled, in groups that fit into memory; the figures come back as NumPy arrays."""
    evaluate = evaluator(match, num_episodes, compiler_options((learner, opponent)))
    return play_one(evaluate, learner, opponent, key)


def play_one(
    evaluate: Callable[[PyTree, PyTree, PRNGKey], Episodes],
    learner: PyTree,
    opponent: PyTree,
    key: PRNGKey,
) -> Episodes:
    """One seed's episodes by what `evaluator` returned, as NumPy arrays."""
    stacked = jax.tree.map(lambda x: x[None], (learner, opponent, key))
    return jax.tree.map(lambda x: np.asarray(x[0]), evaluate(*stacked))


def summarize(episodes: Episodes) -> dict[str, dict[str, Any]]:
    """Means over episodes for each player: return with its spread and interval, and measures."""
    summary = {}
    for player, returns in episodes.returns.items():
        spread = summarize_episodes(np.asarray(returns))
        means = {name: float(np.mean(x)) for name, x in episodes.measures[player].items()}
        summary[player] = {
            "return_mean": spread.mean,
            "return_std": spread.std,
            "return_ci95": spread.ci95,
            "episodes": spread.episodes,
            **means,
        }
    return summary


def by_seed(episodes: Episodes) -> list[dict[str, dict[str, Any]]]:
    """Summaries of episodes `[S, M]`, one for each seed."""
    host = hosts.fetched(episodes)
    num_seeds = host.length.shape[0]
    return [summarize(jax.tree.map(lambda x, s=s: x[s], host)) for s in range(num_seeds)]
