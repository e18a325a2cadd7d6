"""Pursuit-Evasion: many pursuers on a plane, and one that is faster and knows where to flee."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from swarmfield.environments.immortals import timestep_of_immortals
from swarmfield.environments.motion import Dynamics, Motion, move_all
from swarmfield.environments.options import require_count
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
FARTHEST = float(100 * np.sqrt(2))
"""The reward does not fall beyond this distance."""
MOST_PURSUERS = 10**6


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

        r = -min(d, 141.4) / 141.4,

    and the game is over once d < 1. Distances are those around the torus.

    Source: Huettenrauch et al. 2019 and its code, as described by Yu et al. 2023 with 20 pursuers.
    Departures: the evader heeds all pursuers (there the ten nearest); the holonomic pursuer, and
    200 steps (there 1,024), are ours; what is seen are offsets instead of distances and bearings.
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
        own = 2 * (not self._is_torus) + 2 * (self.config.dynamics == "accelerated")
        each = 2 if self._is_holonomic else 4
        return (TeamSpec("pursuers", n, actions, None, own + 2 + each * self._others_seen),)

    def reset(self, key: PRNGKey) -> tuple[PursuitEvasionState, dict[str, Timestep]]:
        """All anywhere but near the edge, turned any way."""
        n = self.config.num_agents
        key_place, key_turn = jax.random.split(key)
        places = jax.random.uniform(key_place, (n + 1, 2), minval=MARGIN, maxval=SIDE - MARGIN)
        heading = jax.random.uniform(key_turn, (n,), minval=-jnp.pi, maxval=jnp.pi)
        motion = Motion(places[:n], heading, jnp.zeros((n, 2)))
        none = jnp.zeros((n, 2))
        if self._is_holonomic:
            none = jnp.full(n, self.config.headings + 1, jnp.uint16)
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
        motion = move_all(state.motion, action, self.config.dynamics, self.config.headings)
        motion = eqx.tree_at(lambda each: each.position, motion, self._inside(motion.position))
        way = flee(state.evader, state.motion.position, SIDE, self.config.topology)
        evader = self._inside(state.evader + EVADES_BY * way)
        distance = self._distance(motion.position, evader)
        state = PursuitEvasionState(motion, evader, action, state.time + 1, distance)
        reward = jnp.full(self.config.num_agents, -jnp.minimum(distance, FARTHEST) / FARTHEST)
        return state, {"pursuers": self._timestep(state, reward)}

    def observe(self, state: PursuitEvasionState, team: str) -> Observation:
        """Where the evader and the others are, from each pursuer's place."""
        del team  # there is one
        everyone = jnp.arange(self.config.num_agents)
        look = jax.vmap(self._features, in_axes=(None, None, 0))
        return Observation(None, look(state.motion, state.evader, everyone))

    def unpack(self, team: str, timestep: Timestep, index: Int[Array, ""]) -> Observation:
        """The same, of one."""
        del team  # there is one
        own = timestep.own
        motion = Motion(timestep.position, own["heading"], own["rates"])
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

    @property
    def _others_seen(self) -> int:
        others = self.config.num_agents - 1
        return others if self.config.sees is None else min(self.config.sees, others)

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
        """In halves of the side; pursuers that steer see all of it turned by their own heading."""
        own = motion.position[index]
        number = jnp.arange(self.config.num_agents - 1)
        number = number + (number >= index)
        others = self.offset(motion.position[number] - own[None])
        if self.config.sees is not None:
            near = jax.lax.top_k(-jnp.sum(others**2, axis=1), self._others_seen)[1]
            number, others = number[near], others[near]
        seen = [self.offset(evader - own)[None], others]
        if self._is_holonomic:
            parts = [part / (SIDE / 2) for part in seen]
        else:
            heading = motion.heading[index]
            parts = [_turned(part / (SIDE / 2), -heading) for part in seen]
            turn = motion.heading[number] - heading
            parts.append(jnp.stack([jnp.cos(turn), jnp.sin(turn)], axis=1))
        own_parts = [] if self._is_torus else [2 * own / SIDE - 1]
        if self.config.dynamics == "accelerated":
            own_parts.append(motion.rates[index])
        return jnp.concatenate([*own_parts, *(part.reshape(-1) for part in parts)])

    def _timestep(self, state: PursuitEvasionState, reward: Float[Array, " N"]) -> Timestep:
        caught: Bool[Array, ""] = (state.distance < CAPTURES) & (state.time > 0)
        motion = state.motion
        return timestep_of_immortals(
            shared={"evader": state.evader},
            own={"heading": motion.heading, "rates": motion.rates},
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
