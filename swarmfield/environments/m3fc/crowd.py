"""Many agents as one distribution: where they are, and what share of them is there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from swarmfield.precision import matmul


class Crowd(eqx.Module):
    """A distribution on M points of the minor agents' state space.

    N agents are N points that count alike, the empirical distribution
    mu^N = 1/N sum_i delta_{x_i}; a distribution on finitely many states is these states, each with
    its share. What is written for a crowd holds for both.

    Attributes:
        state: The points.
        weight: Shares, which sum to 1; None where all count 1/M.
    """

    state: Num[Array, "M D"]
    weight: Float[Array, " M"] | None = None

    def mean(self, values: Float[Array, " M *X"]) -> Float[Array, "*X"]:
        """The integral of a function over the distribution, from its values at the points."""
        if self.weight is None:
            return jnp.mean(values, axis=0)
        return matmul(self.weight, values)


@dataclass(frozen=True)
class Bins:
    """A box cut into equal cells.

    Attributes:
        low: Of each dimension.
        high: Of each dimension.
        counts: Cells of each dimension.
        wraps: Whether opposite sides of the box are joined.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    counts: tuple[int, ...]
    wraps: bool = False

    @property
    def number(self) -> int:
        """Of all cells."""
        return math.prod(self.counts)

    @property
    def span(self) -> tuple[float, ...]:
        """Of each dimension."""
        return tuple(high - low for low, high in zip(self.low, self.high, strict=True))

    @property
    def side(self) -> tuple[float, ...]:
        """Of a cell, in each dimension."""
        return tuple(span / count for span, count in zip(self.span, self.counts, strict=True))

    def indices(self, state: Num[Array, "M D"]) -> Int[Array, "M D"]:
        """Each point's cell along each dimension: the one with the nearest centre.

        Of two cells it is the lower one. Points outside of the box belong to the outermost cells.
        """
        counts, span = jnp.array(self.counts), jnp.array(self.span)
        cells = (state - jnp.array(self.low)[None]) * (counts / span)[None]
        return jnp.clip(jnp.ceil(cells).astype(jnp.int32) - 1, 0, counts[None] - 1)

    def index(self, state: Num[Array, "M D"]) -> Int[Array, " M"]:
        """Each point's cell, numbered with the last dimension fastest."""
        indices = self.indices(state)
        number = jnp.zeros(indices.shape[0], jnp.int32)
        for dimension, count in enumerate(self.counts):
            number = number * count + indices[:, dimension]
        return number

    def histogram(self, crowd: Crowd) -> Float[Array, " B"]:
        """The share of the crowd in each cell, `counts` flattened."""
        return shares(crowd, self.index(crowd.state), self.number)


def shares(crowd: Crowd, index: Int[Array, " M"], number: int) -> Float[Array, " B"]:
    """The share of the crowd in each of some cells.

    Agents are counted and then divided, so that shares are the nearest floats to the true ones.
    """
    if crowd.weight is not None:
        return jnp.zeros(number).at[index].add(crowd.weight)
    counts = jnp.zeros(number, jnp.int32).at[index].add(1)
    return counts.astype(jnp.float32) / index.shape[0]
