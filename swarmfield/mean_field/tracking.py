"""Dynamic groups: agents that are alike, found again every so many steps.

Source: Zheng et al. 2025, Algorithm 1. Representations and what is made of them are renewed at
every step, the assignment every `interval` steps and at the first; between, everybody keeps
their group. k-means starts from the centres it found before, and a group keeps its number; at
the first step groups are numbered in the order of their centres.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt8

from swarmfield.batching import flat_batched, renewed
from swarmfield.mean_field import representation
from swarmfield.mean_field.clustering import (
    Clusters,
    adjusted_rand_index,
    as_before,
    best_of,
    group_means,
    in_order,
    numbered,
    spread_out,
)
from swarmfield.mean_field.counting import count
from swarmfield.mean_field.field import Tracker
from swarmfield.mean_field.groups import Grouping, Levels, between
from swarmfield.mean_field.representation import RepresentationConfig
from swarmfield.mean_field.representation_learning import learning
from swarmfield.types import PRNGKey, TeamSpec, Timestep

How = Literal["kmeans", "random"]
ITERATIONS, RESTARTS = 10, 4
MOST_GROUPS = 255


class GroupingConfig(NamedTuple):
    """How groups are formed.

    Attributes:
        how: By k-means over representations, or at random, which shows what grouping is worth.
        num_groups: K.
        interval: Steps between one assignment and the next.
        levels: What is made between groups, which is recorded; None where nothing is.
    """

    how: How = "kmeans"
    num_groups: int = 4
    interval: int = 50
    levels: Levels | None = None


class Memory(eqx.Module):
    """The groups so far.

    Attributes:
        centre: Where k-means ended.
        label: Group of each agent.
        age: Steps since the episode began.
    """

    centre: Float[Array, "K Z"]
    label: UInt8[Array, " N"]
    age: Int[Array, ""]


def dynamic_groups(
    grouping: GroupingConfig,
    represented: RepresentationConfig,
    team: TeamSpec,
    num_actions: int,
    embedding_size: int,
) -> tuple[Tracker, int]:
    """A tracker of groups of agents with similar representations, and how long those are.

    Args:
        grouping: How groups are formed.
        represented: How agents are represented.
        team: The team.
        num_actions: A.
        embedding_size: X, of the network's trunk.
    """
    size = represented.size
    if represented.kind == "raw":
        size = representation.input_size(represented, team, num_actions, embedding_size)

    def track(
        _parameters: Any,
        timestep: Timestep,
        z: Float[Array, "N Z"],
        memory: Memory,
        key: PRNGKey,
    ) -> tuple[Memory, Grouping]:
        return track_groups(grouping, timestep, z, memory, key)

    tracker = Tracker(
        init=lambda key: representation.init(represented, team, num_actions, embedding_size, key),
        begin=partial(first_memory, grouping, size),
        represent=partial(representation.represent, represented, num_actions),
        track=track,
        learning=learning(represented, num_actions),
        measure=partial(measure_groups, grouping, team.num_kinds),
    )
    return tracker, size


def first_memory(config: GroupingConfig, size: int, timestep: Timestep) -> Memory:
    """No groups yet, of representations of `size` numbers."""
    centre = jnp.zeros((config.num_groups, size))
    return Memory(centre, jnp.zeros(timestep.alive.shape, jnp.uint8), jnp.int32(0))


def track_groups(
    config: GroupingConfig,
    timestep: Timestep,
    z: Float[Array, "N Z"],
    memory: Memory,
    key: PRNGKey,
) -> tuple[Memory, Grouping]:
    """Groups of one more step: formed anew where that is due, else kept."""
    alive = timestep.alive
    label, centre = flat_batched(partial(_assign_where_due, config))(alive, z, memory, key)
    small, recorded = label.astype(jnp.uint8), None
    if config.levels is not None:
        mean, size = group_means(z, label, alive, config.num_groups)
        recorded = between(config.levels, mean, size > 0)
    return Memory(centre, small, memory.age + 1), Grouping(small, recorded)


def _assign_where_due(
    config: GroupingConfig,
    alive: Bool[Array, "E N"],
    z: Float[Array, "E N Z"],
    memory: Memory,
    keys: PRNGKey,
) -> Clusters:
    """Groups of all environments; nothing is computed where none of them is due.

    They are found from where they were; anew where an episode begins or a group is empty.
    """
    kept = Clusters(memory.label.astype(jnp.int32), memory.centre)
    due = memory.age % config.interval == 0

    def assign() -> Clusters:
        return jax.vmap(partial(_assign, config))(alive, z, kept, memory.age, keys)

    return renewed(due, assign, kept)


def _assign(
    config: GroupingConfig,
    alive: Bool[Array, " N"],
    z: Float[Array, "N Z"],
    kept: Clusters,
    age: Int[Array, ""],
    key: PRNGKey,
) -> Clusters:
    if config.how == "random":
        label = jax.random.randint(key, alive.shape, 0, config.num_groups, jnp.int32)
        return Clusters(label, kept.centre)
    # A group that nobody is in would never get anybody back from where it stands.
    _, size = group_means(z, kept.label, alive, config.num_groups)
    anew = (age == 0) | jnp.any(size == 0)

    def start(number: Int[Array, ""]) -> Float[Array, "K Z"]:
        drawn = spread_out(z, alive, config.num_groups, jax.random.fold_in(key, number))
        return jnp.where(number == 0, kept.centre, drawn)

    first, last = (jnp.where(anew, number, 0) for number in (1, RESTARTS))
    found = best_of(z, alive, start, config.num_groups, first, last, ITERATIONS)
    # Where all were in one group, as before anybody has acted, its number means nothing.
    tells = (age > 0) & (jnp.sum(size > 0) > 1)
    order = in_order(found.centre)
    before = as_before(order[found.label], kept.label, alive, config.num_groups)[order]
    return numbered(found, jnp.where(tells, before, order))


def measure_groups(
    config: GroupingConfig,
    num_kinds: int,
    timestep: Timestep,
    before: Grouping,
    record: Grouping,
) -> dict[str, Float[Array, ""]]:
    """How large groups are, how many agents change theirs, and how well groups match kinds.

    Args:
        config: How groups are formed.
        num_kinds: Agent types of the team; with one there is nothing to match.
        timestep: A step.
        before: Groups on the way to it.
        record: Groups at it.
    """
    alive = timestep.alive.astype(jnp.float32)
    living = jnp.maximum(jnp.sum(alive), 1.0)
    label = record.label.astype(jnp.int32)
    size = count(label, timestep.alive, config.num_groups).astype(jnp.float32)
    changes = alive * (before.label != record.label) * ~timestep.first
    measured = {
        "groups": jnp.sum(size > 0).astype(jnp.float32),
        "largest_group": jnp.max(size) / living,
        # Groups are renewed in one step of `interval`.
        "group_stability": 1 - config.interval * jnp.sum(changes) / living,
    }
    if num_kinds == 1:
        return measured
    kind = timestep.kind.astype(jnp.int32)
    agreement = adjusted_rand_index(label, kind, timestep.alive, config.num_groups, num_kinds)
    return measured | {"kind_agreement": agreement}
