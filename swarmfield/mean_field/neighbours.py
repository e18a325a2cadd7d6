"""The mean action of an agent's neighbours: the k nearest, or all within a radius."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from swarmfield.mean_field.field import MeanField, action_size, action_vectors, read_vectors
from swarmfield.precision import matmul
from swarmfield.types import SwarmfieldError, TeamSpec, Timestep

LARGEST_DENSE = 8192
"""Team size up to which every agent may look at every other: N^2 distances a step."""


def nearest(team: TeamSpec, count: int | None = None, fraction: float = 0.1) -> MeanField:
    """The mean last action of the K nearest living team mates, self excluded.

    K is `count`, or max(1, round(fraction * N)). Distances are Euclidean; of equally near
    team mates the lower index counts first. Fewer than K living: all of them; none: zeros.

    Args:
        team: The team.
        count: K >= 1, or None to take a fraction.
        fraction: Share of the team in (0, 1].
    """
    wanted = max(1, round(fraction * team.num_agents)) if count is None else count
    k = min(wanted, max(team.num_agents - 1, 1))

    def weights(squared: Float[Array, " N"]) -> Float[Array, " N"]:
        negative, chosen = jax.lax.top_k(-squared, k)
        return jnp.zeros_like(squared).at[chosen].set(jnp.isfinite(negative).astype(squared.dtype))

    return _weighted(team, "k nearest", weights)


def radius(team: TeamSpec, distance: float) -> MeanField:
    """The mean last action of living team mates within `distance`, self excluded.

    Args:
        team: The team.
        distance: In the environment's units (cells on a grid), Euclidean, inclusive.
    """
    return _weighted(team, "radius", lambda squared: (squared <= distance**2).astype(squared.dtype))


def _weighted(
    team: TeamSpec, name: str, weights: Callable[[Float[Array, " N"]], Float[Array, " N"]]
) -> MeanField:
    """sum_j w_ij u_j / max(1, sum_j w_ij); a row is computed only for the agents asked for."""
    size = action_size(team)
    if team.num_agents > LARGEST_DENSE:
        raise SwarmfieldError(
            f"The {name} mean action looks at all pairs of agents, and team {team.name!r} has "
            f"{team.num_agents}; at most {LARGEST_DENSE} are allowed: use the team's mean "
            "(--algo.neighbourhood team)."
        )

    def at(timestep: Timestep, index: Int[Array, ""]) -> tuple[Float[Array, " A"]]:
        weight = weights(squared_distances(timestep, index))
        actions = action_vectors(timestep.last_action, size)
        return (matmul(weight, actions) / jnp.maximum(jnp.sum(weight), 1.0),)

    return MeanField(lambda timestep, _record: timestep, at, read_vectors(size))


def squared_distances(timestep: Timestep, index: Int[Array, ""]) -> Float[Array, " N"]:
    """From one agent to its team mates; infinite to itself and to the dead."""
    position = timestep.position.astype(jnp.float32)
    squared = jnp.sum((position - position[index][None]) ** 2, axis=-1)
    others = timestep.alive & (jnp.arange(position.shape[0]) != index)
    return jnp.where(others, squared, jnp.inf)
