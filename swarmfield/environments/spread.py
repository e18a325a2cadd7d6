"""Spread: agents on a plane cover landmarks without running into each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num

from swarmfield.environments.immortals import timestep_of_immortals
from swarmfield.environments.options import require_count
from swarmfield.environments.sight import for_all_pairs, nearest, number_seen, see_others
from swarmfield.types import Box, Discrete, Observation, PRNGKey, Scene, TeamSpec, Timestep

DIRECTIONS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
"""Where each of the five actions pushes."""
RADIUS = 0.15
"""Of an agent: two that are closer than twice this collide."""
STEP, DAMPING, PUSH = 0.1, 0.25, 5.0
"""Seconds, the share of the speed that is lost in a step, and the force of an action."""
CONTACT_FORCE, CONTACT_MARGIN = 100.0, 1e-3
SHOWN = 1.5
"""Pictures show the places up to there: agents may leave the square in which all begin."""
MOST_AGENTS = 8192


@dataclass(frozen=True)
class SpreadConfig:
    """Options of Spread."""

    num_agents: int = 6
    """Agents."""
    num_landmarks: int | None = None
    """Landmarks; as many as agents if not given."""
    max_steps: int = 25
    """Steps after which an episode is cut off."""
    actions: Literal["discrete", "continuous"] = "discrete"
    """Push one way or none, or with any force up to the full one along either axis."""
    reward: Literal["mpe", "jaxmarl"] = "mpe"
    """Pay for the landmarks and for one's own collisions in full, or for half of each."""
    integration: Literal["semi_implicit", "explicit"] = "semi_implicit"
    """Move by the new velocity, as in the original particle world, or by the old one, as in
    PettingZoo's and JaxMARL's."""
    sees: int | None = None
    """Let an agent see that many of the others and of the landmarks, the nearest first; all of
    them, in the order of their numbers, if not given."""

    def __post_init__(self) -> None:
        require_count("num_agents", self.num_agents, MOST_AGENTS)
        require_count("max_steps", self.max_steps)
        for name in ("num_landmarks", "sees"):
            if getattr(self, name) is not None:
                require_count(name, getattr(self, name), MOST_AGENTS)


class Contact(NamedTuple):
    """What the others do to each agent."""

    force: Float[Array, "N 2"]
    collisions: Int[Array, " N"]


class SpreadState(eqx.Module):
    """Where N agents and L landmarks are, and what the agents did.

    What the others do to each agent there pays for the step that led to it, and moves in the next.
    """

    position: Float[Array, "N 2"]
    contact: Contact
    velocity: Float[Array, "N 2"]
    landmarks: Float[Array, "L 2"]
    last_action: Num[Array, "N ..."]
    time: Int[Array, ""]
    distance: Float[Array, ""]
    collisions: Int[Array, ""]


