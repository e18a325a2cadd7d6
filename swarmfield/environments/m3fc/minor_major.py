"""An environment of N minor agents and at most one major agent, each acting for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from swarmfield.environments.immortals import timestep_of_immortals
from swarmfield.environments.m3fc.crowd import Crowd
from swarmfield.environments.m3fc.model import Model, World
from swarmfield.environments.m3fc.rules import Rule
from swarmfield.rule_options import Execution
from swarmfield.types import Box, Observation, PRNGKey, Scene, TeamSpec, Timestep

TEAM = "agents"
MINOR, MAJOR = 0, 1
"""Kinds of agents."""
MINORS, WORLD, RULES = 0, 1, 2
"""Folded into keys: draws of the world are the same for any number of agents."""
_LEVEL = 0.5
"""How brightly minor agents are drawn; the major one is brighter."""


class MinorMajorState(eqx.Module):
    """Where N minor agents are, their world, and what all did."""

    minors: Num[Array, "N D"]
    world: World
    last_action: Num[Array, "M ..."]
    time: Int[Array, ""]
    shared_return: Float[Array, ""]


@dataclass(frozen=True)
class MinorMajor:
    """N minor agents, and behind them the major one if there is one, in one team.

    All are paid the same reward. Each sees itself (the major agent zeros in that place), whether
    it is the major one if there is one, and what all see: the crowd in bins, and the world.

    Measures: `shared_return`, the sum of the reward that all share, once. The return is that of
    the team, so many times as much as there are agents.

    Source: Cui et al. 2024 and its code, where agents are not told which they are: the major
    one's own place is the middle there, which is nobody's.
    """

    model: Model

    interchangeable = False
    sides = ((TEAM,),)

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    @property
    def extent(self) -> tuple[float, float]:
        """Of the picture."""
        return self.model.extent

    @property
    def max_steps(self) -> int:
        """Steps of an episode."""
        return self.model.config.max_steps

    @property
    def description(self) -> str:
        """What was built."""
        return f"{self.model.description}, {self.max_steps} steps"

    @property
    def num_minors(self) -> int:
        """N."""
        return self.model.config.num_agents

    @cached_property
    def teams(self) -> tuple[TeamSpec, ...]:
        """The only team."""
        model, majors = self.model, int(self.model.has_major)
        team = TeamSpec(
            TEAM,
            self.num_minors + majors,
            model.actions,
            None,
            model.num_own + majors + model.num_public,
            num_kinds=1 + majors,
            cells=model.cells,
        )
        return (team,)

    def reset(self, key: PRNGKey) -> tuple[MinorMajorState, dict[str, Timestep]]:
        """Start an episode."""
        minors = self.model.begin(jax.random.fold_in(key, MINORS), self.num_minors)
        world = self.model.found(jax.random.fold_in(key, WORLD))
        state = MinorMajorState(minors, world, self._no_action(), jnp.int32(0), jnp.zeros(()))
        return state, {TEAM: self._timestep(state, jnp.zeros(()))}

    def step(
        self, key: PRNGKey, state: MinorMajorState, actions: Mapping[str, Num[Array, "M ..."]]
    ) -> tuple[MinorMajorState, dict[str, Timestep]]:
        """All act at once, and are paid for where they were."""
        action = self._valid(actions[TEAM])
        minor, major = action[: self.num_minors], self._of_major(action)
        crowd, world = Crowd(state.minors), state.world
        reward = self.model.reward(crowd, world, minor, major)
        state = MinorMajorState(
            self.model.move(jax.random.fold_in(key, MINORS), crowd, world, minor),
            self.model.change(jax.random.fold_in(key, WORLD), crowd, world, major),
            action,
            state.time + 1,
            state.shared_return + reward,
        )
        return state, {TEAM: self._timestep(state, reward)}

    def begin(self, key: PRNGKey) -> MinorMajorState:
        """Start an episode."""
        return self.reset(key)[0]

    def rows(self, execution: Execution) -> int:
        """How many rules it is told at a time: one for all, or one for each minor agent."""
        return 1 if execution == "centralised" else self.num_minors

    def led(
        self,
        key: PRNGKey,
        state: MinorMajorState,
        rule: Rule,
        numbers: Float[Array, "R P"],
        major: Num[Array, ...],
    ) -> tuple[MinorMajorState, Float[Array, ""]]:
        """One step, in which all minor agents draw from a rule what they do, or each from its own.

        Args:
            key: Draws what agents and the world draw.
            state: As it is.
            rule: How to read the numbers.
            numbers: Of one rule for all, or of one for each.
            major: What the major agent does.
        """
        action = _drawn(jax.random.fold_in(key, RULES), rule, numbers, state.minors)
        if self.model.has_major:
            action = jnp.concatenate([action, major[None].astype(action.dtype)])
        state, timesteps = self.step(key, state, {TEAM: action})
        return state, timesteps[TEAM].reward[0]

    def crowd(self, state: MinorMajorState) -> Crowd:
        """The minor agents."""
        return Crowd(state.minors)

    def observe(self, state: MinorMajorState, team: str) -> Observation:
        """What each sees."""
        del team  # there is one
        timestep = self._timestep(state, jnp.zeros(()))
        everyone = jnp.arange(self.teams[0].num_agents)
        return jax.vmap(lambda index: self.unpack(TEAM, timestep, index))(everyone)

    def unpack(self, team: str, timestep: Timestep, index: Int[Array, ""]) -> Observation:
        """What one of them sees."""
        del team  # there is one
        state = timestep.position[index]
        if timestep.own is not None:
            state = jnp.concatenate([state, timestep.own[index]])
        own = self.model.own(state)
        if not self.model.has_major:
            return Observation(None, jnp.concatenate([own, timestep.shared]))
        is_major = index == self.num_minors
        told = is_major[None].astype(jnp.float32)
        parts = [jnp.where(is_major, 0.0, own), told, timestep.shared]
        return Observation(None, jnp.concatenate(parts))

    def scene(self, state: MinorMajorState) -> Scene:
        """The minor agents, the major one, and what else there is."""
        place = state.minors[:, : self.model.dimensions]
        return scene_of(self.model, place, jnp.full(self.num_minors, _LEVEL), state.world)

    def _places(self, state: MinorMajorState) -> Num[Array, "M D"]:
        """Of all agents."""
        place = state.minors[:, : self.model.dimensions]
        if not self.model.has_major:
            return place
        return jnp.concatenate([place, self.model.place_of_major(state.world)[None]])

    def _no_action(self) -> Num[Array, "M ..."]:
        number, actions = self.teams[0].num_agents, self.model.actions
        if isinstance(actions, Box):
            return jnp.zeros((number, actions.dimensions))
        return jnp.full(number, actions.num_actions, jnp.uint8)

    def _valid(self, action: Num[Array, "M ..."]) -> Num[Array, "M ..."]:
        """Actions as they are executed."""
        if isinstance(self.model.actions, Box):
            return jnp.clip(action, self.model.actions.low, self.model.actions.high)
        return action.astype(jnp.uint8)

    def _of_major(self, action: Num[Array, "M ..."]) -> Num[Array, ...]:
        """What the major agent does: nothing if there is none."""
        return action[-1] if self.model.has_major else jnp.zeros_like(action[-1])

    def _timestep(self, state: MinorMajorState, reward: Float[Array, ""]) -> Timestep:
        model, number = self.model, self.teams[0].num_agents
        extra: Any = state.minors[:, model.dimensions :]
        if model.has_major:
            extra = jnp.pad(extra, ((0, 1), (0, 0)))
        timestep = timestep_of_immortals(
            shared=model.public(Crowd(state.minors), state.world),
            own=extra if extra.shape[1] else None,
            position=self._places(state),
            last_action=state.last_action,
            reward=jnp.full(number, reward),
            time=state.time,
            max_steps=self.max_steps,
            measures={"shared_return": state.shared_return},
        )
        kind = jnp.full(number, MINOR, jnp.uint8)
        if model.has_major:
            kind = kind.at[-1].set(MAJOR)
        return eqx.tree_at(lambda t: t.kind, timestep, kind)


def _drawn(
    key: PRNGKey, rule: Rule, numbers: Float[Array, "R P"], minors: Num[Array, "N D"]
) -> Num[Array, "N ..."]:
    """What minor agents do by one rule, or each by its own."""
    if numbers.shape[0] == 1:
        return rule.draw(numbers[0], minors, key)
    keys = jax.vmap(lambda index: jax.random.fold_in(key, index))(jnp.arange(minors.shape[0]))
    return jax.vmap(rule.draw)(numbers, minors[:, None], keys)[:, 0]


def scene_of(
    model: Model, place: Num[Array, "M D"], level: Float[Array, " M"], world: World
) -> Scene:
    """A crowd, the major agent if there is one, and what else there is.

    Args:
        model: Theirs.
        place: Where the crowd is.
        level: How brightly it is drawn there.
        world: Of that instant.
    """
    marks, cells, majors = model.marks(world), model.cells, int(model.has_major)
    if majors:
        place = jnp.concatenate([place, model.place_of_major(world)[None]])
        level = jnp.append(level, 1.0)
    sorts = [np.zeros(level.shape[0] - majors, int), np.ones(majors, int), 1 + majors + marks.sort]
    return Scene(
        position=model.drawn(jnp.concatenate([place, marks.place])),
        alive=jnp.concatenate([jnp.ones(level.shape[0], bool), marks.there]),
        level=jnp.concatenate([level, marks.level]),
        size=jnp.ones(level.shape[0] + marks.level.shape[0], jnp.uint8),
        walls=None if cells is None else jnp.zeros(cells[::-1], bool),
        sort=jnp.asarray(np.concatenate(sorts)),
        names=("minor agents", *["major agent"] * majors, *model.names_of_marks),
    )
