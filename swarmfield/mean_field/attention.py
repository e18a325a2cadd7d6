"""Attention over a graph: whom an agent heeds among its neighbours.

    att_ij = (q_i . k_j)^2 / (sum_j' (q_i . k_j')^2 + 0.001),   q = e W_q, k = e W_k
    e_bar_i = sum_j att_ij e_j,   a_bar_i = sum_j att_ij u_j

over the living neighbours j of i, with e the agents' embeddings and u their last actions.

Source: Hao et al. 2023 and its code, which attends to states; here views are embedded first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from swarmfield.mean_field.field import action_size, action_vectors
from swarmfield.mean_field.neighbours import LARGEST_DENSE, require_placed, squared_distances
from swarmfield.types import PRNGKey, SwarmfieldError, TeamSpec, Timestep

Graph = Literal["environment", "nearest", "full"]
_WIDTH = 32
_SMALLEST_SUM = 0.001


class Neighbours(NamedTuple):
    """The graph at one step: K neighbours of each agent, and which of them there are.

    Attributes:
        agent: Their rows; None where all N agents stand in order, which costs N x N numbers
            but no gathering.
        exists: Which of them may be heeded.
    """

    agent: Int[Array, "N K"] | None
    exists: Bool[Array, "N K"]


class GraphAttention(eqx.Module):
    """Weights between neighbours; W uniform in +-1 / sqrt(inputs), without bias."""

    query: Float[Array, "X D"]
    key: Float[Array, "X D"]

    def __init__(self, size: int, key: PRNGKey) -> None:
        bound = 1.0 / math.sqrt(size)
        shape = (2, size, _WIDTH)
        self.query, self.key = jax.random.uniform(key, shape, minval=-bound, maxval=bound)

    def __call__(self, x: Float[Array, "N X"], neighbours: Neighbours) -> Float[Array, "N K"]:
        """How much each agent heeds each of its neighbours; a row adds up to at most 1."""
        query, key = x @ self.query, x @ self.key
        if neighbours.agent is None:
            product = query @ key.T
        else:
            product = jnp.sum(query[:, None] * key[neighbours.agent], axis=-1)
        score = jnp.where(neighbours.exists, product**2, 0.0)
        return score / (jnp.sum(score, axis=1, keepdims=True) + _SMALLEST_SUM)


def graph_of(team: TeamSpec, kind: Graph, num_neighbours: int) -> Callable[[Timestep], Neighbours]:
    """A function of a timestep that gives everybody's living neighbours.

    Args:
        team: The team.
        kind: The environment's own graph, the nearest by position, or everybody.
        num_neighbours: K of the nearest.

    Raises:
        SwarmfieldError: The environment has no graph; or all pairs would be looked at and there
            are too many; or nobody says where agents are.
    """
    n = team.num_agents
    if kind == "environment":
        return _own_graph(team)
    if n > LARGEST_DENSE:
        raise SwarmfieldError(
            f"--algo.graph {kind} looks at all pairs of agents, and team {team.name!r} has {n}; "
            f"at most {LARGEST_DENSE} are allowed: choose bmf_ac or mfac, whose cost is linear."
        )
    if kind == "full":
        others = ~np.eye(n, dtype=bool)
        return lambda timestep: Neighbours(None, timestep.alive[None] & others)
    require_placed(team, "--algo.graph nearest", "choose full, or environment if it has a graph")
    k = min(num_neighbours, max(n - 1, 1))

    def nearest(timestep: Timestep) -> Neighbours:
        def of(index: Int[Array, ""]) -> tuple[Float[Array, " K"], Int[Array, " K"]]:
            negative, nearest = jax.lax.top_k(-squared_distances(timestep, index), k)
            return negative, nearest

        near, index = jax.lax.map(of, jnp.arange(n), batch_size=256)
        return Neighbours(index, jnp.isfinite(near))

    return nearest


def _own_graph(team: TeamSpec) -> Callable[[Timestep], Neighbours]:
    if team.graph is None:
        raise SwarmfieldError(
            f"--algo.graph is environment, but team {team.name!r} has no graph of its own; "
            "choose nearest or full."
        )
    graph = jnp.asarray(team.graph)
    index = jnp.maximum(graph, 0)
    return lambda timestep: Neighbours(index, (graph >= 0) & timestep.alive[index])


def heeded(
    weight: Float[Array, "N K"], neighbours: Neighbours, values: Float[Array, "N F"]
) -> Float[Array, "N F"]:
    """The weighted mean of something of the neighbours'."""
    if neighbours.agent is None:
        return weight @ values
    return jnp.einsum("nk,nkf->nf", weight, values[neighbours.agent])


def last_actions(team: TeamSpec, timestep: Timestep) -> Float[Array, "N A"]:
    """u_j; zero where there was no action."""
    return action_vectors(timestep.last_action, action_size(team))
