"""The bar: an evening there is worth going out for, as long as not too many do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Integer, UInt8

from swarmfield.environments.immortals import timestep_of_immortals
from swarmfield.environments.options import require_count
from swarmfield.types import Discrete, Observation, PRNGKey, Scene, TeamSpec, Timestep

STAY, GO = 0, 1
MOST_PEOPLE = 10**7
_AT_HOME, _SERVED, _CROWDED = 0.6, 1.0, 0.2
"""How brightly people are drawn."""


@dataclass(frozen=True)
class BarConfig:
    """Options of the bar."""

    num_agents: int = 100
    """People, each of whom stays at home or goes out every night."""
    capacity: int | None = None
    """People who fit in without a crowd; 60 % of all if not given."""
    max_steps: int = 50
    """Nights of an episode."""

    def __post_init__(self) -> None:
        require_count("num_agents", self.num_agents, MOST_PEOPLE)
        require_count("max_steps", self.max_steps)
        if self.capacity is not None:
            require_count("capacity", self.capacity, self.num_agents)


class BarState(eqx.Module):
    """How many went the night before, and what N people did."""

    attendance: Int[Array, ""]
    last_action: UInt8[Array, " N"]
    time: Int[Array, ""]
    visits: Float[Array, ""]
    crowds: Int[Array, ""]


@dataclass(frozen=True)
class Bar:
    """Every night each of N people stays at home or goes to a bar that holds C.

    With n = how many go, who goes earns +1 if n <= C and -1 if n > C; who stays earns 0. All see
    the same one number, the share n / N of the night before; before the first night n is
    uniform over 0 ... N.

    Nothing in what they see tells people apart, so that whoever acts by it alone either all go or
    all stay. The best for all is that C go, the same or others, which is worth C / N a night to
    each (0.6); if each goes with some probability of its own accord, 0.478 with 100 people. In
    the mixed equilibrium it is worth 0.

    Source: the El Farol problem (Arthur 1994) as in Yu et al. 2023, with 100 people and room for
    60. They do not give what staying at home is worth, nor the length of an episode: 0, with
    which the best is the 0.6 that they call so, and 50 nights.
    """

    config: BarConfig

    name = "bar"
    sides = (("people",),)
    interchangeable = False

    @property
    def capacity(self) -> int:
        """C."""
        given = self.config.capacity
        return max(1, self.config.num_agents * 3 // 5) if given is None else given

    @property
    def max_steps(self) -> int:
        """Nights of an episode."""
        return self.config.max_steps

    @property
    def description(self) -> str:
        """What was built."""
        return (
            f"bar: {self.config.num_agents} people and room for {self.capacity}, "
            f"{self.max_steps} nights"
        )

    @cached_property
    def teams(self) -> tuple[TeamSpec, ...]:
        """The only team."""
        return (TeamSpec("people", self.config.num_agents, Discrete(2), None, 1),)

    @cached_property
    def extent(self) -> tuple[float, float]:
        """Everybody's home on the left, and the same places in the bar on the right."""
        return float(2 * self._side + 1), float(self._side)

    def reset(self, key: PRNGKey) -> tuple[BarState, dict[str, Timestep]]:
        """Any number of people went before."""
        n = self.config.num_agents
        attendance = jax.random.randint(key, (), 0, n + 1, jnp.int32)
        nothing = jnp.full(n, 2, jnp.uint8)
        state = BarState(attendance, nothing, jnp.int32(0), jnp.zeros(()), jnp.int32(0))
        return state, {"people": self._timestep(state, jnp.zeros(n))}

    def step(
        self, key: PRNGKey, state: BarState, actions: Mapping[str, Integer[Array, " N"]]
    ) -> tuple[BarState, dict[str, Timestep]]:
        """A night; nothing is left to chance."""
        del key
        action = actions["people"].astype(jnp.uint8)
        goes = action == GO
        attendance = jnp.sum(goes, dtype=jnp.int32)
        is_crowded = attendance > self.capacity
        reward = jnp.where(goes, jnp.where(is_crowded, -1.0, 1.0), 0.0)
        state = BarState(
            attendance,
            action,
            state.time + 1,
            state.visits + attendance.astype(jnp.float32),
            state.crowds + is_crowded,
        )
        return state, {"people": self._timestep(state, reward)}

    def observe(self, state: BarState, team: str) -> Observation:
        """How full it was, for everybody the same."""
        del team  # there is one
        seen = self._features(state.attendance)
        return Observation(None, jnp.broadcast_to(seen, (self.config.num_agents, 1)))

    def unpack(self, team: str, timestep: Timestep, index: Int[Array, ""]) -> Observation:
        """The same, of one."""
        del team, index  # there is one, and all see the same
        return Observation(None, self._features(timestep.shared["attendance"]))

    def scene(self, state: BarState) -> Scene:
        """Who is where; dark in a crowd."""
        n = self.config.num_agents
        goes = state.last_action == GO
        there = jnp.where(state.attendance > self.capacity, _CROWDED, _SERVED)
        right = jnp.array([self._side + 1.0, 0.0])
        return Scene(
            position=jnp.asarray(self._homes) + jnp.where(goes[:, None], right, 0.0),
            alive=jnp.ones(n, bool),
            level=jnp.where(goes, there, _AT_HOME),
            size=jnp.ones(n, jnp.uint8),
            walls=None,
        )

    @cached_property
    def _side(self) -> int:
        """People of a row."""
        return math.isqrt(self.config.num_agents - 1) + 1

    @cached_property
    def _homes(self) -> Float[np.ndarray, "N 2"]:
        row, column = np.divmod(np.arange(self.config.num_agents), self._side)
        return (np.stack([column, row], axis=1) + 0.5).astype(np.float32)

    def _features(self, attendance: Int[Array, ""]) -> Float[Array, " 1"]:
        return attendance[None].astype(jnp.float32) / self.config.num_agents

    def _timestep(self, state: BarState, reward: Float[Array, " N"]) -> Timestep:
        return timestep_of_immortals(
            shared={"attendance": state.attendance},
            position=jnp.asarray(self._homes),
            last_action=state.last_action,
            reward=reward,
            time=state.time,
            max_steps=self.max_steps,
            measures={
                "visits": state.visits,
                "crowded": state.crowds.astype(jnp.float32),
            },
        )
