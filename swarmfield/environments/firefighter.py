"""Firefighter: burning houses in a ring or a row, and a fighter between each two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Integer, UInt8

from swarmfield.environments.immortals import timestep_of_immortals
from swarmfield.environments.options import require_count
from swarmfield.randomness import drawn_flat
from swarmfield.types import Discrete, Observation, PRNGKey, Scene, TeamSpec, Timestep

LEFT, RIGHT = 0, 1
FIRST_LEVEL = 3
HIGHEST_SEEN = 10
"""Fire levels have no bound; from here on they look the same (`observation="level"`)."""
MOST_FIGHTERS = 10**7
NO_NEIGHBOUR = -1

_GROWS_BESIDE_FIRE, _GROWS_ALONE, _QUENCHED_BESIDE_FIRE = 0.8, 0.4, 0.6


@dataclass(frozen=True)
class FirefighterConfig:
    """Options of Firefighter."""

    num_agents: int = 50
    """Fighters, at least 2. As many houses in a ring, one more in a line."""
    max_steps: int = 100
    """Steps after which an episode is cut off."""
    topology: Literal["ring", "line"] = "ring"
    """Where the houses stand; the two ends of a line have one fighter each."""
    growth: Literal["stochastic", "deterministic"] = "stochastic"
    """Whether a fire grows by chance, or in every step."""
    sequential: bool = False
    """Let each house see what its left neighbour has just become, instead of what it was."""
    observation: Literal["source", "level"] = "source"
    """See of each of both houses one noisy bit, or its level up to 10."""
    reward: Literal["local", "shared"] = "local"
    """Pay a fighter for its own houses, or everybody for all; both add up to the team's."""

    def __post_init__(self) -> None:
        require_count("num_agents", self.num_agents, MOST_FIGHTERS, least=2)
        require_count("max_steps", self.max_steps)


class FirefighterState(eqx.Module):
    """Fire levels of H houses, and what N fighters saw and did."""

    fire: Int[Array, " H"]
    seen: UInt8[Array, " N"]
    last_action: UInt8[Array, " N"]
    time: Int[Array, ""]


