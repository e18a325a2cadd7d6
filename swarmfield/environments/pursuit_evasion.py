"""Pursuit-Evasion: many pursuers on a plane, and one that is faster and knows where to flee."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from swarmfield.environments.immortals import timestep_of_immortals
from swarmfield.environments.motion import Dynamics, Motion, facing, move_all
from swarmfield.environments.options import require_count
from swarmfield.environments.sight import for_all_pairs, number_seen, see_others
from swarmfield.environments.voronoi import Topology, flee
from swarmfield.types import Box, Discrete, Observation, PRNGKey, Scene, TeamSpec, Timestep

SIDE = 100.0
"""Of the square."""
MARGIN = 5.0
"""Nobody begins nearer to the square's edge."""
EVADES_BY = 2.0
"""How far the evader goes in a step: twice as far as a pursuer."""
CAPTURES = 1.0
"""The evader is caught once a pursuer is nearer."""
FARTHEST = float(SIDE * np.sqrt(2))
"""Nobody is farther away, for which everybody would be paid -1."""
MOST_PURSUERS = 10_000
"""More would see too much: what all see of all others takes gigabytes while they act."""


@dataclass(frozen=True)
class PursuitEvasionConfig:
    """Options of Pursuit-Evasion."""

    num_agents: int = 20
    """Pursuers."""
    max_steps: int = 200
    """Steps after which an episode is cut off, if the evader is not caught before."""
    topology: Topology = "torus"
    """Whether the square's edges are joined, or walls."""
    dynamics: Dynamics = "holonomic"
    """Go any of some ways at once, or steer: set speed and turn, or accelerate both."""
    headings: int = 8
    """Ways that a holonomic pursuer can go, beside staying where it is."""
    sees: int | None = None
    """Let a pursuer see that many of the others, the nearest first; all of them, in the order of
    their numbers, if not given."""

    def __post_init__(self) -> None:
        require_count("num_agents", self.num_agents, MOST_PURSUERS)
        require_count("max_steps", self.max_steps)
        require_count("headings", self.headings, 360)
        if self.sees is not None:
            require_count("sees", self.sees, MOST_PURSUERS)


class PursuitEvasionState(eqx.Module):
    """Where N pursuers and the evader are, and what the pursuers did."""

    motion: Motion
    evader: Float[Array, " 2"]
    last_action: Num[Array, "N ..."]
    time: Int[Array, ""]
    distance: Float[Array, ""]


