"""What it costs to move one distribution on a square onto another, at best."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from swarmfield.environments.m3fc.crowd import Bins, Crowd
from swarmfield.precision import matmul
from swarmfield.types import SwarmfieldError

Transport = Literal["grid", "exact"]

ITERATIONS = 15
"""Of Sinkhorn's algorithm. Of a heap, or of crowds anywhere, the dual value is then within 5e-3 of
the converged one, mostly within 1e-5; without relaxation it takes 60 for as much. It is slower to
find a little mass that is missing far away: two heaps 2 apart that have 50 and 50 % here, 55 and
45 % there cost 0.059 then, at last 0.077, and 0.036 after 30 without relaxation."""
RELAXATION = 1.6
"""Longer steps than that to the next potential; 1 are Sinkhorn's, 2 no longer converge."""
_SELF_ITERATIONS = 6
"""Of its averaged form, for a distribution and itself: within 1e-6."""
LARGEST_EXACT = 2000
"""Points on each side."""
_REACH = 40.0
"""Exponents that stay this near to zero neither vanish nor overflow, squared neither."""


@dataclass(frozen=True)
class GridTransport:
    """Optimal transport on a grid of G x G cells, whatever the number of points.

    Both distributions are counted into cells with centres c, and the debiased divergence

        S(a, b) = OT(a, b) - (OT(a, a) + OT(b, b)) / 2

    is what moving a onto b costs, with OT(a, b) = min_P <P, C> + epsilon KL(P | a b^T) and
    C_kl = |c_k - c_l|^2. It is 0 where a = b. Potentials come from Sinkhorn's algorithm in the
    log domain,

        f_k <- (1 - w) f_k - w epsilon log sum_l b_l exp((g_l - C_kl) / epsilon),

    and g from f alike. With w = 1.6 it takes a fourth of the iterations of w = 1. In the last one
    w is 1, so that the dual value sum_k a_k f_k + sum_l b_l g_l, which converges much sooner than
    the cost of the plan, is never above OT.

    C is a sum over both axes, so that a sum over G^2 cells is one over each axis. Along an axis,
    with x the place of k and y that of l,

        exp(-(x - y)^2 / epsilon)
            = exp((2 s y - y^2) / epsilon) exp(2 (x - s) y / epsilon) exp(-x^2 / epsilon)

    for any s. With s near x the middle factor is in the range of floats, the first one joins the
    potential before its largest term is taken out, and what is left is a product of matrices.

    Source: Feydy et al. 2019 for the divergence and the averaged iteration; Thibault et al. 2021
    for w. Anchors s are ours: without them each sum takes G^3 exponentials.
    """

    bins: Bins
    epsilon: float = 0.1

    def cost(self, one: Crowd, other: Crowd) -> Float[Array, ""]:
        """S, in squared units of the space."""
        a, b = (self.bins.histogram(crowd).reshape(self.bins.counts) for crowd in (one, other))
        return self._cross(a, b) - (self._self(a) + self._self(b)) / 2

    def _cross(self, a: Float[Array, "G G"], b: Float[Array, "G G"]) -> Float[Array, ""]:
        """OT(a, b)."""
        log_a, log_b = jnp.log(a), jnp.log(b)

        def improve(
            potentials: tuple[Array, Array], relaxation: Float[Array, ""]
        ) -> tuple[tuple[Array, Array], None]:
            f, g = potentials
            f += relaxation * (-self._soft_sum(g + log_b) - f)
            g += relaxation * (-self._soft_sum(f + log_a) - g)
            return (f, g), None

        start = (jnp.zeros_like(a), jnp.zeros_like(b))
        relaxations = jnp.full(ITERATIONS, RELAXATION).at[-1].set(1.0)
        (f, g), _ = jax.lax.scan(improve, start, relaxations)
        return self.epsilon * (jnp.sum(a * f) + jnp.sum(b * g))

    def _self(self, a: Float[Array, "G G"]) -> Float[Array, ""]:
        """OT(a, a), whose potentials are equal."""
        log_a = jnp.log(a)

        def improve(f: Array, _: None) -> tuple[Array, None]:
            return (f - self._soft_sum(f + log_a)) / 2, None

        f, _ = jax.lax.scan(improve, jnp.zeros_like(a), None, length=_SELF_ITERATIONS)
        return 2 * self.epsilon * jnp.sum(a * f)

    def _soft_sum(self, logs: Float[Array, "G G"]) -> Float[Array, "G G"]:
        """For every cell k log sum_l exp(logs_l - C_kl / epsilon), an axis after the other."""
        return self._along(self._along(logs, 1).T, 0).T

    def _along(self, logs: Float[Array, "P Q"], axis: int) -> Float[Array, "P Q"]:
        """The same along the last axis of `logs`, which is `axis` of the grid."""
        tilt, kernel, back, near = self._factors[axis]
        terms = logs[:, None] + tilt[None]
        largest = jnp.max(terms, axis=-1, keepdims=True)
        largest = jnp.where(jnp.isfinite(largest), largest, 0.0)
        sums = matmul(jnp.exp(terms - largest).reshape(logs.shape[0], -1), jnp.asarray(kernel))
        return jnp.log(sums) + largest[:, near, 0] - back[None]

    @cached_property
    def _factors(self) -> tuple[tuple[np.ndarray, ...], ...]:
        """Of each axis: the first and the middle factor, the last one, and each cell's anchor."""
        axes = zip(self.bins.low, self.bins.high, self.bins.counts, strict=True)
        return tuple(_factors(low, high, count, self.epsilon) for low, high, count in axes)


