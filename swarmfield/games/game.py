"""Mean-field games with finitely many states, actions and steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from swarmfield.types import SwarmfieldError


@dataclass(frozen=True, eq=False)
class Game:
    """One of infinitely many agents, each of whom wants the most for itself.

    With mu_t the distribution of all of them, an agent at s that does a gets r(s, a, mu_t) and is
    next at s' with probability P(s' | s, a, mu_t), for T steps; what happens behind the last one
    counts for nothing. A policy pi is a probability of each action at each state and time, and

        mu_{t+1}(s') = sum_s sum_a mu_t(s) pi_t(a | s) P(s' | s, a, mu_t)

    the flow that it makes if all have it. Dense: P takes S A S numbers.

    Attributes:
        name: In the registry.
        description: One line for people.
        states: What states are called.
        actions: What actions are called.
        steps: T.
        start: mu_0.
        reward: `(mu) -> r`.
        transition: `(mu) -> P`.

    Raises:
        SwarmfieldError: `start` is no distribution of the states.
    """

    name: str
    description: str
    states: tuple[str, ...]
    actions: tuple[str, ...]
    steps: int
    start: Float[np.ndarray, " S"]
    reward: Callable[[Float[Array, " S"]], Float[Array, "S A"]]
    transition: Callable[[Float[Array, " S"]], Float[Array, "S A S"]]

    def __post_init__(self) -> None:
        if self.start.shape != (len(self.states),) or abs(float(self.start.sum()) - 1) > 1e-6:
            raise SwarmfieldError(
                f"The start of game {self.name!r} is {self.start.tolist()}, but must be a share "
                f"for each of its {len(self.states)} states, which sum to 1."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of policies: steps, states, actions."""
        return self.steps, len(self.states), len(self.actions)

    def uniform(self) -> Float[Array, "T S A"]:
        """The policy that does anything, all as likely."""
        return jnp.full(self.shape, 1 / len(self.actions))
