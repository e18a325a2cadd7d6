"""Groups of agents that are alike where an episode begins, and how their members have acted.

    h_k <- decay h_k + (1 - decay) pi_k           what agent k has been doing, over episodes
    pi_bar_i = mean of h_k over group i

Groups are found by farthest-first centres and k-means, from positions and h.

Source: Yu et al. 2023, "The Dynamic Grouping Mechanism". Departures: what an agent has been doing
stands for its action, which there is none of before the first step; they call pi_bar the average
historical policy of a group, whose members change, and do not define it: here each member brings
its own.
"""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt8

from swarmfield.batching import flat_batched, renewed
from swarmfield.mean_field.clustering import (
    farthest_first,
    group_means,
    in_order,
    k_means,
    numbered,
)
from swarmfield.types import PRNGKey, Timestep

ITERATIONS = 10

Likeness = Literal["both", "position", "policy", "embedding"]


class ConsistencyConfig(NamedTuple):
    """How agents are grouped.

    Attributes:
        num_groups: K.
        by: What makes agents alike: positions, which span 1 along their longer side; h; both; or
            what the network's trunk makes of an observation.
        regroup_every: Steps of an episode after which groups are found anew; 0 for only at its
            beginning.
        decay: Of h, in [0, 1).
    """

    num_groups: int
    by: Likeness = "both"
    regroup_every: int = 0
    decay: float = 0.99


class Acquaintance(eqx.Module):
    """What is remembered from step to step, and from episode to episode.

    Attributes:
        history: h.
        label: Group of each agent.
        age: Steps since the episode began.
    """

    history: Float[Array, "N A"]
    label: UInt8[Array, " N"]
    age: Int[Array, ""]


class Membership(NamedTuple):
    """What is recorded of a step.

    Attributes:
        label: Group of each agent.
        policy: pi_bar of each group; zeros where nobody lives.
    """

    label: UInt8[Array, " N"]
    policy: Float[Array, "K A"]


def strangers(num_agents: int, num_actions: int) -> Acquaintance:
    """Nobody has done anything yet: any action is as likely."""
    history = jnp.full((num_agents, num_actions), 1.0 / num_actions)
    return Acquaintance(history, jnp.zeros(num_agents, jnp.uint8), jnp.int32(0))


def meet_again(memory: Acquaintance) -> Acquaintance:
    """An episode begins; what everybody has been doing is still known."""
    return eqx.tree_at(lambda m: m.age, memory, jnp.int32(0))


def acquaint(
    config: ConsistencyConfig,
    timestep: Timestep,
    embedding: Float[Array, "N X"],
    policy: Float[Array, "N A"],
    memory: Acquaintance,
    key: PRNGKey,
) -> tuple[Acquaintance, Membership]:
    """One more step: groups where they are due, and what is done by those who live.

    Args:
        config: How agents are grouped.
        timestep: The step.
        embedding: What the network's trunk makes of everybody's observation.
        policy: pi_k.
        memory: So far.
        key: Draws where groups begin.
    """
    alive = timestep.alive
    points = features(config.by, timestep, embedding, memory.history)
    assign = flat_batched(partial(_assign_where_due, config))
    label = assign(alive, points, memory.label, memory.age, key)
    blended = config.decay * memory.history + (1 - config.decay) * policy
    history = jnp.where(alive[:, None], blended, memory.history)
    mean, _ = group_means(history, label.astype(jnp.int32), alive, config.num_groups)
    return Acquaintance(history, label, memory.age + 1), Membership(label, mean)


def features(
    by: Likeness,
    timestep: Timestep,
    embedding: Float[Array, "N X"],
    history: Float[Array, "N A"],
) -> Float[Array, "N F"]:
    """What agents are compared by."""
    if by == "embedding":
        return embedding
    if by == "policy":
        return history
    place = _to_scale(timestep.position.astype(jnp.float32), timestep.alive)
    return place if by == "position" else jnp.concatenate([place, history], axis=1)


def _to_scale(position: Float[Array, "N D"], alive: Bool[Array, " N"]) -> Float[Array, "N D"]:
    """Positions of the living in a box whose longest side is 1."""
    counts = alive[:, None]
    low = jnp.min(jnp.where(counts, position, jnp.inf), axis=0)
    high = jnp.max(jnp.where(counts, position, -jnp.inf), axis=0)
    side = jnp.max(high - low)
    return jnp.where(counts, (position - low[None]) / jnp.where(side > 0, side, 1.0), 0.0)


def _assign_where_due(
    config: ConsistencyConfig,
    alive: Bool[Array, "E N"],
    points: Float[Array, "E N F"],
    label: UInt8[Array, "E N"],
    age: Int[Array, " E"],
    keys: PRNGKey,
) -> UInt8[Array, "E N"]:
    """Groups of all environments; nothing is computed where none of them is due."""
    due = age == 0 if config.regroup_every == 0 else age % config.regroup_every == 0

    def one(points: Array, alive: Array, key: PRNGKey) -> UInt8[Array, " N"]:
        start = farthest_first(points, alive, config.num_groups, key)
        found = k_means(points, alive, start, ITERATIONS)
        return numbered(found, in_order(found.centre)).label.astype(jnp.uint8)

    return renewed(due, lambda: jax.vmap(one)(points, alive, keys), label)
