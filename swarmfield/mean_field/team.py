"""The mean action of the whole team."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from swarmfield.mean_field.counting import count
from swarmfield.mean_field.field import MeanField, action_size, action_vectors, read_vectors
from swarmfield.types import TeamSpec, Timestep


def last_vectors(timestep: Timestep, size: int) -> Float[Array, "N A"]:
    """u_j: the vector of the last action; zero for the dead and where there was no action."""
    vectors = action_vectors(timestep.last_action, size)
    return jnp.where(timestep.alive[:, None], vectors, 0.0)


def sum_actions(
    timestep: Timestep,
    size: int,
    label: Int[Array, " N"] | None = None,
    num_groups: int = 1,
) -> Float[Array, "K A"]:
    """The sum of u_j over each group's living; of discrete actions without an [N, A] array.

    Args:
        timestep: What was done; an agent that has not acted yet is not counted.
        size: A.
        label: Group of each agent; all are of one if not given.
        num_groups: K.
    """
    if jnp.issubdtype(timestep.last_action.dtype, jnp.floating):
        group = jnp.zeros(timestep.alive.shape, jnp.int32) if label is None else label
        total = jnp.zeros((num_groups, size))
        return total.at[group].add(last_vectors(timestep, size), mode="drop")
    action = timestep.last_action.astype(jnp.int32)
    cell = action if label is None else label * size + action
    counts = count(cell, timestep.alive & (action < size), num_groups * size)
    return counts.reshape(num_groups, size).astype(jnp.float32)


def team_mean(team: TeamSpec, *, include_self: bool = True) -> MeanField:
    """The mean last action of the team's living members.

    a_bar_i = sum_j m_j u_j / max(1, sum_j m_j), over all j, or over j != i.

    Args:
        team: The team.
        include_self: Whether an agent's own action counts. The reference code counts it, and
            then the field is one vector for the whole team.

    Source: Yang et al. 2018, over the team as in their reference code; delayed: the actions
    are those of the step before.
    """
    size = action_size(team)

    def with_self(timestep: Timestep, _record: Any) -> Float[Array, " A"]:
        return sum_actions(timestep, size)[0] / jnp.maximum(_number(timestep.alive), 1.0)

    def without_self(timestep: Timestep, _record: Any) -> Float[Array, "N A"]:
        own = last_vectors(timestep, size)
        others = _number(timestep.alive) - timestep.alive.astype(jnp.float32)
        return (sum_actions(timestep, size) - own) / jnp.maximum(others, 1.0)[:, None]

    reader = read_vectors(size)
    if include_self:
        return MeanField(with_self, lambda field, _: (field,), reader)
    return MeanField(without_self, lambda field, index: (field[index],), reader)


def _number(flags: Bool[Array, " N"]) -> Float[Array, ""]:
    return jnp.sum(flags).astype(jnp.float32)
