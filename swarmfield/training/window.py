"""What is counted between two reports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from swarmfield.types import Timestep


class Window(eqx.Module):
    """What has been counted since the last report, and the episodes still running.

    Index 0 of `P` players is the learner, 1 the opponent.
    """

    running: Float[Array, "P E"]
    returns: Float[Array, " P"]
    rewards: Float[Array, " P"]
    episodes: Int[Array, ""]
    agent_steps: Int[Array, " P"]
    updates: Int[Array, ""]
    metrics: dict[str, Float[Array, ""]]
    failed_at: Int[Array, ""]


class Tally(eqx.Module):
    """What has been counted of another learner's updates since the last report."""

    updates: Int[Array, ""]
    metrics: dict[str, Float[Array, ""]]
    failed_at: Int[Array, ""]


Counted = TypeVar("Counted", Window, Tally)


def empty_tally(metrics: Iterable[str]) -> Tally:
    """No updates yet.

    Args:
        metrics: Names of what an update measures.
    """
    return Tally(jnp.int32(0), {name: jnp.zeros(()) for name in metrics}, jnp.int32(-1))


def empty_window(num_players: int, num_envs: int, metrics: Iterable[str]) -> Window:
    """Nothing counted yet.

    Args:
        num_players: P, 1 or 2.
        num_envs: E.
        metrics: Names of what an update measures.
    """
    zero = jnp.int32(0)
    return Window(
        running=jnp.zeros((num_players, num_envs)),
        returns=jnp.zeros(num_players),
        rewards=jnp.zeros(num_players),
        episodes=zero,
        agent_steps=jnp.zeros(num_players, jnp.int32),
        updates=zero,
        metrics={name: jnp.zeros(()) for name in metrics},
        failed_at=jnp.int32(-1),
    )


def next_window(window: Window) -> Window:
    """Nothing counted yet; episodes go on, and what has failed has failed."""
    empty = jax.tree.map(jnp.zeros_like, window)
    kept = (window.running, window.failed_at)
    return eqx.tree_at(lambda w: (w.running, w.failed_at), empty, kept)


def next_tally(tally: Tally) -> Tally:
    """No updates yet; what has failed has failed."""
    empty = jax.tree.map(jnp.zeros_like, tally)
    return eqx.tree_at(lambda t: t.failed_at, empty, tally.failed_at)


Pair = tuple[Timestep, Timestep | None]
"""The learner's timestep and the opponent's, if there is one."""


def count(window: Window, before: Pair, after: Pair, over: Bool[Array, " E"]) -> Window:
    """Add one step of all environments.

    Args:
        window: What was counted before.
        before: Timesteps that were acted on.
        after: Timesteps that came of it.
        over: Environments whose episode ended there.
    """
    players = [(old, new) for old, new in zip(before, after, strict=True) if old and new]
    rewards = jnp.stack([jnp.sum(new.reward, axis=1) for _, new in players])
    learned = [jnp.sum(jnp.where(old.trained, new.reward, 0.0)) for old, new in players]
    running = jnp.where(before[0].first, 0.0, window.running) + rewards
    # A step that resets is counted as a step, but nobody acted in it.
    acted = [
        jnp.sum(old.alive & old.trained & ~new.first[:, None], dtype=jnp.int32)
        for old, new in players
    ]
    return eqx.tree_at(
        lambda w: (w.running, w.returns, w.rewards, w.episodes, w.agent_steps),
        window,
        (
            running,
            window.returns + jnp.sum(jnp.where(over, running, 0.0), axis=1),
            window.rewards + jnp.stack(learned),
            window.episodes + jnp.sum(over, dtype=jnp.int32),
            window.agent_steps + jnp.stack(acted),
        ),
    )


def measure(counted: Counted, metrics: dict[str, Array], time: Int[Array, ""]) -> Counted:
    """Add one update's metrics, made after the step at `time`."""
    finite = jnp.stack([jnp.isfinite(value) for value in metrics.values()]).all()
    failed_at = jnp.where((counted.failed_at < 0) & ~finite, time, counted.failed_at)
    total = jax.tree.map(jnp.add, counted.metrics, metrics)
    return eqx.tree_at(
        lambda c: (c.metrics, c.updates, c.failed_at),
        counted,
        (total, counted.updates + 1, failed_at),
    )


def figures_of_updates(counted: Window | Tally, learner: PyTree) -> dict[str, Any]:
    """Of a learner's updates: how many, their mean metrics, and whether a number went wrong."""
    return {
        "updates": counted.updates,
        "metrics": jax.tree.map(lambda x: x / jnp.maximum(counted.updates, 1), counted.metrics),
        "failed_at": counted.failed_at,
        "finite": all_finite(learner),
    }


def all_finite(learner: PyTree) -> Bool[Array, ""]:
    """A last update may spoil parameters without any loss to show it."""
    leaves = [x.ravel() for x in jax.tree.leaves(learner) if jnp.issubdtype(x.dtype, jnp.floating)]
    return jnp.all(jnp.isfinite(jnp.concatenate(leaves)))
