"""Two levels: the mean action of an agent's own group, and what the other groups do.

    intra_i = mean of u_j over the living of i's group m
    inter_i = sum_{n != m} w_mn g_n,   g_n the mean of u_j over group n

Source: Zheng et al. 2025, Eq. 6.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt8

from swarmfield.mean_field.field import MeanField, Tracker, action_size, read_vectors
from swarmfield.mean_field.team import sum_actions
from swarmfield.networks import FieldReader, Linear
from swarmfield.types import PRNGKey, TeamSpec, Timestep

Weights = Literal["softmax_cos", "cosine_raw", "learned"]


class Grouping(NamedTuple):
    """What a tracker records of a step.

    Attributes:
        label: Group of each agent.
        centre: Mean representation of each group's living agents.
    """

    label: UInt8[Array, " N"]
    centre: Float[Array, "K Z"]


class GroupField(NamedTuple):
    """The field of one step."""

    label: Int[Array, " N"]
    mean_action: Float[Array, "K A"]
    inter: Float[Array, "K A"]
    centre: Float[Array, "K Z"]
    occupied: Bool[Array, " K"]


def group_actions(
    label: Int[Array, " N"], timestep: Timestep, num_groups: int, num_actions: int
) -> tuple[Float[Array, "K A"], Float[Array, " K"]]:
    """The mean last action of each group's living, zeros where there are none; and their number.

    Agents that have not acted yet count as living.
    """
    alive = timestep.alive.astype(jnp.int32)
    size = jnp.zeros(num_groups, jnp.int32).at[label].add(alive, mode="drop").astype(jnp.float32)
    total = sum_actions(timestep, num_actions, label, num_groups)
    return total / jnp.maximum(size, 1.0)[:, None], size


def softmax_cos(
    centre: Float[Array, "K Z"], occupied: Bool[Array, " K"], temperature: float
) -> Float[Array, "K K"]:
    """w_mn proportional to exp(cos(z_m, z_n) / T) over occupied n != m; a row without any is 0."""
    return _normalised(jnp.exp(_cosines(centre) / temperature), _others(occupied))


def cosine_raw(
    centre: Float[Array, "K Z"], occupied: Bool[Array, " K"], *, with_own: bool
) -> Float[Array, "K K"]:
    """w_mn = cos(z_m, z_n), rows divided by their sum; negative ones count as next to nothing.

    Args:
        centre: Representation of each group.
        occupied: Groups that somebody lives in.
        with_own: Count n = m too (with weight 1), as the authors' code does.
    """
    allowed = occupied[None] & jnp.ones((centre.shape[0], 1), bool)
    return _normalised(
        jnp.maximum(_cosines(centre), 1e-6), allowed if with_own else _others(occupied)
    )


def _cosines(centre: Float[Array, "K Z"]) -> Float[Array, "K K"]:
    length = jnp.sqrt(jnp.sum(centre**2, axis=1, keepdims=True))
    unit = centre / jnp.maximum(length, 1e-6)
    return unit @ unit.T


def _others(occupied: Bool[Array, " K"]) -> Bool[Array, "K K"]:
    return occupied[None] & ~jnp.eye(occupied.shape[0], dtype=bool)


def _normalised(weight: Float[Array, "K K"], allowed: Bool[Array, "K K"]) -> Float[Array, "K K"]:
    weight = jnp.where(allowed, weight, 0.0)
    return weight / jnp.maximum(jnp.sum(weight, axis=1, keepdims=True), 1e-9)


class AttentionReader(eqx.Module):
    """Reads a part whose weights between groups are learned: w_mn = softmax(q_m . k_n / sqrt(d)).

    They are learned through the value that is read from the field.
    """

    query: Linear
    key: Linear
    vectors: FieldReader

    def __init__(self, size: int, num_actions: int, key: PRNGKey) -> None:
        key_query, key_key, key_vectors = jax.random.split(key, 3)
        self.query, self.key = Linear(size, 32, key_query), Linear(size, 32, key_key)
        self.vectors = FieldReader((num_actions, num_actions), key_vectors)

    @property
    def size(self) -> int:
        """Numbers it returns."""
        return self.vectors.size

    def __call__(self, part: Any) -> Float[Array, "*B G"]:
        """Attend to the other groups, then read both levels."""
        intra, mean_action, own, centre, others = part
        query, key = self.query(own), self.key(centre)
        score = jnp.sum(query[..., None, :] * key, axis=-1) / math.sqrt(query.shape[-1])
        score = jnp.where(others, score, -jnp.inf)
        # Without another group there is nothing to attend to.
        some = jnp.any(others, axis=-1, keepdims=True)
        weight = jnp.where(some, jax.nn.softmax(jnp.where(some, score, 0.0)), 0.0)
        return self.vectors((intra, jnp.sum(weight[..., None] * mean_action, axis=-2)))


def bilevel(
    team: TeamSpec,
    tracker: Tracker | None,
    num_groups: int,
    size: int,
    weights: Weights,
    temperature: float,
    *,
    merged: bool,
) -> MeanField:
    """The field of both levels, or of both merged into one vector.

    Args:
        team: The team.
        tracker: Records a `Grouping`; None where somebody else does.
        num_groups: K.
        size: Length Z of a representation.
        weights: How groups weigh each other.
        temperature: Of `softmax_cos`, > 0.
        merged: One vector sum_n w_mn g_n with n = m included, as in the authors' code.
    """
    actions = action_size(team)

    def compute(timestep: Timestep, grouping: Grouping) -> GroupField:
        label = grouping.label.astype(jnp.int32)
        mean_action, living = group_actions(label, timestep, num_groups, actions)
        occupied = living > 0
        if weights == "softmax_cos":
            weight = softmax_cos(grouping.centre, occupied, temperature)
        else:
            weight = cosine_raw(grouping.centre, occupied, with_own=merged)
        return GroupField(label, mean_action, weight @ mean_action, grouping.centre, occupied)

    def at(field: GroupField, index: Int[Array, ""]) -> Any:
        group = field.label[index]
        if merged:
            return (field.inter[group],)
        if weights != "learned":
            return field.mean_action[group], field.inter[group]
        others = field.occupied & (jnp.arange(num_groups) != group)
        intra, own = field.mean_action[group], field.centre[group]
        return intra, field.mean_action, own, field.centre, others

    def groups(_timestep: Timestep, grouping: Grouping) -> UInt8[Array, " N"]:
        return grouping.label

    reader: Callable[[PRNGKey], Any] = read_vectors(*[actions] * (1 if merged else 2))
    if weights == "learned":
        reader = partial(AttentionReader, size, actions)
    return MeanField(compute, at, reader, tracker, groups=groups)
