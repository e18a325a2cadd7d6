"""JaxMARL's environments, on arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, Shaped

from swarmfield.environments.immortals import timestep_of_immortals
from swarmfield.interop.jaxmarl_agents import Agents, their_promotion
from swarmfield.types import Observation, PRNGKey, Scene, TeamSpec, Timestep

PARTICLES, SHOWN = "p_pos", 1.5
"""Where MPE keeps its bodies, agents first; pictures show the places up to there."""
UNITS, LIVING_UNITS = "unit_positions", "unit_alive"
"""Where SMAX keeps its bodies, agents first, and which of them live."""


class JaxMARLState(eqx.Module):
    """JaxMARL's state, and what N agents know and did."""

    theirs: Any
    seen: Shaped[Array, "N ..."]
    legal: Bool[Array, "N A"] | None
    alive: Bool[Array, " N"]
    last_action: Num[Array, "N ..."]
    time: Int[Array, ""]


@dataclass(frozen=True, eq=False)
class JaxMARL:
    """An environment of JaxMARL's as one team of agents that are all alike.

    JaxMARL is asked for single steps (`step_env`), which do not begin anew by themselves. With
    done_i and done_all as it returns them, a_i whether agent i lives, t steps since the reset and
    L the time limit,

        terminated_i = a_i and (done_i or done_all),   a_i' = a_i and not terminated_i,
        truncated    = t >= L,                         r_i  = reward_i if a_i else 0.

    Args:
        identifier: JaxMARL's name of it.
        agents: Its agents.
        max_steps: The time limit, L.
        reports_limit: JaxMARL has a limit of its own that can be as early as L. It reports that as
            `done`, so that nobody is terminated at t = L.

    Source: JaxMARL 0.2 (Rutherford et al. 2024). Departures: the dead see zeros and are not paid,
    and for what they do an action that changes nothing is taken.
    """

    identifier: str
    agents: Agents
    max_steps: int
    reports_limit: bool

    sides = (("agents",),)
    interchangeable = False

    @property
    def name(self) -> str:
        """Its name here."""
        return f"jaxmarl:{self.identifier}"

    @property
    def description(self) -> str:
        """What was built."""
        return f"{self.name}: {len(self.agents)} agents, {self.max_steps} steps"

    @cached_property
    def teams(self) -> tuple[TeamSpec, ...]:
        """The only team."""
        shape = jax.eval_shape(self.agents.seen, self.agents.shapes[0]).shape[1:]
        view, features = (shape, 0) if len(shape) == 3 else (None, *shape)
        return (TeamSpec("agents", len(self.agents), self.agents.actions, view, features),)

    @cached_property
    def extent(self) -> tuple[float, float]:
        """Of the map; where there is none, of the places that are shown, or of a row of agents."""
        found = _by_name(self.agents.shapes[1])
        if PARTICLES in found:
            return 2 * SHOWN, 2 * SHOWN
        if UNITS in found:
            return float(self.agents.theirs.map_width), float(self.agents.theirs.map_height)
        return float(len(self.agents)), 1.0

    def reset(self, key: PRNGKey) -> tuple[JaxMARLState, dict[str, Timestep]]:
        """As JaxMARL begins."""
        with their_promotion():
            seen, theirs = self.agents.theirs.reset(key)
        theirs = jax.tree.map(lambda leaf: _as_before(leaf, jnp.asarray(leaf)), theirs)
        alive = jnp.ones(len(self.agents), bool)
        state = self._state(seen, theirs, alive, self.agents.none, jnp.int32(0))
        return state, {"agents": self._timestep(state, jnp.zeros(len(self.agents)), ~alive)}

    def step(
        self, key: PRNGKey, state: JaxMARLState, actions: Mapping[str, Num[Array, "N ..."]]
    ) -> tuple[JaxMARLState, dict[str, Timestep]]:
        """A step of JaxMARL's, without the reset that may follow."""
        agents = self.agents
        action = agents.executed(actions["agents"], state.alive, state.legal)
        with their_promotion():
            seen, theirs, paid, done, _ = agents.theirs.step_env(
                key, state.theirs, agents.told(action)
            )
            ended = agents.row(done).astype(bool) | done["__all__"]
            reward = agents.row(paid).astype(jnp.float32)
        time = state.time + 1
        if self.reports_limit:
            ended = ended & (time < self.max_steps)
        theirs = jax.tree.map(_as_before, theirs, state.theirs)
        after = self._state(seen, theirs, state.alive & ~ended, action, time)
        reward = jnp.where(state.alive, reward, 0.0)
        return after, {"agents": self._timestep(after, reward, state.alive & ended)}

    def observe(self, state: JaxMARLState, team: str) -> Observation:
        """What JaxMARL shows."""
        del team  # there is one
        return self._observation(state.seen)

    def unpack(self, team: str, timestep: Timestep, index: Int[Array, ""]) -> Observation:
        """The same, of one."""
        del team  # there is one
        return self._observation(timestep.own["seen"][index])

    def scene(self, state: JaxMARLState) -> Scene:
        """The agents, and in MPE and SMAX what else there is, which is darker."""
        found = _by_name(state.theirs)
        place = self._bodies(state.theirs)
        is_agent = jnp.arange(place.shape[0]) < len(self.agents)
        others = found.get(LIVING_UNITS, jnp.ones(place.shape[0], bool))[len(self.agents) :]
        return Scene(
            position=place + SHOWN if PARTICLES in found else place,
            alive=jnp.concatenate([state.alive, others]),
            level=jnp.where(is_agent, 1.0, 0.6),
            size=jnp.ones(is_agent.shape, jnp.uint8),
            walls=None,
        )

    def _bodies(self, theirs: Any) -> Float[Array, "M 2"]:
        """Where everything is, agents first; they stand in a row where JaxMARL does not tell."""
        found = _by_name(theirs)
        for name in (PARTICLES, UNITS):
            if name in found:
                return found[name]
        row = jnp.arange(len(self.agents)) + 0.5
        return jnp.stack([row, jnp.full_like(row, 0.5)], axis=1)

    def _observation(self, seen: Array) -> Observation:
        """As images or as vectors; of all agents or of one."""
        seen = seen.astype(jnp.float32)
        has_view = self.teams[0].view is not None
        return Observation(seen, None) if has_view else Observation(None, seen)

    def _state(
        self,
        seen: Any,
        theirs: Any,
        alive: Bool[Array, " N"],
        action: Num[Array, "N ..."],
        time: Int[Array, ""],
    ) -> JaxMARLState:
        seen = self.agents.seen(seen)
        shown = alive.reshape(-1, *[1] * (seen.ndim - 1))
        seen = jnp.where(shown, seen, jnp.zeros((), seen.dtype))
        return JaxMARLState(theirs, seen, self.agents.legal(theirs), alive, action, time)

    def _timestep(
        self, state: JaxMARLState, reward: Float[Array, " N"], terminated: Bool[Array, " N"]
    ) -> Timestep:
        timestep = timestep_of_immortals(
            own={"seen": state.seen},
            position=self._bodies(state.theirs)[: len(self.agents)],
            last_action=state.last_action,
            reward=reward,
            time=state.time,
            max_steps=self.max_steps,
            measures={},
        )
        return replace(timestep, alive=state.alive, legal=state.legal, terminated=terminated)


def _by_name(state: Any) -> dict[str, Any]:
    """The arrays of a state of JaxMARL's, also those of states within it."""
    found = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path[-1:], simple=True): leaf for path, leaf in found}


def _as_before(new: Any, old: Array) -> Array:
    """Of the type it had, also where JaxMARL left it open."""
    return jnp.asarray(new).astype(old.dtype)
