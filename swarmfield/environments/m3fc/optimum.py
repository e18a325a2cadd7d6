"""How well infinitely many agents can do at the beach: found by ascent, and bounded from above."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from swarmfield.environments.m3fc.beach_bar import SIDE, STEPS, STRAY, WANDERS, Bar, BeachBar
from swarmfield.environments.m3fc.limit import Limit, LimitState
from swarmfield.environments.m3fc.reference import step_towards
from swarmfield.environments.m3fc.rules import CategoricalRule, Table
from swarmfield.types import PRNGKey

_EARLY = 6
"""Steps until all can be where they are to be; each has a rule of its own, the others share one."""


class Optimum(NamedTuple):
    """What is known of the best that a crowd without end can do.

    Attributes:
        found: The return of the best controller that was found, a mean over episodes.
        error: Its standard error.
        bound: What no controller exceeds.
    """

    found: float
    error: float
    bound: float


@dataclass(frozen=True)
class Shepherd:
    """A controller in the frame of the bar, which goes to its target.

    What agents do depends on where they are from the bar, where its target is from it, and the
    time up to some steps: numbers of a softmax for each of these cases, `[7, 25, 25, 5]`.
    """

    model: BeachBar

    @property
    def rule(self) -> CategoricalRule:
        """How its numbers are read."""
        return CategoricalRule(Table(self.model.bins), self.model.actions, chances="softmax")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of its parameters: time, target from the bar, agent from the bar, action."""
        return _EARLY + 1, SIDE**2, SIDE**2, len(STEPS)

    def play(self, parameters: Float[Array, "E B B A"], key: PRNGKey) -> Float[Array, ""]:
        """The return of an episode in the limit; differentiable."""
        limit = Limit(self.model)
        states = jnp.asarray(limit.states)

        def step(state: LimitState, time: Array) -> tuple[LimitState, None]:
            bar: Bar = state.world
            goal = _number(bar.target[None] - bar.major[None])[0]
            table = parameters[jnp.minimum(time, _EARLY), goal]
            numbers = table[_number(states - bar.major[None])].reshape(1, -1)
            major = step_towards(bar.major[None], bar.target[None])[0]
            key_now = jax.random.fold_in(key, time)
            return limit.led(key_now, state, self.rule, numbers, major)[0], None

        times = jnp.arange(self.model.config.max_steps)
        last, _ = jax.lax.scan(step, limit.begin(jax.random.fold_in(key, times.size)), times)
        return last.shared_return


def find_optimum(
    model: BeachBar,
    key: PRNGKey,
    *,
    iterations: int = 300,
    batch: int = 16,
    step_size: float = 0.1,
    episodes: int = 2000,
) -> Optimum:
    """Climb along the gradient of the exact limit's return, and value what is found.

    Args:
        model: The beach.
        key: Draws how targets wander.
        iterations: Of Adam.
        batch: Episodes in each.
        step_size: Of Adam, falling to 0.
        episodes: Those in which the result is valued, others than those it was found in.
    """
    shepherd = Shepherd(model)
    optimizer = optax.adam(optax.cosine_decay_schedule(step_size, iterations))

    def loss(parameters: Array, key: PRNGKey) -> Array:
        return -jnp.mean(jax.vmap(partial(shepherd.play, parameters))(jax.random.split(key, batch)))

    def climb(now: tuple[Array, optax.OptState], key: PRNGKey) -> tuple[tuple[Array, Any], None]:
        parameters, state = now
        updates, state = optimizer.update(jax.grad(loss)(parameters, key), state)
        return (eqx.apply_updates(parameters, updates), state), None

    @jax.jit
    def run() -> Float[Array, " M"]:
        key_climb, key_value = jax.random.split(key)
        start = jnp.zeros(shepherd.shape)
        keys = jax.random.split(key_climb, iterations)
        (best, _), _ = jax.lax.scan(climb, (start, optimizer.init(start)), keys)
        return jax.vmap(partial(shepherd.play, best))(jax.random.split(key_value, episodes))

    returns = np.asarray(run())
    error = returns.std(ddof=1) / np.sqrt(episodes)
    return Optimum(float(returns.mean()), float(error), upper_bound(model.config.max_steps))


def upper_bound(steps: int) -> float:
    """What no controller exceeds in a number of steps.

    With shares x at the bar and y at each place beside it, -4 y - 1.5 (x^2 + 4 y^2) is greatest
    where x = 7/15, y = 2/15, and all that is farther away costs more. The target moves after the
    bar can know of it with probability 0.2 4/5, and is one step off then. The first step is that of
    a crowd that is everywhere.
    """
    at, beside = 7 / 15, 2 / 15
    best = -4 * beside - 1.5 * (at**2 + 4 * beside**2)
    stray = -STRAY * WANDERS * 4 / 5
    everywhere = -2.4 - 1.5 / SIDE**2
    return everywhere + (steps - 1) * best + steps * stray


def _number(offset: Array) -> Array:
    """Of a place on the torus."""
    wrapped = offset % SIDE
    return wrapped[:, 0] * SIDE + wrapped[:, 1]