@dataclass(frozen=True)
class Firefighter:
    """Fighter i stands between houses i and i + 1 and fights one of them each step.

    With f the levels, c_h the fighters at house h, beside = a house next to h burns,
    grows ~ Bernoulli(0.8 beside fire, else 0.4), quenched ~ Bernoulli(0.6):

    - two fighters: f' = 0;
    - one, beside fire: f' = max(0, f + grows - quenched); else max(0, f + grows - 1);
    - none: f' = f + grows;
    - a house that neither burns nor is beside fire stays at 0.

    The team's reward is -sum_h f'_h. A fighter's own is minus half of both its houses, which
    adds up to the team's (an end house of a line, which has one fighter, counts full).

    Source: Jiang and Amato's environment, as used by Zheng et al. 2025 (with 50 fighters and
    50 houses, hence the ring; the source has a line and updates from left to right in place,
    `sequential`). Departure: fighters also see where they stand, as each has its fixed place.
    """

    config: FirefighterConfig

    name = "firefighter"
    sides = (("fighters",),)
    interchangeable = False

    @property
    def is_ring(self) -> bool:
        """Whether the last house is beside the first."""
        return self.config.topology == "ring"

    @property
    def num_houses(self) -> int:
        """H."""
        return self.config.num_agents + (not self.is_ring)

    @property
    def max_steps(self) -> int:
        """Steps of an episode."""
        return self.config.max_steps

    @property
    def description(self) -> str:
        """What was built."""
        return (
            f"Firefighter: {self.config.num_agents} fighters and {self.num_houses} houses in a "
            f"{self.config.topology}, {self.max_steps} steps"
        )

    @cached_property
    def teams(self) -> tuple[TeamSpec, ...]:
        """The only team."""
        n = self.config.num_agents
        return (TeamSpec("fighters", n, Discrete(2), None, 4, graph=self._neighbours),)

    @cached_property
    def extent(self) -> tuple[float, float]:
        """Fighters stand one unit apart."""
        n = self.config.num_agents
        side = n / np.pi + 2 if self.is_ring else n + 1
        return (float(side), float(side if self.is_ring else max(2, n // 4)))

    def reset(self, key: PRNGKey) -> tuple[FirefighterState, dict[str, Timestep]]:
        """All houses burn at level 3."""
        n = self.config.num_agents
        fire = jnp.full(self.num_houses, FIRST_LEVEL, jnp.int32)
        state = FirefighterState(
            fire, self.look(fire, key), jnp.full(n, 2, jnp.uint8), jnp.int32(0)
        )
        return state, {"fighters": self._timestep(state, jnp.zeros(n))}

    def step(
        self, key: PRNGKey, state: FirefighterState, actions: Mapping[str, Integer[Array, " N"]]
    ) -> tuple[FirefighterState, dict[str, Timestep]]:
        """Fight, then let the fires grow."""
        key_fire, key_look = jax.random.split(key)
        action = actions["fighters"].astype(jnp.uint8)
        crew = self.per_house(action == LEFT, action == RIGHT)
        chance = drawn_flat(jax.random.uniform, key_fire, (self.num_houses, 2))
        advance = self.burn_in_turn if self.config.sequential else self.burn_at_once
        fire = advance(state.fire, crew, chance)
        state = FirefighterState(fire, self.look(fire, key_look), action, state.time + 1)
        return state, {"fighters": self._timestep(state, self.pay(fire))}

    def observe(self, state: FirefighterState, team: str) -> Observation:
        """What each fighter saw, and sine and cosine of its place."""
        del team  # there is one
        everyone = jnp.arange(self.config.num_agents)
        return Observation(None, jax.vmap(self._features)(state.seen, everyone))

    def unpack(self, team: str, timestep: Timestep, index: Int[Array, ""]) -> Observation:
        """The same, of one."""
        del team  # there is one
        return Observation(None, self._features(timestep.own["seen"][index], index))

    def scene(self, state: FirefighterState) -> Scene:
        """Fighters beside the house they fight; the darker, the worse their houses burn."""
        n = self.config.num_agents
        left, right = self.houses_of(state.fire)
        turn = jnp.array([-0.25, 0.25, 0.0])[state.last_action]
        return Scene(
            position=self._places(jnp.arange(n) + turn),
            alive=jnp.ones(n, bool),
            level=1.0 / (1.0 + 0.5 * (left + right).astype(jnp.float32)),
            size=jnp.ones(n, jnp.uint8),
            walls=None,
        )

    @cached_property
    def _neighbours(self) -> Int[np.ndarray, "N 2"]:
        n = self.config.num_agents
        beside = np.arange(n)[:, None] + np.array([-1, 1])
        if self.is_ring:
            return beside % n
        return np.where((beside < 0) | (beside >= n), NO_NEIGHBOUR, beside)

    @cached_property
    def _stands(self) -> Float[np.ndarray, "N 2"]:
        """Where each fighter stands, worked out once: the same bits in every program."""
        with jax.ensure_compile_time_eval():
            return np.asarray(self._places(jnp.arange(self.config.num_agents, dtype=jnp.float32)))

    def _places(self, along: Float[Array, " N"]) -> Float[Array, "N 2"]:
        width, height = self.extent
        if not self.is_ring:
            return jnp.stack([along + 1, jnp.full_like(along, height / 2)], axis=1)
        angle = 2 * jnp.pi * along / self.config.num_agents
        circle = jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
        return width / 2 + (width / 2 - 1) * circle

    def houses_of(self, of_house: Array) -> tuple[Array, Array]:
        """Left and right house of each fighter."""
        n = self.config.num_agents
        return of_house[:n], jnp.roll(of_house, -1)[:n]

    def per_house(self, at_left: Bool[Array, " N"], at_right: Bool[Array, " N"]) -> Array:
        """How many fighters are at each house."""
        missing = self.num_houses - self.config.num_agents
        left, right = (jnp.pad(x.astype(jnp.int32), (0, missing)) for x in (at_left, at_right))
        return left + jnp.roll(right, 1)

    def burn_at_once(
        self, fire: Int[Array, " H"], crew: Int[Array, " H"], chance: Float[Array, "H 2"]
    ) -> Int[Array, " H"]:
        """Every house sees its neighbours as they were."""
        house = jnp.arange(self.num_houses)
        beside = jax.vmap(self._beside_fire, in_axes=(None, 0))(fire, house)
        return self._burn(fire, beside, crew, chance)

    def burn_in_turn(
        self, fire: Int[Array, " H"], crew: Int[Array, " H"], chance: Float[Array, "H 2"]
    ) -> Int[Array, " H"]:
        """From left to right, each house sees what its left neighbour has just become."""

        def burn_one(house: Int[Array, ""], fire: Int[Array, " H"]) -> Int[Array, " H"]:
            beside = self._beside_fire(fire, house)
            return fire.at[house].set(self._burn(fire[house], beside, crew[house], chance[house]))

        return jax.lax.fori_loop(0, self.num_houses, burn_one, fire)

    def _beside_fire(self, fire: Int[Array, " H"], house: Int[Array, ""]) -> Bool[Array, ""]:
        last = self.num_houses - 1
        left = (fire[house - 1] > 0) & (self.is_ring | (house > 0))
        right = (fire[(house + 1) % self.num_houses] > 0) & (self.is_ring | (house < last))
        return left | right

    def _burn(
        self, fire: Array, beside: Array, crew: Array, chance: Float[Array, "... 2"]
    ) -> Array:
        likely = jnp.where(beside, _GROWS_BESIDE_FIRE, _GROWS_ALONE)
        grows = chance[..., 0] < (1.0 if self.config.growth == "deterministic" else likely)
        quenched = ~beside | (chance[..., 1] < _QUENCHED_BESIDE_FIRE)
        burnt = fire + grows.astype(jnp.int32) - (quenched & (crew == 1)).astype(jnp.int32)
        burns = (fire > 0) | beside
        return jnp.where(burns & (crew < 2), jnp.maximum(burnt, 0), 0)

    def look(self, fire: Int[Array, " H"], key: PRNGKey) -> UInt8[Array, " N"]:
        """Both houses in one number: bits that are 1 with probability 1 - exp(-f), or levels."""
        both = jnp.stack(self.houses_of(fire), axis=1)
        if self.config.observation == "level":
            level = jnp.minimum(both, HIGHEST_SEEN)
        else:
            likely = 1 - jnp.exp(-both.astype(jnp.float32))
            level = drawn_flat(jax.random.uniform, key, both.shape) < likely
        return (level[:, 0] * (HIGHEST_SEEN + 1) + level[:, 1]).astype(jnp.uint8)

    def _features(self, seen: UInt8[Array, ""], index: Int[Array, ""]) -> Float[Array, " 4"]:
        highest = HIGHEST_SEEN if self.config.observation == "level" else 1
        angle = 2 * jnp.pi * index.astype(jnp.float32) / self.config.num_agents
        left, right = (x.astype(jnp.float32) / highest for x in jnp.divmod(seen, HIGHEST_SEEN + 1))
        return jnp.stack([left, right, jnp.sin(angle), jnp.cos(angle)])

    def pay(self, fire: Int[Array, " H"]) -> Float[Array, " N"]:
        """Each fighter's reward for the levels after a step."""
        n, levels = self.config.num_agents, fire.astype(jnp.float32)
        if self.config.reward == "shared":
            return jnp.full(n, -jnp.sum(levels) / n)
        left, right = self.houses_of(levels)
        own = -0.5 * (left + right)
        return own if self.is_ring else own.at[0].add(-0.5 * left[0]).at[-1].add(-0.5 * right[-1])

    def _timestep(self, state: FirefighterState, reward: Float[Array, " N"]) -> Timestep:
        return timestep_of_immortals(
            own={"seen": state.seen},
            position=jnp.asarray(self._stands),
            last_action=state.last_action,
            reward=reward,
            time=state.time,
            max_steps=self.max_steps,
            measures={
                "final_value": -jnp.sum(state.fire).astype(jnp.float32),
                "burning": jnp.sum(state.fire > 0).astype(jnp.float32),
            },
        )
