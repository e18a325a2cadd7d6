"""Scripted people to compare with, and what chance is worth at the bar."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int
from scipy import special

from swarmfield.environments.bar import Bar, BarState
from swarmfield.environments.scripted import Choose
from swarmfield.types import PRNGKey


def value_of_chance(world: Bar, probability: Float[ArrayLike, "*P"]) -> Float[np.ndarray, "*P"]:
    """A person's expected reward a night if everybody goes with one probability.

    p (2 P(Binomial(N - 1, p) < C) - 1)
    """
    empty = world.config.num_agents - world.capacity
    if empty == 0:
        return np.asarray(probability)
    # The chance that fewer than C of the N - 1 others go, as an incomplete beta function.
    fits = special.betainc(empty, world.capacity, 1 - np.asarray(probability))
    return np.asarray(probability * (2 * fits - 1))


def best_chance(world: Bar) -> float:
    """The probability that is best for all, if everybody goes with the same; to five digits."""
    probability = np.linspace(0, 1, 100_001)
    return float(probability[np.argmax(value_of_chance(world, probability))])


def equilibrium(world: Bar) -> float:
    """The probability at which nobody would rather stay or go: the symmetric Nash equilibrium."""
    empty = world.config.num_agents - world.capacity
    return 1.0 if empty == 0 else float(1 - special.betaincinv(empty, world.capacity, 0.5))


def _go_by_chance(state: BarState, key: PRNGKey, probability: float) -> Int[Array, " N"]:
    goes = jax.random.bernoulli(key, probability, state.last_action.shape)
    return goes.astype(jnp.int32)


def choose_random(_world: Bar, state: BarState, key: PRNGKey) -> Int[Array, " N"]:
    """Stay or go, by the toss of a coin."""
    return _go_by_chance(state, key, 0.5)


def choose_best_chance(world: Bar, state: BarState, key: PRNGKey) -> Int[Array, " N"]:
    """Go with the probability that is best for all."""
    return _go_by_chance(state, key, best_chance(world))


def choose_equilibrium(world: Bar, state: BarState, key: PRNGKey) -> Int[Array, " N"]:
    """Go with the probability of the symmetric equilibrium."""
    return _go_by_chance(state, key, equilibrium(world))


def choose_regulars(world: Bar, state: BarState, _key: PRNGKey) -> Int[Array, " N"]:
    """As many as fit go, always the same: the best that all together can do."""
    everybody = jnp.arange(state.last_action.shape[0])
    return (everybody < world.capacity).astype(jnp.int32)


POLICIES: dict[str, Choose] = {
    "random": choose_random,
    "best_chance": choose_best_chance,
    "equilibrium": choose_equilibrium,
    "regulars": choose_regulars,
}
