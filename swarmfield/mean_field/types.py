"""One mean action a type: the types an environment has, or those found among the agents.

    a_bar_k = mean of u_j over the living of type k,  k = 1 ... K; every agent sees all K

Source: Subramanian et al. 2020. Departures from their code: types are found from whole recent
actions (there a loop that stops early leaves only the last one), and keep their number: from
step to step, since k-means starts where it ended, and from episode to episode, since at first
they are numbered in the order of their centres. Without it no reader of K slots can learn what
a slot means.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Integer

from swarmfield.mean_field.field import MeanField, Tracker, num_actions, read_vectors
from swarmfield.mean_field.groups import Grouping, group_actions
from swarmfield.mean_field.tracking import (
    GroupingConfig,
    Memory,
    first_memory,
    measure_groups,
    track_groups,
)
from swarmfield.networks import Glimpse
from swarmfield.types import PRNGKey, TeamSpec, Timestep

WINDOW = 5
"""Last actions that types are found from."""


def type_means(team: TeamSpec, num_types: int, tracker: Tracker | None) -> MeanField:
    """The mean last action of each type.

    Args:
        team: The team; its actions must be discrete.
        num_types: K.
        tracker: Finds the types; without one they are the agents' `kind`.
    """
    actions = num_actions(team)

    def types(timestep: Timestep, grouping: Grouping | None) -> Integer[Array, " N"]:
        return timestep.kind if grouping is None else grouping.label

    def compute(timestep: Timestep, grouping: Grouping | None) -> Float[Array, "K A"]:
        label = types(timestep, grouping).astype(jnp.int32)
        return group_actions(label, timestep, num_types, actions)[0]

    def at(field: Float[Array, "K A"], _index: Int[Array, ""]) -> tuple[Float[Array, " A"], ...]:
        return tuple(field[k] for k in range(num_types))

    reader = read_vectors(*[actions] * num_types)
    return MeanField(compute, at, reader, tracker, groups=types)


class Recent(eqx.Module):
    """The groups so far, and what everybody did last, newest first."""

    groups: Memory
    actions: Integer[Array, "N 5"]


def types_by_actions(grouping: GroupingConfig, team: TeamSpec) -> Tracker:
    """Types of agents whose last five actions are alike.

    Args:
        grouping: How types are formed.
        team: The team; its actions must be discrete.
    """
    actions = num_actions(team)

    def begin(timestep: Timestep) -> Recent:
        none = jnp.full((timestep.alive.shape[0], WINDOW), actions, timestep.last_action.dtype)
        return Recent(first_memory(grouping, WINDOW * actions, timestep), none)

    def represent(_parameters: None, glimpse: Glimpse, _keys: PRNGKey) -> Float[Array, "B 0"]:
        return jnp.zeros((glimpse.last_action.shape[0], 0))

    def track(
        _parameters: None, timestep: Timestep, _z: Array, memory: Recent, key: PRNGKey
    ) -> tuple[Recent, Any]:
        recent = jnp.concatenate([timestep.last_action[:, None], memory.actions[:, :-1]], axis=1)
        z = jax.nn.one_hot(recent, actions).reshape(recent.shape[0], -1)
        groups, record = track_groups(grouping, timestep, z, memory.groups, key)
        return Recent(groups, recent), record

    measure = partial(measure_groups, grouping, team.num_kinds)
    return Tracker(lambda _key: None, begin, represent, track, None, measure)
