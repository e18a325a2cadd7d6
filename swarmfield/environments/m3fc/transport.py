"""What it costs to move one distribution on a square onto another, at best."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from swarmfield.environments.m3fc.crowd import Bins, Crowd
from swarmfield.precision import matmul
from swarmfield.types import SwarmfieldError

Transport = Literal["grid", "exact"]

_BLURS = (32, 16, 8, 4, 2)
"""Times epsilon, of one iteration each before those with epsilon itself. A mass that must go far
finds its way in the first of them, which with epsilon alone takes long."""
_ITERATIONS = 10
"""Of Sinkhorn's algorithm with epsilon itself. The dual value of heaps and of many points is then
within 1e-3 of the converged one, mostly within 1e-4. It is slower where little is missing far
away (two heaps 2 apart with 50 and 50 % here, 55 and 45 % there cost 0.076 then, at last 0.084)
and where either side is a few points (3 against 5 anywhere: 1 % below, at worst 8 %)."""
_RELAXATION = 1.75
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

    and g from f alike, first with w = 1 and epsilon scaled down from 32 times as much by halves,
    then with w = 1.75. In the last one w is 1, so that the dual value

        sum_k a_k f_k + sum_l b_l g_l,

    which converges much sooner than the cost of the plan, is never above OT.

    C is a sum over both axes, so that a sum over G^2 cells is one over each axis. Along an axis,
    with x the place of k and y that of l,

        exp(-(x - y)^2 / epsilon)
            = exp((2 s y - y^2) / epsilon) exp(2 (x - s) y / epsilon) exp(-x^2 / epsilon)

    for any s. With s near x the middle factor is in the range of floats, the first one joins the
    potential before its largest term is taken out, and what is left is a product of matrices.

    Source: Feydy et al. 2019 for the divergence, the averaged iteration and the scaling of
    epsilon; Thibault et al. 2021 for w. Anchors s are ours: without them each sum takes G^3
    exponentials.
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
            potentials: tuple[Array, Array], step: tuple[Any, _Kernel]
        ) -> tuple[tuple[Array, Array], None]:
            (f, g), (relaxation, kernel) = potentials, step
            f += relaxation * (self._best(g, log_b, kernel) - f)
            g += relaxation * (self._best(f, log_a, kernel) - g)
            return (f, g), None

        start = (jnp.zeros_like(a), jnp.zeros_like(b))
        (f, g), _ = jax.lax.scan(improve, start, self._schedule)
        return jnp.sum(a * f) + jnp.sum(b * g)

    def _self(self, a: Float[Array, "G G"]) -> Float[Array, ""]:
        """OT(a, a), whose potentials are equal."""
        log_a, kernel = jnp.log(a), self._kernel(self.epsilon)

        def improve(f: Array, _: None) -> tuple[Array, None]:
            return (f + self._best(f, log_a, kernel)) / 2, None

        f, _ = jax.lax.scan(improve, jnp.zeros_like(a), None, length=_SELF_ITERATIONS)
        return 2 * jnp.sum(a * f)

    def _best(
        self, other: Float[Array, "G G"], log_mass: Float[Array, "G G"], kernel: _Kernel
    ) -> Float[Array, "G G"]:
        """The potential that answers the other side's best, an axis after the other."""
        logs = other / kernel.epsilon + log_mass
        for axis in (1, 0):
            logs = self._along(logs, axis, kernel.axes[axis]).T
        return -jnp.asarray(kernel.epsilon) * logs

    def _along(
        self, logs: Float[Array, "P Q"], axis: int, factors: _Factors
    ) -> Float[Array, "P Q"]:
        """For every cell k log sum_l exp(logs_l - C_kl / epsilon), along the last axis alone.

        It is `axis` of the grid.
        """
        terms = logs[:, None] + factors.tilt[None]
        largest = jnp.max(terms, axis=-1, keepdims=True)
        largest = jnp.where(jnp.isfinite(largest), largest, 0.0)
        sums = matmul(
            jnp.exp(terms - largest).reshape(logs.shape[0], -1), jnp.asarray(factors.middle)
        )
        return jnp.log(sums) + largest[:, self._anchors[axis].near, 0] - factors.back[None]

    @cached_property
    def _schedule(self) -> tuple[np.ndarray, _Kernel]:
        """Relaxation and kernel of every iteration."""
        blurs = (*_BLURS, *[1] * _ITERATIONS)
        kernels = [self._kernel(blur * self.epsilon) for blur in blurs]
        relaxation = np.where(np.asarray(blurs) == 1, _RELAXATION, 1.0).astype(np.float32)
        relaxation[-1] = 1.0
        return relaxation, jax.tree.map(lambda *leaves: np.stack(leaves), *kernels)

    def _kernel(self, epsilon: float) -> _Kernel:
        return _Kernel(np.float32(epsilon), tuple(axis.factors(epsilon) for axis in self._anchors))

    @cached_property
    def _anchors(self) -> tuple[_Anchors, ...]:
        """Of each axis, near enough to every cell for the smallest epsilon."""
        axes = zip(self.bins.low, self.bins.high, self.bins.counts, strict=True)
        return tuple(_Anchors.of(high - low, count, self.epsilon) for low, high, count in axes)


class _Factors(NamedTuple):
    """exp(-(x - y)^2 / epsilon) along an axis, see `GridTransport`."""

    tilt: Float[Array | np.ndarray, "A Q"]
    """(2 s y - y^2) / epsilon."""
    middle: Float[Array | np.ndarray, "A*Q P"]
    """exp(2 (x - s) y / epsilon) where s is the anchor of x, and 0 elsewhere."""
    back: Float[Array | np.ndarray, " P"]
    """x^2 / epsilon."""


class _Kernel(NamedTuple):
    """exp(-C / epsilon)."""

    epsilon: Float[Array | np.ndarray, ""] | np.float32
    axes: tuple[_Factors, ...]


@dataclass(frozen=True)
class _Anchors:
    """Cells of an axis, measured from its middle, where they are smallest, and what is near."""

    place: Float[np.ndarray, " Q"]
    anchor: Float[np.ndarray, " A"]
    near: Int[np.ndarray, " Q"]

    @classmethod
    def of(cls, span: float, count: int, epsilon: float) -> _Anchors:
        place = span * ((np.arange(count) + 0.5) / count - 0.5)
        number = math.ceil(span**2 / (2 * _REACH * epsilon))
        anchor = span * ((np.arange(number) + 0.5) / number - 0.5)
        return cls(place, anchor, np.argmin(np.abs(place[:, None] - anchor[None]), axis=1))

    def factors(self, epsilon: float) -> _Factors:
        place, anchor, near = self.place, self.anchor, self.near
        middle = np.zeros((anchor.size, place.size, place.size))
        middle[near, :, np.arange(place.size)] = np.exp(
            2 * (place - anchor[near])[:, None] * place[None] / epsilon
        )
        return _Factors(
            tilt=((2 * anchor[:, None] * place[None] - place[None] ** 2) / epsilon).astype("f4"),
            middle=middle.reshape(-1, place.size).astype("f4"),
            back=(place**2 / epsilon).astype("f4"),
        )


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
