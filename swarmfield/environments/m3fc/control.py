"""Mean field control: one who sees the whole crowd tells it by what rule to act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from swarmfield.environments.immortals import timestep_of_immortals
from swarmfield.environments.m3fc.crowd import Crowd
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


class Population(Protocol):
    """A crowd that acts by rules: `MinorMajor` with N agents, `Limit` with infinitely many.

    Their states have a `world`, a `time` and a `shared_return`.
    """

    @property
    def model(self) -> Model:
        """How it goes on."""
        ...

    @property
    def description(self) -> str:
        """What was built."""
        ...

    def begin(self, key: PRNGKey) -> Any:
        """Start an episode."""
        ...

    def rows(self, execution: Execution) -> int:
        """How many rules it is told at a time.

        Raises:
            SwarmfieldError: It cannot act in that way.
        """
        ...

    def led(
        self,
        key: PRNGKey,
        state: Any,
        rule: Rule,
        numbers: Float[Array, "R P"],
        major: Num[Array, ...],
    ) -> tuple[Any, Float[Array, ""]]:
        """The next state and the reward, if all act by a rule, or each by its own."""
        ...

    def crowd(self, state: Any) -> Crowd:
        """Its distribution."""
        ...

    def scene(self, state: Any) -> Scene:
        """What to draw."""
        ...


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

    population: Population
    rule: Rule
    execution: Execution = "centralised"

    interchangeable = False
    sides = ((CONTROLLER,),)

    @property
    def name(self) -> str:
        """The model's."""
        return self._model.name

    @property
    def extent(self) -> tuple[float, float]:
        """Of the picture."""
        return self._model.extent

    @property
    def max_steps(self) -> int:
        """Steps of an episode."""
        return self._model.config.max_steps

    @property
    def description(self) -> str:
        """What was built."""
        return f"{self.population.description}, {self.execution} control"

    @cached_property
    def teams(self) -> tuple[TeamSpec, ...]:
        """The only team."""
        rows, actions = self.population.rows(self.execution), actions_of(self._model, self.rule)
        return (TeamSpec(CONTROLLER, rows, actions, None, self._model.num_controlled),)

    def reset(self, key: PRNGKey) -> tuple[Any, dict[str, Timestep]]:
        """Start an episode."""
        state = self.population.begin(key)
        length = self.rule.size + numbers_of_major(self._model)
        nothing = jnp.zeros((self.teams[0].num_agents, length))
        return state, {CONTROLLER: self._timestep(state, nothing, jnp.zeros(()))}

    def step(
        self, key: PRNGKey, state: Any, actions: Mapping[str, Float[Array, "R P"]]
    ) -> tuple[Any, dict[str, Timestep]]:
        """All act by the rule, or each by its own."""
        numbers = actions[CONTROLLER]
        major = major_of(self._model, numbers[0, self.rule.size :])
        of_rule = numbers[:, : self.rule.size]
        state, reward = self.population.led(key, state, self.rule, of_rule, major)
        return state, {CONTROLLER: self._timestep(state, numbers, reward)}

    def observe(self, state: Any, team: str) -> Observation:
        """What is seen of the crowd and the world."""
        del team  # there is one
        seen = self._seen(state)
        return Observation(None, jnp.broadcast_to(seen, (self.teams[0].num_agents, *seen.shape)))

    def unpack(self, team: str, timestep: Timestep, index: Int[Array, ""]) -> Observation:
        """The same; every row sees the same."""
        del team, index
        return Observation(None, timestep.shared)

    def scene(self, state: Any) -> Scene:
        """The population's."""
        return self.population.scene(state)

    @property
    def _model(self) -> Model:
        return self.population.model

    def _seen(self, state: Any) -> Float[Array, " P"]:
        public = self._model.public(self.population.crowd(state), state.world)
        return public[: self._model.num_controlled]

    def _timestep(
        self, state: Any, numbers: Float[Array, "R P"], reward: Float[Array, ""]
    ) -> Timestep:
        rows = numbers.shape[0]
        return timestep_of_immortals(
            shared=self._seen(state),
            position=jnp.zeros((rows, 1)),
            last_action=numbers,
            reward=jnp.full(rows, reward),
            time=state.time,
            max_steps=self.max_steps,
            measures={"shared_return": state.shared_return},
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
    """The major agent's action, from its entries in a controller's; zeros if there is none."""
    if isinstance(model.actions, Discrete):
        return numbers[0].astype(jnp.uint8) if model.has_major else jnp.uint8(0)
    if not model.has_major:
        return jnp.zeros(model.actions.dimensions)
    return jnp.clip(numbers, model.actions.low, model.actions.high)
