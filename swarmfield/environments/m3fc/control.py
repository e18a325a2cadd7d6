"""Mean field control: one who sees the whole crowd tells it by what rule to act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from swarmfield.environments.m3fc.minor_major import TEAM, MinorMajor, MinorMajorState
from swarmfield.environments.m3fc.model import Model
from swarmfield.environments.m3fc.rules import Rule
from swarmfield.rule_options import Execution
from swarmfield.types import (
    Box,
    Discrete,
    Observation,
    PRNGKey,
    Product,
    Scene,
    TeamSpec,
    Timestep,
)

CONTROLLER = "controller"
_DRAWING = 2
"""Folded into keys for what rules draw, beside what the world and minor agents draw."""


@dataclass(frozen=True)
class MeanFieldControl:
    """A crowd as the problem of one agent, whose action is a rule for the minor agents.

    Its state is what can be seen of the distribution of the crowd and of the world, its action the
    numbers of a rule h and what the major agent does, its reward the one that all share. In each
    step every minor agent draws what it does from h, by where it is.

    In decentralised execution every minor agent has a row of its own and draws an h for itself;
    the major agent does what the first row says. An h of all of them is never communicated.

    Source: Cui et al. 2024, where the problem with infinitely many agents is a Markov decision
    process, and what is learned in it is nearly the best that many agents can do.
    """

    world: MinorMajor
    rule: Rule
    execution: Execution = "centralised"

    interchangeable = False
    sides = ((CONTROLLER,),)

    @property
    def name(self) -> str:
        """The world's."""
        return self.world.name

    @property
    def extent(self) -> tuple[float, float]:
        """Of the picture."""
        return self.world.extent

    @property
    def max_steps(self) -> int:
        """Steps of an episode."""
        return self.world.max_steps

    @property
    def description(self) -> str:
        """What was built."""
        return f"{self.world.description}, {self.execution} control"

    @cached_property
    def teams(self) -> tuple[TeamSpec, ...]:
        """The only team."""
        model = self.world.model
        rows = 1 if self.execution == "centralised" else self.world.num_minors
        actions = actions_of(model, self.rule)
        return (TeamSpec(CONTROLLER, rows, actions, None, model.num_controlled),)

    def reset(self, key: PRNGKey) -> tuple[MinorMajorState, dict[str, Timestep]]:
        """Start an episode."""
        state, timesteps = self.world.reset(key)
        nothing = jnp.zeros((self.teams[0].num_agents, self._num_numbers))
        return state, {CONTROLLER: self._timestep(timesteps[TEAM], nothing)}

    def step(
        self, key: PRNGKey, state: MinorMajorState, actions: Mapping[str, Float[Array, "R P"]]
    ) -> tuple[MinorMajorState, dict[str, Timestep]]:
        """All act by the rule, or each by its own."""
        numbers = actions[CONTROLLER]
        action = self._drawn(jax.random.fold_in(key, _DRAWING), state.minors, numbers)
        if self.world.model.has_major:
            major = major_of(self.world.model, numbers[0, self.rule.size :])
            action = jnp.concatenate([action, major[None].astype(action.dtype)])
        state, timesteps = self.world.step(key, state, {TEAM: action})
        return state, {CONTROLLER: self._timestep(timesteps[TEAM], numbers)}

    def observe(self, state: MinorMajorState, team: str) -> Observation:
        """What is seen of the crowd and the world."""
        del team  # there is one
        model = self.world.model
        seen = model.public(self.world.crowd(state), state.world)[: model.num_controlled]
        return Observation(None, jnp.broadcast_to(seen, (self.teams[0].num_agents, *seen.shape)))

    def unpack(self, team: str, timestep: Timestep, index: Int[Array, ""]) -> Observation:
        """The same; every row sees the same."""
        del team, index
        return Observation(None, timestep.shared)

    def scene(self, state: MinorMajorState) -> Scene:
        """The world's."""
        return self.world.scene(state)

    @property
    def _num_numbers(self) -> int:
        return self.rule.size + numbers_of_major(self.world.model)

    def _drawn(
        self, key: PRNGKey, minors: Num[Array, "N D"], numbers: Float[Array, "R P"]
    ) -> Num[Array, "N ..."]:
        of_rule = numbers[:, : self.rule.size]
        if self.execution == "centralised":
            return self.rule.draw(of_rule[0], minors, key)
        keys = jax.vmap(lambda index: jax.random.fold_in(key, index))(jnp.arange(minors.shape[0]))
        return jax.vmap(self.rule.draw)(of_rule, minors[:, None], keys)[:, 0]

    def _timestep(self, timestep: Timestep, numbers: Float[Array, "R P"]) -> Timestep:
        """The controller's, from that of the agents."""
        rows = numbers.shape[0]
        return Timestep(
            shared=timestep.shared[: self.world.model.num_controlled],
            own=None,
            first=timestep.first,
            alive=timestep.alive[:rows],
            legal=None,
            kind=jnp.zeros(rows, jnp.uint8),
            position=jnp.zeros((rows, 1)),
            last_action=numbers,
            reward=timestep.reward[:rows],
            terminated=timestep.terminated[:rows],
            truncated=timestep.truncated,
            trained=timestep.trained[:rows],
            measures=timestep.measures,
        )


def actions_of(model: Model, rule: Rule) -> Box | Product:
    """The numbers of a rule, and what the major agent does if there is one."""
    of_rule = Box(rule.size)
    return Product((of_rule, model.actions)) if model.has_major else of_rule


def numbers_of_major(model: Model) -> int:
    """Entries of the major agent's action in a controller's: a discrete one is its number."""
    if not model.has_major:
        return 0
    return model.actions.dimensions if isinstance(model.actions, Box) else 1


def major_of(model: Model, numbers: Float[Array, " U"]) -> Num[Array, ...]:
    """The major agent's action, from its entries in a controller's."""
    if isinstance(model.actions, Discrete):
        return numbers[0].astype(jnp.uint8)
    return jnp.clip(numbers, model.actions.low, model.actions.high)
