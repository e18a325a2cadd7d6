"""Infinitely many minor agents: their distribution goes on by itself, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from swarmfield.environments.m3fc.crowd import Crowd, shares
from swarmfield.environments.m3fc.minor_major import WORLD, scene_of
from swarmfield.environments.m3fc.model import Model, World
from swarmfield.environments.m3fc.rules import CategoricalRule, Rule
from swarmfield.rule_options import Execution
from swarmfield.types import Discrete, PRNGKey, Scene, SwarmfieldError


class LimitState(eqx.Module):
    """The share of the crowd in each of B states, and the world."""

    shares: Float[Array, " B"]
    world: World
    time: Int[Array, ""]
    shared_return: Float[Array, ""]


@dataclass(frozen=True)
class Limit:
    """The crowd of a model with finitely many states and actions, as N goes to infinity.

    With h the rule by which all act,

        mu'(x') = sum_x sum_u mu(x) h(u | x) p(x' | x, u, x0, u0, mu),

    for moves that leave nothing to chance: the crowd is the B A pairs of a state and an action,
    each with its share, and the model moves and pays it like any other. The world draws what it
    draws for finitely many agents with the same key.

    Source: Cui et al. 2024, the system with infinitely many agents.

    Raises:
        SwarmfieldError: The model has infinitely many states, or is left to chance.
    """

    model: Model

    def __post_init__(self) -> None:
        if self.model.cells is None or not isinstance(self.model.actions, Discrete):
            raise SwarmfieldError(
                f"{self.model.name!r} has infinitely many states, so that its limit is not known "
                "exactly: use many agents instead."
            )

    @property
    def description(self) -> str:
        """What it is the limit of."""
        return f"{self.model.name}: infinitely many minor agents, {self._max_steps} steps"

    @property
    def _max_steps(self) -> int:
        return self.model.config.max_steps

    @cached_property
    def states(self) -> Int[np.ndarray, "B D"]:
        """All of them, in the order of the bins."""
        axes = [np.arange(count) for count in self.model.bins.counts]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        return grid.reshape(-1, len(axes)).astype(np.int32)

    def begin(self, key: PRNGKey) -> LimitState:
        """Everybody anywhere, with equal shares."""
        number = self.states.shape[0]
        world = self.model.found(jax.random.fold_in(key, WORLD))
        return LimitState(jnp.full(number, 1 / number), world, jnp.int32(0), jnp.zeros(()))

    def crowd(self, state: LimitState) -> Crowd:
        """All states, each with its share."""
        return Crowd(jnp.asarray(self.states), state.shares)

    def scene(self, state: LimitState) -> Scene:
        """All states, the brighter the larger their shares."""
        level = state.shares / jnp.max(state.shares)
        return scene_of(self.model, jnp.asarray(self.states), level, state.world)

    def rows(self, execution: Execution) -> int:
        """How many rules it is told at a time: one."""
        if execution != "centralised":
            raise SwarmfieldError(
                f"--execution is {execution!r}, but infinitely many agents cannot draw a rule "
                "each; choose centralised, or many agents."
            )
        return 1

    def led(
        self,
        key: PRNGKey,
        state: LimitState,
        rule: Rule,
        numbers: Float[Array, "1 P"],
        major: Num[Array, ...],
    ) -> tuple[LimitState, Float[Array, ""]]:
        """One step, in which all act by a rule: the next state, and the reward.

        Args:
            key: Draws what the world draws.
            state: As it is.
            rule: How to read the numbers.
            numbers: h.
            major: What the major agent does.
        """
        assert isinstance(rule, CategoricalRule), "actions are discrete"
        states = jnp.asarray(self.states)
        chances = rule.probabilities(numbers[0], states)
        number, num_actions = chances.shape
        weight = (state.shares[:, None] * chances).reshape(-1)
        crowd = Crowd(jnp.repeat(states, num_actions, axis=0), weight)
        action = jnp.tile(jnp.arange(num_actions), number)
        reward = self.model.reward(crowd, state.world, action, major)
        moved = Crowd(self.model.move(key, crowd, state.world, action), weight)
        world = self.model.change(jax.random.fold_in(key, WORLD), crowd, state.world, major)
        there = shares(moved, self.model.bins.index(moved.state), number)
        paid = state.shared_return + reward
        return LimitState(there, world, state.time + 1, paid), reward
