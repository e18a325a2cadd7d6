"""Decision rules: what minor agents do by where they are, written as one vector of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from swarmfield import distributions
from swarmfield.chunks import in_chunks
from swarmfield.environments.m3fc.crowd import Bins
from swarmfield.precision import matmul
from swarmfield.rule_options import Chances, Squash, Where
from swarmfield.types import Box, Discrete, PRNGKey

_TINY = 1e-10
_PAIRS_AT_ONCE = 2**24
"""Agents times cells, of which weights are held at a time."""


class Rule(Protocol):
    """h: a distribution of actions at every state, from one vector of numbers.

    Attributes:
        size: How many numbers.
    """

    @property
    def size(self) -> int:
        """How many numbers."""
        ...

    def draw(
        self, numbers: Float[Array, " P"], state: Num[Array, "M D"], key: PRNGKey
    ) -> Num[Array, "M ..."]:
        """u_i ~ h(. | x_i), an action for each of M agents."""
        ...


def squashed(numbers: Float[Array, "*B"], how: Squash) -> Float[Array, "*B"]:
    """Numbers in [-1, 1].

    - `clip`: as they are, within the interval;
    - `clip_tanh`: tanh of that, so that nothing is beyond 0.762, as in the published code;
    - `tanh`: tanh.
    """
    if how == "tanh":
        return jnp.tanh(numbers)
    clipped = jnp.clip(numbers, -1.0, 1.0)
    return jnp.tanh(clipped) if how == "clip_tanh" else clipped


@dataclass(frozen=True)
class Table:
    """A function of a state from its values at the cells.

    With `bins` the value at x is that of x's cell. With `kernel` it is the mean of all, weighed by

        w_c(x) proportional to exp(-sum_d ((x_d - c_d) / (width b_d))^2 / 2),

    where c is a cell's centre and b_d its side, the short way around where states wrap around.

    Source: Cui et al. 2024 for the cells; kernels, which they name as a next step, are ours.
    """

    bins: Bins
    where: Where = "bins"
    width: float = 0.7

    def at(self, values: Float[Array, "B X"], state: Num[Array, "M D"]) -> Float[Array, "M X"]:
        """The values at M states."""
        if self.where == "bins":
            return values[self.bins.index(state)]

        def blend(state: Num[Array, "M D"]) -> Float[Array, "M X"]:
            return matmul(self._weights(state.astype(jnp.float32)), values)

        return in_chunks(blend, state, max(1, _PAIRS_AT_ONCE // self.bins.number))

    def _weights(self, state: Float[Array, "M D"]) -> Float[Array, "M B"]:
        span, side = (jnp.asarray(x, jnp.float32) for x in (self.bins.span, self.bins.side))
        offset = state[:, None] - jnp.asarray(self._centres)[None]
        if self.bins.wraps:
            offset = offset - span[None, None] * jnp.round(offset / span[None, None])
        far = jnp.sum((offset / (self.width * side)[None, None]) ** 2, axis=-1)
        return jax.nn.softmax(-far / 2, axis=-1)

    @cached_property
    def _centres(self) -> Float[np.ndarray, "B D"]:
        axes = zip(self.bins.low, self.bins.side, self.bins.counts, strict=True)
        lines = [low + side * (np.arange(count) + 0.5) for low, side, count in axes]
        grid = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)
        return grid.reshape(-1, len(lines)).astype(np.float32)


@dataclass(frozen=True)
class GaussianRule:
    """Independent normal distributions for each entry of an action.

    With a the two numbers of an entry at a state, squashed, and [low, high] the actions' range,

        u = clip(N(m, sigma^2)),  m = low + (a_0 + 1) / 2 (high - low),  sigma = (a_1 + 1) / 4.

    Source: Cui et al. 2024 and its code, which calls sigma a covariance and uses it as this.
    """

    table: Table
    actions: Box
    squash: Squash = "clip"

    @property
    def size(self) -> int:
        """Two for each cell and entry."""
        return 2 * self.table.bins.number * self.actions.dimensions

    def moments(
        self, numbers: Float[Array, " P"], state: Num[Array, "M D"]
    ) -> tuple[Float[Array, "M U"], Float[Array, "M U"]]:
        """M and sigma at M states."""
        values = squashed(numbers, self.squash).reshape(self.table.bins.number, -1)
        here = self.table.at(values, state).reshape(state.shape[0], -1, 2)
        span = self.actions.high - self.actions.low
        return self.actions.low + (here[..., 0] + 1) / 2 * span, (here[..., 1] + 1) / 4

    def draw(
        self, numbers: Float[Array, " P"], state: Num[Array, "M D"], key: PRNGKey
    ) -> Float[Array, "M U"]:
        """An action for each of M agents."""
        mean, deviation = self.moments(numbers, state)
        drawn = mean + deviation * jax.random.normal(key, mean.shape)
        return jnp.clip(drawn, self.actions.low, self.actions.high)


@dataclass(frozen=True)
class CategoricalRule:
    """A probability of each of some actions.

    With a the numbers of a state: `linear` squashes them, and p(u) is proportional to a_u + 1;
    with `softmax` p(u) is proportional to exp(a_u), of the numbers as they are. Where all a_u are
    -1 every action is as likely.

    Source: Cui et al. 2024 and its code.
    """

    table: Table
    actions: Discrete
    squash: Squash = "clip"
    chances: Chances = "linear"

    @property
    def size(self) -> int:
        """One for each cell and action."""
        return self.table.bins.number * self.actions.num_actions

    def probabilities(
        self, numbers: Float[Array, " P"], state: Num[Array, "M D"]
    ) -> Float[Array, "M A"]:
        """P(u) at M states."""
        raw = numbers.reshape(self.table.bins.number, -1)
        if self.chances == "softmax":
            return jax.nn.softmax(self.table.at(raw, state), axis=-1)
        # Not + 1 + 1e-10, as published: compilers add the constants first, and that is 1.
        shares = jnp.maximum(self.table.at(squashed(raw, self.squash), state) + 1, _TINY)
        return shares / jnp.sum(shares, axis=-1, keepdims=True)

    def draw(
        self, numbers: Float[Array, " P"], state: Num[Array, "M D"], key: PRNGKey
    ) -> Num[Array, " M"]:
        """An action for each of M agents."""
        return distributions.sample(self.probabilities(numbers, state), key)
