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

from swarmfield.mean_field.counting import count
from swarmfield.mean_field.field import MeanField, Tracker, action_size, read_vectors
from swarmfield.mean_field.team import last_vectors, sum_actions
from swarmfield.networks import FieldReader, Linear, linear
from swarmfield.types import PRNGKey, TeamSpec, Timestep

Weights = Literal["softmax_cos", "cosine_raw", "learned"]


class Levels(NamedTuple):
    """How the two levels are made.

    Attributes:
        weights: How groups weigh each other.
        temperature: Of `softmax_cos`, > 0.
        merged: One vector sum_n w_mn g_n with n = m included, as in the authors' code.
        include_self: Whether an agent's own action counts in its group's mean, of two levels.
    """

    weights: Weights = "softmax_cos"
    temperature: float = 0.5
    merged: bool = False
    include_self: bool = True


class Grouping(NamedTuple):
    """What a tracker records of a step.

    Attributes:
        label: Group of each agent.
        between: What there is between groups, as `between` gives it, where anything is made of
            it.
    """

    label: UInt8[Array, " N"]
    between: Float[Array, "K L"] | None


class GroupField(NamedTuple):
    """The field of one step.

    Attributes:
        label: Group of each agent.
        mean_action: g_n of each group.
        size: Living agents of each group.
        inter: What each group sees of the others, where nothing about it is learned.
        centre: Mean representation of each group, where something is.
        own: u_j, where it does not count in its own group's mean.
    """

    label: Int[Array, " N"]
    mean_action: Float[Array, "K A"]
    size: Float[Array, " K"]
    inter: Float[Array, "K A"] | None
    centre: Float[Array, "K Z"] | None
    own: Float[Array, "N A"] | None


def group_actions(
    label: Int[Array, " N"], timestep: Timestep, num_groups: int, num_actions: int
) -> tuple[Float[Array, "K A"], Float[Array, " K"]]:
    """The mean last action of each group's living, zeros where there are none; and their number.

    Agents that have not acted yet count as living.
    """
    size = count(label, timestep.alive, num_groups).astype(jnp.float32)
    total = sum_actions(timestep, num_actions, label, num_groups)
    return total / jnp.maximum(size, 1.0)[:, None], size


def between(
    levels: Levels, centre: Float[Array, "K Z"], occupied: Bool[Array, " K"]
) -> Float[Array, "K L"]:
    """What is recorded of a step's groups: their weights `[K, K]`, known when they are formed.

    Weights that are learned are not; then it is what they are made of, `centre`.

    Args:
        levels: How the two levels are made.
        centre: Mean representation of each group.
        occupied: Groups that somebody lives in.
    """
    if levels.weights == "learned":
        return centre
    if levels.weights == "softmax_cos":
        return softmax_cos(centre, occupied, levels.temperature)
    return cosine_raw(centre, occupied, with_own=levels.merged)


def softmax_cos(
    centre: Float[Array, "K Z"], occupied: Bool[Array, " K"], temperature: float
) -> Float[Array, "K K"]:
    """w_mn proportional to exp(cos(z_m, z_n) / T) over occupied n != m; a row without any is 0."""
    return masked_softmax(_cosines(centre) / temperature, _others(occupied))


def masked_softmax(
    score: Float[Array, "*B K"], allowed: Bool[Array, "*B K"]
) -> Float[Array, "*B K"]:
    """Softmax over what is allowed; zeros where nothing is."""
    score = jnp.where(allowed, score, -1e30)
    highest = jax.lax.stop_gradient(jnp.max(score, axis=-1, keepdims=True))
    weight = jnp.where(allowed, jnp.exp(score - highest), 0.0)
    total = jnp.sum(weight, axis=-1, keepdims=True)
    # Not by a maximum, whose derivative is halved where the sum is just 1, as of a single one.
    return weight / jnp.where(total > 0, total, 1.0)


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
    return _product(unit, unit.T)


def _product(x: Float[Array, "I J"], y: Float[Array, "J L"]) -> Float[Array, "I L"]:
    """X y, of matrices that are much too small to call a library for each of a batch."""
    return jnp.sum(x[:, :, None] * y[None], axis=1)


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
        self.query, self.key = linear(size, 32, key_query), linear(size, 32, key_key)
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
        weight = masked_softmax(score, others)
        return self.vectors((intra, jnp.sum(weight[..., None] * mean_action, axis=-2)))


def bilevel(
    team: TeamSpec, tracker: Tracker | None, num_groups: int, size: int, levels: Levels
) -> MeanField:
    """The field of both levels, or of both merged into one vector.

    Args:
        team: The team.
        tracker: Records a `Grouping` with these levels; None where somebody else does.
        num_groups: K.
        size: Length Z of a representation.
        levels: How they are made.
    """
    actions, learned = action_size(team), levels.weights == "learned"

    def compute(timestep: Timestep, grouping: Grouping) -> GroupField:
        assert grouping.between is not None
        label, inter, centre = grouping.label.astype(jnp.int32), None, None
        mean_action, size = group_actions(label, timestep, num_groups, actions)
        if learned:
            centre = grouping.between
        else:
            inter = _product(grouping.between, mean_action)
        own = None if levels.include_self else last_vectors(timestep, actions)
        return GroupField(label, mean_action, size, inter, centre, own)

    def at(field: GroupField, index: Int[Array, ""]) -> Any:
        group = field.label[index]
        if field.centre is not None:
            others = (field.size > 0) & (jnp.arange(num_groups) != group)
            own_centre = field.centre[group]
            return _intra(field, index), field.mean_action, own_centre, field.centre, others
        assert field.inter is not None
        inter = field.inter[group]
        return (inter,) if levels.merged else (_intra(field, index), inter)

    def groups(_timestep: Timestep, grouping: Grouping) -> UInt8[Array, " N"]:
        return grouping.label

    reader: Callable[[PRNGKey], Any] = read_vectors(*[actions] * (1 if levels.merged else 2))
    if learned:
        reader = partial(AttentionReader, size, actions)
    return MeanField(compute, at, reader, tracker, groups=groups)


def _intra(field: GroupField, index: Int[Array, ""]) -> Float[Array, " A"]:
    """An agent's own group's mean action, with or without its own."""
    group = field.label[index]
    mean, size = field.mean_action[group], field.size[group]
    if field.own is None:
        return mean
    return (size * mean - field.own[index]) / jnp.maximum(size - 1, 1)
