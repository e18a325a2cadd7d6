"""Agents that act alone while who is alike, and what everybody has been doing, is followed."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Float, Int

from swarmfield.algorithms._perception import TRACKING, Recorded, embed, player_of
from swarmfield.algorithms._q_learning import draw, values
from swarmfield.algorithms._q_loss import Parts
from swarmfield.mean_field.consistency import (
    Acquaintance,
    ConsistencyConfig,
    acquaint,
    meet_again,
    strangers,
)
from swarmfield.types import PRNGKey, Timestep


class Meeting(NamedTuple):
    """How agents act, and are grouped as they do. All static.

    Attributes:
        parts: What they act with.
        grouping: How they are grouped.
        temperature: Of the policy softmax(Q_LOC / T) that is remembered.
    """

    parts: Parts
    grouping: ConsistencyConfig
    temperature: float


def begin_meeting(
    meeting: Meeting,
    _learner: Any,
    timestep: Timestep,
    memory: Acquaintance | None,
    _key: PRNGKey,
) -> Acquaintance:
    """What is remembered where an episode begins; from the one before, where there was one."""
    if memory is None:
        return strangers(timestep.alive.shape[0], meeting.parts.num_actions)
    return meet_again(memory)


def act_and_meet(
    meeting: Meeting,
    learner: Any,
    timestep: Timestep,
    memory: Acquaintance,
    key: PRNGKey,
    explore: Float[Array, " N"],
) -> tuple[Int[Array, " N"], Acquaintance, Recorded]:
    """As all Q-learning does; what would be done greedily and otherwise is remembered."""
    player, parts = player_of(learner), meeting.parts
    x = embed(parts.senses, player.network.trunk, timestep)
    q = values(parts, player, x, timestep, Recorded(None))
    actions = draw(parts.config, q, timestep, key, explore)
    policy = jax.nn.softmax(q / meeting.temperature, axis=-1)
    key = jax.random.fold_in(key, TRACKING)
    memory, met = acquaint(meeting.grouping, timestep, x, policy, memory, key)
    return actions, memory, Recorded(met)
