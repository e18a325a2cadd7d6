"""What policies are worth: greedy episodes, played in groups that fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from swarmfield.batching import for_each
from swarmfield.chunks import AGENTS_AT_ONCE
from swarmfield.compiler import Options, compiler_options
from swarmfield.environments.hosted import HostedEnvironment
from swarmfield.statistics import summarize_episodes
from swarmfield.training import hosts
from swarmfield.training.hosted import episodes_of
from swarmfield.training.layout import ONE_DEVICE, Layout
from swarmfield.training.playing import Episodes, Match, play
from swarmfield.types import Environment, PRNGKey


def episode_groups(match: Match, num_episodes: int) -> list[int]:
    """How many episodes to play at once, group after group."""
    agents = num_bodies(match.environment)
    at_once = max(2, AGENTS_AT_ONCE // agents // 2 * 2)
    full, rest = divmod(num_episodes, at_once)
    return [at_once] * full + [rest] * (rest > 0)


def num_bodies(environment: Environment) -> int:
    """Agents, or bodies in the world where one agent acts for many."""
    agents = sum(team.num_agents for team in environment.teams)
    if isinstance(environment, HostedEnvironment):
        return agents
    state, _ = jax.eval_shape(environment.reset, jax.random.key(0))
    bodies = jax.eval_shape(environment.scene, state).alive.shape[0]
    return max(bodies, agents)


def evaluator(
    match: Match, num_episodes: int, options: Options, layout: Layout = ONE_DEVICE
) -> Callable[[PyTree, PyTree, PRNGKey], Episodes]:
    """Evaluation of every seed's policy, in groups of episodes that fit into memory.

    The opponent's parameters and the keys lead with the seeds too.
    """
    groups = episode_groups(match, num_episodes)

    def compiled(size: int) -> Callable[..., Episodes]:
        if isinstance(match.environment, HostedEnvironment):
            return episodes_of(match, match.environment, size, options)
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