@dataclass(frozen=True)
class PursuitEvasion:
    """Pursuers go one unit a step, the evader two, on a square of 100 x 100.

    All are drawn from [5, 95]^2. The evader flees from the nearest pursuer, so that its Voronoi
    cell stays large (`voronoi.flee`), by where all are before the step. With d the distance from
    the nearest pursuer to it after the step, all pursuers earn

        r = -d / 141.4,

    and the game is over once d < 1. Distances are those around the torus.

    Source: Huettenrauch et al. 2019 and its code, as described by Yu et al. 2023 with 20 pursuers.
    Departures: those of `voronoi.flee` and `motion.move_all`; 200 steps (there 1,024); what is seen
    are offsets instead of distances and bearings.
    """

    config: PursuitEvasionConfig

    name = "pursuit_evasion"
    sides = (("pursuers",),)
    interchangeable = False
    extent = (SIDE, SIDE)

    @property
    def max_steps(self) -> int:
        """Steps of an episode."""
        return self.config.max_steps

    @property
    def description(self) -> str:
        """What was built."""
        where = "torus" if self._is_torus else "walled square"
        who = f"{self.config.num_agents} {self.config.dynamics} pursuers"
        return f"pursuit-evasion: {who} on a {where}, {self.max_steps} steps"

    @cached_property
    def teams(self) -> tuple[TeamSpec, ...]:
        """The only team."""
        n = self.config.num_agents
        actions = Discrete(self.config.headings + 1) if self._is_holonomic else Box(2)
        steers = not self._is_holonomic
        own = 2 * (1 + steers) * (not self._is_torus) + 2 * (self.config.dynamics == "accelerated")
        others = 2 * (1 + steers) * number_seen(n - 1, self.config.sees)
        return (TeamSpec("pursuers", n, actions, None, own + 2 + others),)

    def reset(self, key: PRNGKey) -> tuple[PursuitEvasionState, dict[str, Timestep]]:
        """All anywhere but near the edge, turned any way and at rest."""
        n = self.config.num_agents
        key_place, key_turn = jax.random.split(key)
        places = jax.random.uniform(key_place, (n + 1, 2), minval=MARGIN, maxval=SIDE - MARGIN)
        heading = jax.random.uniform(key_turn, (n,), minval=-jnp.pi, maxval=jnp.pi)
        at_rest = jnp.zeros((n, 2))
        motion = Motion(places[:n], heading, at_rest)
        none = jnp.full(n, self.config.headings + 1, jnp.uint16) if self._is_holonomic else at_rest
        distance = self._distance(places[:n], places[n])
        state = PursuitEvasionState(motion, places[n], none, jnp.int32(0), distance)
        return state, {"pursuers": self._timestep(state, jnp.zeros(n))}

    def step(
        self, key: PRNGKey, state: PursuitEvasionState, actions: Mapping[str, Num[Array, "N ..."]]
    ) -> tuple[PursuitEvasionState, dict[str, Timestep]]:
        """Everybody moves at once; nothing is left to chance."""
        del key
        if self._is_holonomic:
            action = actions["pursuers"].astype(jnp.uint16)
        else:
            action = jnp.clip(actions["pursuers"], -1.0, 1.0)
        dynamics, headings = self.config.dynamics, self.config.headings
        motion = move_all(state.motion, action, dynamics, headings, self._inside)
        way = flee(state.evader, state.motion.position, SIDE, self.config.topology)
        evader = self._inside(state.evader + EVADES_BY * way)
        distance = self._distance(motion.position, evader)
        state = PursuitEvasionState(motion, evader, action, state.time + 1, distance)
        reward = jnp.full(self.config.num_agents, -distance / FARTHEST)
        return state, {"pursuers": self._timestep(state, reward)}

    def observe(self, state: PursuitEvasionState, team: str) -> Observation:
        """Where the evader and the others are, from each pursuer's place."""
        del team  # there is one
        everyone = jnp.arange(self.config.num_agents)
        look = jax.vmap(partial(self._features, state.motion, state.evader))
        return Observation(None, for_all_pairs(look, everyone, everyone.shape[0]))

    def unpack(self, team: str, timestep: Timestep, index: Int[Array, ""]) -> Observation:
        """The same, of one."""
        del team  # there is one
        n = self.config.num_agents
        unseen = jnp.zeros(n), jnp.zeros((n, 2))
        motion = Motion(timestep.position, *(unseen if self._is_holonomic else timestep.own))
        return Observation(None, self._features(motion, timestep.shared["evader"], index))

    def scene(self, state: PursuitEvasionState) -> Scene:
        """The pursuers, and the evader, which is brighter."""
        position = jnp.concatenate([state.motion.position, state.evader[None]])
        n = self.config.num_agents
        return Scene(
            position=position,
            alive=jnp.ones(n + 1, bool),
            level=jnp.full(n + 1, 0.7).at[n].set(1.0),
            size=jnp.ones(n + 1, jnp.uint8),
            walls=None,
        )

    @property
    def _is_torus(self) -> bool:
        return self.config.topology == "torus"

    @property
    def _is_holonomic(self) -> bool:
        return self.config.dynamics == "holonomic"

    def offset(self, vectors: Float[Array, "*B 2"]) -> Float[Array, "*B 2"]:
        """Differences of places, the short way around the torus."""
        return vectors - SIDE * jnp.round(vectors / SIDE) if self._is_torus else vectors

    def _inside(self, position: Float[Array, "*B 2"]) -> Float[Array, "*B 2"]:
        return position % SIDE if self._is_torus else jnp.clip(position, 0.0, SIDE)

    def _distance(
        self, position: Float[Array, "N 2"], evader: Float[Array, " 2"]
    ) -> Float[Array, ""]:
        """From the evader to the nearest pursuer."""
        return jnp.sqrt(jnp.min(jnp.sum(self.offset(position - evader[None]) ** 2, axis=1)))

    def _features(
        self, motion: Motion, evader: Float[Array, " 2"], index: Int[Array, ""]
    ) -> Float[Array, " F"]:
        """In halves of the side; who steers sees the others and the evader as it is turned."""
        own = motion.position[index]
        number, others = see_others(motion.position, index, self.config.sees, self.offset)
        place = [] if self._is_torus else [2 * own[None] / SIDE - 1]
        seen = [self.offset(evader - own)[None], others]
        parts = [part / (SIDE / 2) for part in seen]
        if not self._is_holonomic:
            heading = motion.heading[index]
            parts = [_turned(part, -heading) for part in parts]
            parts.append(facing(motion.heading[number] - heading))
            place += [] if self._is_torus else [facing(heading[None])]
        if self.config.dynamics == "accelerated":
            place.append(motion.rates[index][None])
        return jnp.concatenate([part.reshape(-1) for part in place + parts])

    def _timestep(self, state: PursuitEvasionState, reward: Float[Array, " N"]) -> Timestep:
        caught: Bool[Array, ""] = (state.distance < CAPTURES) & (state.time > 0)
        motion = state.motion
        return timestep_of_immortals(
            shared={"evader": state.evader},
            own=None if self._is_holonomic else (motion.heading, motion.rates),
            position=motion.position,
            last_action=state.last_action,
            reward=reward,
            time=state.time,
            max_steps=self.max_steps,
            over=caught,
            measures={
                "captured": caught.astype(jnp.float32),
                "steps": state.time.astype(jnp.float32),
            },
        )


def _turned(vectors: Float[Array, "M 2"], angle: Float[Array, ""]) -> Float[Array, "M 2"]:
    x, y = vectors.T
    sine, cosine = jnp.sin(angle), jnp.cos(angle)
    return jnp.stack([cosine * x - sine * y, sine * x + cosine * y], axis=1)
