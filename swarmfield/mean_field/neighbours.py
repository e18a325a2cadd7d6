"""The mean action of an agent's neighbours: the k nearest, or all within a radius.

Either by looking at every pair of agents, or, on a map of cells, by counting whole discs at once.
Both give the same numbers, to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from swarmfield.mean_field.census import (
    Census,
    actions_of_nearest,
    actions_within,
    take_census,
)
from swarmfield.mean_field.discs import Cells, longest_squared
from swarmfield.mean_field.field import MeanField, action_size, action_vectors, read_vectors
from swarmfield.options import LARGEST_FLOAT
from swarmfield.precision import matmul
from swarmfield.types import Discrete, SwarmfieldError, TeamSpec, Timestep

LARGEST_DENSE = 8192
"""Team size up to which every agent may look at every other: N^2 distances a step."""

SMALLEST_COUNTED = 512
"""Team size from which discs are counted, where they can be."""

SPARSEST_COUNTED = 64
"""Cells for each agent up to which discs are counted, where pairs may be looked at instead."""

LARGEST_EXACT = 1 << 24
"""Squared distances up to this one are what they are in single precision."""

LARGEST_WHOLE = (1 << 31) - 1
"""Squared distances up to this one are whole numbers that can be counted with."""

Weights = Callable[[Float[Array, " N"]], Float[Array, " N"]]
Count = Callable[[Census, Cells, Int[Array, ""]], tuple[Int[Array, " A"], Int[Array, ""]]]


def nearest(team: TeamSpec, count: int | None = None, fraction: float = 0.1) -> MeanField:
    """The mean last action of the K nearest living team mates, self excluded.

    K is `count`, or max(1, round(fraction * N)). Distances are Euclidean; of equally near
    team mates the lower index counts first. Fewer than K living: all of them; none: zeros.

    Args:
        team: The team.
        count: K >= 1, or None to take a fraction.
        fraction: Share of the team in (0, 1].

    Raises:
        SwarmfieldError: All pairs would be looked at, and there are too many; or nobody says
            where agents are.
    """
    wanted = max(1, round(fraction * team.num_agents)) if count is None else count
    k = min(wanted, max(team.num_agents - 1, 1))

    def weights(squared: Float[Array, " N"]) -> Float[Array, " N"]:
        negative, chosen = jax.lax.top_k(-squared, k)
        return jnp.zeros_like(squared).at[chosen].set(jnp.isfinite(negative).astype(squared.dtype))

    def counts(census: Census, cells: Cells, index: Int[Array, ""]) -> Any:
        return actions_of_nearest(census, cells, k, index)

    return _mean(team, "k nearest", weights, counts)


def radius(team: TeamSpec, distance: float) -> MeanField:
    """The mean last action of living team mates within `distance`, self excluded.

    Args:
        team: The team.
        distance: In the environment's units (cells on a grid), Euclidean, inclusive.

    Raises:
        SwarmfieldError: All pairs would be looked at, and there are too many; or nobody says
            where agents are.
    """
    # Infinite distances, to itself and to the dead, are within no radius.
    limit = min(distance**2, LARGEST_FLOAT)

    def weights(squared: Float[Array, " N"]) -> Float[Array, " N"]:
        return (squared <= limit).astype(squared.dtype)

    def counts(census: Census, cells: Cells, index: Int[Array, ""]) -> Any:
        # Rounded as it is where distances are looked at.
        squared = int(np.float32(min(limit, longest_squared(cells))))
        return actions_within(census, cells, jnp.int32(squared), index)

    return _mean(team, "radius", weights, counts)


def _mean(team: TeamSpec, name: str, weights: Weights, count: Count) -> MeanField:
    """sum_j w_ij u_j / max(1, sum_j w_ij); a row is computed only for the agents asked for.

    Args:
        team: The team.
        name: What is averaged.
        weights: w_i of all, from squared distances.
        count: Both sums, from a census.
    """
    advice = "take the whole team's, as mfq does by --algo.neighbourhood team"
    require_placed(team, f"The {name} mean action", advice)
    size = action_size(team)
    cells = _map_to_count_on(team, name)

    def at(field: Timestep | Census, index: Int[Array, ""]) -> tuple[Float[Array, " A"]]:
        if isinstance(field, Census):
            assert cells is not None
            total, number = count(field, cells, index)
            return (total.astype(jnp.float32) / jnp.maximum(number, 1).astype(jnp.float32),)
        weight = weights(squared_distances(field, index))
        actions = action_vectors(field.last_action, size)
        return (matmul(weight, actions) / jnp.maximum(jnp.sum(weight), 1.0),)

    def look(timestep: Timestep, _record: Any) -> Timestep:
        return timestep

    def lay_down(timestep: Timestep, _record: Any) -> Census:
        assert cells is not None
        return take_census(timestep, cells, size)

    if cells is None:
        return MeanField(look, at, read_vectors(size))
    few = look if longest_squared(cells) <= LARGEST_EXACT else None
    return MeanField(lay_down, at, read_vectors(size), compute_for_few=few)


def _map_to_count_on(team: TeamSpec, name: str) -> Cells | None:
    """Columns and rows of the map, or None where all pairs are to be looked at."""
    n, cells = team.num_agents, team.cells if isinstance(team.actions, Discrete) else None
    if cells is not None and longest_squared(cells) > LARGEST_WHOLE:
        cells = None
    if n > LARGEST_DENSE and cells is None:
        raise SwarmfieldError(
            f"The {name} mean action looks at all pairs of agents, unless they choose between "
            f"actions on a map of cells, and team {team.name!r} has {n}; at most {LARGEST_DENSE} "
            "are allowed: use the team's mean (--algo.neighbourhood team)."
        )
    if n > LARGEST_DENSE or cells is None:
        return cells
    pays = n >= SMALLEST_COUNTED and math.prod(cells) <= SPARSEST_COUNTED * n
    return cells if pays else None


def require_placed(team: TeamSpec, what: str, advice: str) -> None:
    """Refuse what needs to know where agents are, in a team that does not tell.

    Raises:
        SwarmfieldError: It does not.
    """
    if not team.placed:
        raise SwarmfieldError(
            f"{what} is of those who are near, but team {team.name!r} does not say where its "
            f"agents are; {advice}."
        )


def squared_distances(timestep: Timestep, index: Int[Array, ""]) -> Float[Array, " N"]:
    """From one agent to its team mates; infinite to itself and to the dead."""
    position = timestep.position.astype(jnp.float32)
    squared = jnp.sum((position - position[index][None]) ** 2, axis=-1)
    others = timestep.alive & (jnp.arange(position.shape[0]) != index)
    return jnp.where(others, squared, jnp.inf)