@dataclass(frozen=True)
class Spread:
    """Each step an agent pushes itself one way, and all are paid for how near landmarks are.

    With x positions, v velocities, u an action's direction, dt = 0.1,

        F_i = 5 u_i + sum_{j != i} 100 (x_i - x_j) / d_ij * k log(1 + exp((0.3 - d_ij) / k)),
        v_i' = 0.75 v_i + F_i dt,   x_i' = x_i + v_i' dt,   k = 0.001,
        r_i  = -sum_l min_j |x_j' - y_l| - #{j != i: d'_ij < 0.3},

    y the landmarks. Positions and landmarks are drawn from [-1, 1]^2; there are no walls. With
    `reward="jaxmarl"` r_i is half of that; with `integration="explicit"` x moves by v instead
    of v'.

    Source: "simple spread" of Lowe et al. 2017 with 6 agents and landmarks as in Yu et al. 2023,
    whose reward and length are not given: there an agent also collides with itself, and the sum
    of all rewards is paid to each. Departures: neither; and no zeros for messages that nobody
    can send are seen.
    """

    config: SpreadConfig

    name = "spread"
    sides = (("agents",),)
    interchangeable = False
    extent = (2 * SHOWN, 2 * SHOWN)

    @property
    def num_landmarks(self) -> int:
        """L."""
        given = self.config.num_landmarks
        return self.config.num_agents if given is None else given

    @property
    def max_steps(self) -> int:
        """Steps of an episode."""
        return self.config.max_steps

    @property
    def description(self) -> str:
        """What was built."""
        return (
            f"spread: {self.config.num_agents} agents, {self.num_landmarks} landmarks, "
            f"{self.max_steps} steps"
        )

    @cached_property
    def teams(self) -> tuple[TeamSpec, ...]:
        """The only team."""
        actions = Discrete(len(DIRECTIONS)) if self._is_discrete else Box(2)
        n, sees = self.config.num_agents, self.config.sees
        seen = number_seen(n - 1, sees) + number_seen(self.num_landmarks, sees)
        return (TeamSpec("agents", n, actions, None, 4 + 2 * seen),)

    def reset(self, key: PRNGKey) -> tuple[SpreadState, dict[str, Timestep]]:
        """Everything anywhere, at rest."""
        n, key_agents, key_landmarks = self.config.num_agents, *jax.random.split(key)
        position, landmarks = (
            jax.random.uniform(key, (count, 2), minval=-1.0)
            for key, count in ((key_agents, n), (key_landmarks, self.num_landmarks))
        )
        none = jnp.full(n, len(DIRECTIONS), jnp.uint8) if self._is_discrete else jnp.zeros((n, 2))
        nothing = jnp.zeros(()), jnp.int32(0)
        at_rest = jnp.zeros((n, 2))
        state = SpreadState(
            position, contact(position), at_rest, landmarks, none, jnp.int32(0), *nothing
        )
        return state, {"agents": self._timestep(state, jnp.zeros(n))}

    def step(
        self, key: PRNGKey, state: SpreadState, actions: Mapping[str, Num[Array, "N ..."]]
    ) -> tuple[SpreadState, dict[str, Timestep]]:
        """Push, move, and look who is near; nothing is left to chance."""
        del key
        if self._is_discrete:
            action = actions["agents"].astype(jnp.uint8)
            direction = jnp.array(DIRECTIONS, jnp.float32)[action]
        else:
            action = direction = jnp.clip(actions["agents"], -1.0, 1.0)
        force = PUSH * direction + state.contact.force
        velocity = (1 - DAMPING) * state.velocity + STEP * force
        moves_by = velocity if self.config.integration == "semi_implicit" else state.velocity
        position = state.position + STEP * moves_by
        distance = self.distance(position, state.landmarks)
        touched = contact(position)
        state = SpreadState(
            position,
            touched,
            velocity,
            state.landmarks,
            action,
            state.time + 1,
            state.distance + distance,
            state.collisions + jnp.sum(touched.collisions),
        )
        share = 1.0 if self.config.reward == "mpe" else 0.5
        reward = -share * (distance + touched.collisions.astype(jnp.float32))
        return state, {"agents": self._timestep(state, reward)}

    def distance(
        self, position: Float[Array, "N 2"], landmarks: Float[Array, "L 2"]
    ) -> Float[Array, ""]:
        """Sum over the landmarks of how far the nearest agent is."""

        def to_nearest(some: Float[Array, "C 2"]) -> Float[Array, " C"]:
            return jnp.min(_lengths(some[:, None] - position[None]), axis=1)

        return jnp.sum(for_all_pairs(to_nearest, landmarks, position.shape[0]))

    def observe(self, state: SpreadState, team: str) -> Observation:
        """Own velocity and position, and how far away the landmarks and the others are."""
        del team  # there is one
        everyone = jnp.arange(self.config.num_agents)

        def look(some: Int[Array, " C"]) -> Float[Array, "C F"]:
            of_one = jax.vmap(self._features, in_axes=(None, 0, None, 0))
            return of_one(state.position, state.velocity[some], state.landmarks, some)

        return Observation(None, for_all_pairs(look, everyone, everyone.shape[0]))

    def unpack(self, team: str, timestep: Timestep, index: Int[Array, ""]) -> Observation:
        """The same, of one."""
        del team  # there is one
        velocity = timestep.own["velocity"][index]
        landmarks = timestep.shared["landmarks"]
        return Observation(None, self._features(timestep.position, velocity, landmarks, index))

    def scene(self, state: SpreadState) -> Scene:
        """The agents, dark where they collide, and the landmarks."""
        collides = state.contact.collisions > 0
        level = jnp.concatenate([jnp.where(collides, 0.3, 1.0), jnp.full(self.num_landmarks, 0.6)])
        return Scene(
            position=SHOWN + jnp.concatenate([state.position, state.landmarks]),
            alive=jnp.ones(level.shape, bool),
            level=level,
            size=jnp.ones(level.shape, jnp.uint8),
            walls=None,
        )

    @property
    def _is_discrete(self) -> bool:
        return self.config.actions == "discrete"

    def _features(
        self,
        position: Float[Array, "N 2"],
        velocity: Float[Array, " 2"],
        landmarks: Float[Array, "L 2"],
        index: Int[Array, ""],
    ) -> Float[Array, " F"]:
        own, sees = position[index], self.config.sees
        _, others = see_others(position, index, sees)
        places = landmarks - own[None]
        if sees is not None:
            places = places[nearest(places, number_seen(self.num_landmarks, sees))]
        return jnp.concatenate([velocity, own, places.reshape(-1), others.reshape(-1)])

    def _timestep(self, state: SpreadState, reward: Float[Array, " N"]) -> Timestep:
        return timestep_of_immortals(
            shared={"landmarks": state.landmarks},
            own={"velocity": state.velocity},
            position=state.position,
            last_action=state.last_action,
            reward=reward,
            time=state.time,
            max_steps=self.max_steps,
            measures={
                "distance": state.distance,
                "collisions": state.collisions.astype(jnp.float32),
            },
        )


def contact(position: Float[Array, "N 2"]) -> Contact:
    """The force of all others on each agent, and with how many of them it collides."""
    num_agents = position.shape[0]
    everyone = jnp.arange(num_agents)

    def on_some(some: Int[Array, " C"]) -> Contact:
        away = position[some][:, None] - position[None]
        apart = _lengths(away)
        other: Bool[Array, "C N"] = some[:, None] != everyone[None]
        overlap = (2 * RADIUS - apart) / CONTACT_MARGIN
        size = CONTACT_FORCE * CONTACT_MARGIN * jax.nn.softplus(overlap)
        # Two at the very same place do not know which way to part.
        size = jnp.where(other & (apart > 0), size / jnp.where(apart > 0, apart, 1.0), 0.0)
        collisions = jnp.sum(other & (apart < 2 * RADIUS), axis=1, dtype=jnp.int32)
        return Contact(jnp.sum(size[..., None] * away, axis=1), collisions)

    return for_all_pairs(on_some, everyone, num_agents)


def _lengths(vectors: Float[Array, "*B 2"]) -> Float[Array, "*B"]:
    return jnp.sqrt(jnp.sum(vectors**2, axis=-1))
