"""Equilibria of mean-field games of which all is known: the truth for those who learn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from swarmfield.games.game import Game
from swarmfield.games.values import best_response, exploitability, flow_of, values


class Solved(NamedTuple):
    """What a solver came to.

    Attributes:
        policy: The last one.
        flow: Where all are who have it.
        exploitability: Of the policy before the first iteration and after each.
    """

    policy: Float[np.ndarray, "T S A"]
    flow: Float[np.ndarray, "T S"]
    exploitability: Float[np.ndarray, " I1"]


def fictitious_play(game: Game, iterations: int) -> Solved:
    """Everybody answers the mean of what all did so far.

    With mu_bar^0 of the uniform policy and pi^j a best response to mu_bar^{j-1},

        mu_bar^j = (j mu_bar^{j-1} + mu^{pi^j}) / (j + 1),

    and the policy that makes mu_bar^j takes what its parts do by how many of them are there. Where
    transitions do not depend on mu and more agents make a place worse (monotone rewards), its
    exploitability falls to 0 as 1/j.

    Args:
        game: The game.
        iterations: Best responses, I.

    Source: Perrin et al. 2020, Algorithm 1, whose time is continuous: steps are of 1/(j + 1).
    """

    def one(mixed: Float[Array, "T S A"], j: Array) -> tuple[Array, Array]:
        answer = best_response(game, jnp.sum(mixed, axis=2))
        done = _occupancy(game, answer)
        mixed = (j * mixed + done) / (j + 1)
        return mixed, exploitability(game, _policy(mixed))

    start = _occupancy(game, game.uniform())
    numbers = jnp.arange(1, iterations + 1, dtype=jnp.float32)
    return _solved(game, one, start, numbers, _policy)


def mirror_descent(game: Game, iterations: int, step_size: float = 1.0) -> Solved:
    """Everybody shifts towards what would have been better.

        y^{j+1} = y^j + eta Q^{pi^j}(mu^{pi^j}),   pi^j = softmax(y^j),   y^0 = 0.

    Args:
        game: The game.
        iterations: I.
        step_size: eta, > 0.

    Source: Perolat et al. 2021, "Scaling up mean field games with online mirror descent".
    """

    def one(y: Float[Array, "T S A"], _: Array) -> tuple[Array, Array]:
        policy = jax.nn.softmax(y, axis=-1)
        y = y + step_size * values(game, flow_of(game, policy), policy)
        # softmax knows differences only; sums would lose digits.
        y = y - jnp.max(y, axis=-1, keepdims=True)
        return y, exploitability(game, jax.nn.softmax(y, axis=-1))

    numbers = jnp.arange(iterations, dtype=jnp.float32)
    return _solved(game, one, jnp.zeros(game.shape), numbers, partial(jax.nn.softmax, axis=-1))


def _solved(
    game: Game,
    one: Callable[[Array, Array], tuple[Array, Array]],
    start: Float[Array, "T S A"],
    numbers: Float[Array, " I"],
    policy_of: Callable[[Array], Array],
) -> Solved:
    @jax.jit
    def run() -> tuple[Any, ...]:
        last, later = jax.lax.scan(one, start, numbers)
        first = exploitability(game, policy_of(start))
        policy = policy_of(last)
        return policy, flow_of(game, policy), jnp.append(first, later)

    return Solved(*map(np.asarray, run()))


def _occupancy(game: Game, policy: Float[Array, "T S A"]) -> Float[Array, "T S A"]:
    """How many are at each state and do each action, at each step."""
    return flow_of(game, policy)[..., None] * policy


def _policy(occupancy: Float[Array, "T S A"]) -> Float[Array, "T S A"]:
    """What those do who are there; anything where nobody is."""
    there = jnp.sum(occupancy, axis=-1, keepdims=True)
    share = occupancy / jnp.where(there > 0, there, 1.0)
    return jnp.where(there > 0, share, 1 / occupancy.shape[-1])