def _factors(low: float, high: float, count: int, epsilon: float) -> tuple[np.ndarray, ...]:
    """See `GridTransport`; places are measured from the middle, where they are smallest."""
    span = high - low
    place = span * ((np.arange(count) + 0.5) / count - 0.5)
    num_anchors = math.ceil(span**2 / (2 * _REACH * epsilon))
    anchor = span * ((np.arange(num_anchors) + 0.5) / num_anchors - 0.5)
    near = np.argmin(np.abs(place[:, None] - anchor[None]), axis=1)
    tilt = (2 * anchor[:, None] * place[None] - place[None] ** 2) / epsilon
    kernel = np.zeros((num_anchors, count, count))
    kernel[near, :, np.arange(count)] = np.exp(
        2 * (place - anchor[near])[:, None] * place[None] / epsilon
    )
    factors = tilt, kernel.reshape(-1, count), place**2 / epsilon
    return (*(factor.astype(np.float32) for factor in factors), near)


@dataclass(frozen=True)
class ExactTransport:
    """Optimal transport between points that count alike, by assignment.

    With M and L points each is repeated until both are lcm(M, L); the cheapest plan between equal
    points is then an assignment (Birkhoff's theorem). It takes the cube of that number.
    """

    def cost(self, one: Crowd, other: Crowd) -> Float[Array, ""]:
        """The mean squared distance of the best plan."""
        costs, goal = self._assigned(one, other)
        return jnp.mean(costs[jnp.arange(goal.shape[0]), goal])

    def goals(self, one: Crowd, other: Crowd) -> Float[Array, "M D"]:
        """The mean place to which the best plan sends each point of the first."""
        _, goal = self._assigned(one, other)
        place = other.state[goal // (goal.shape[0] // other.state.shape[0])]
        return jnp.mean(place.reshape(one.state.shape[0], -1, place.shape[-1]), axis=1)

    def _assigned(self, one: Crowd, other: Crowd) -> tuple[Float[Array, "R R"], Int[Array, " R"]]:
        """Squared distances between repeated points, and to which each goes."""
        # Optax is slow to import, and only this needs it among environments.
        from optax.assignment import hungarian_algorithm

        x, y = (crowd.state.astype(jnp.float32) for crowd in (one, other))
        number = size_of_assignment(x.shape[0], y.shape[0])
        costs = jnp.sum((x[:, None] - y[None]) ** 2, axis=-1)
        costs = jnp.repeat(costs, number // x.shape[0], axis=0)
        costs = jnp.repeat(costs, number // y.shape[0], axis=1)
        rows, columns = hungarian_algorithm(costs)
        return costs, jnp.zeros(number, jnp.int32).at[rows].set(columns)


def size_of_assignment(agents: int, others: int) -> int:
    """Points on each side when each is repeated until both are as many.

    Raises:
        SwarmfieldError: They are too many.
    """
    number = math.lcm(agents, others)
    if number > LARGEST_EXACT:
        raise SwarmfieldError(
            f"{agents} agents and {others} points are an assignment of {number}, more than "
            f"{LARGEST_EXACT}: choose --env.transport grid, or a number of agents that divides "
            f"{others} or that it divides."
        )
    return number
