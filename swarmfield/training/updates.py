"""When a learner is updated and with what: samples of replay, or whole rollouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from swarmfield import replay, rollout
from swarmfield.devices import gathered, spread
from swarmfield.replay import PackedStep
from swarmfield.types import PRNGKey, Replay, Rollout


class Updates(NamedTuple):
    """How experience becomes updates. Static.

    Attributes:
        ring_steps: Steps of all environments to keep.
        times: Updates each time.
        due: `(time) -> bool`: whether to update after the step made at `time`; the same in
            every seed.
        batch: `(ring, time, key) -> batch` for one update, `time` being the newest step's.
    """

    ring_steps: int
    times: int
    due: Callable[[Int[Array, ""]], Bool[Array, ""]]
    batch: Callable[[PackedStep, Int[Array, ""], PRNGKey], Any]


def updates_of(
    experience: Replay | Rollout, num_envs: int, num_agents: int, scheduled_steps: int
) -> Updates:
    """The updates that an algorithm asks for.

    Args:
        experience: What it needs.
        num_envs: Parallel environments.
        num_agents: Agents of the learner's team.
        scheduled_steps: Steps of all environments that the run is to make.
    """
    if isinstance(experience, Replay):
        return _from_replay(experience, num_envs, num_agents)
    return _from_rollouts(experience.length, scheduled_steps)


def _from_replay(experience: Replay, num_envs: int, num_agents: int) -> Updates:
    first = -(-experience.warmup // (num_envs * num_agents))

    def due(time: Int[Array, ""]) -> Bool[Array, ""]:
        return ((time + 1) % experience.every == 0) & (time + 1 >= first)

    def batch(ring: PackedStep, time: Int[Array, ""], key: PRNGKey) -> Any:
        return spread(replay.sample(ring, time, experience, key))

    steps = replay.num_steps(experience, num_envs, num_agents)
    return Updates(steps, experience.updates, due, batch)


def _from_rollouts(length: int, scheduled_steps: int) -> Updates:
    """A rollout every `length` steps; the last one of the scheduled run may be shorter."""

    def due(time: Int[Array, ""]) -> Bool[Array, ""]:
        return ((time + 1) % length == 0) | (time + 1 == scheduled_steps)

    def batch(ring: PackedStep, time: Int[Array, ""], _key: PRNGKey) -> Any:
        last = (time - 1) // length * length
        last = jnp.where(time > scheduled_steps, jnp.maximum(last, scheduled_steps), last)
        return gathered(rollout.trajectory(ring, time, time - last))

    return Updates(length + 1, 1, due, batch)
