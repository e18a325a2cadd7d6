"""Our environments as PettingZoo's: dictionaries of agents, one call a step.

It is there for other people's tools. Each call leaves the compiled program, so that what is
trained here is trained without it.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Bool, Float, Integer, Num, UInt8
from pettingzoo import ParallelEnv

from swarmfield.replay_page.picture import picture
from swarmfield.types import (
    Box,
    Discrete,
    Environment,
    Observation,
    PRNGKey,
    SwarmfieldError,
    TeamSpec,
    Timestep,
)

RENDER_MODES = ("rgb_array",)
FRAMES_PER_SECOND = 10
MASK = "action_mask"
"""Where PettingZoo looks for the actions that are allowed, inside of an observation."""


class _Seat(NamedTuple):
    """Which row of which team an agent is."""

    team: TeamSpec
    row: int


class _Seen(eqx.Module):
    """What there is to know of a team's N agents at one step."""

    observation: Observation
    legal: Bool[Array, "N A"] | None
    kind: Integer[Array, " N"]
    alive: Bool[Array, " N"]
    reward: Float[Array, " N"]
    terminated: Bool[Array, " N"]
    truncated: Bool[Array, ""]


class SwarmfieldParallelEnv(ParallelEnv[str, Any, Any]):
    """One of our environments as a `pettingzoo.ParallelEnv`.

    Agents are called like their team, with a number: `red_0`. Whoever dies is terminated in that
    step, sees zeros, and is gone in the next; at the time limit all who live are truncated. A
    discrete action is a number, one in a box a vector in the environment's own units.

    An observation is the view `[H, W, C]` or the features `[F]`, or a dictionary of `view` and
    `features` where there are both; where actions can be forbidden it is always a dictionary, with
    the `action_mask` that PettingZoo's tools look for. `infos` tell each agent's `kind` where
    there are several.

    Args:
        environment: Ours.
        render_mode: `rgb_array`, or None.

    Raises:
        SwarmfieldError: The mode is unknown, or an action is of several kinds at once.
    """

    def __init__(self, environment: Environment, render_mode: str | None = None) -> None:
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise SwarmfieldError(f"render_mode is {render_mode!r}, but must be rgb_array or None.")
        self.environment = environment
        self.render_mode = render_mode
        self.metadata = {
            "name": environment.name,
            "render_modes": list(RENDER_MODES),
            "render_fps": FRAMES_PER_SECOND,
            "is_parallelizable": True,
        }
        self._seats = {
            f"{team.name}_{row}": _Seat(team, row)
            for team in environment.teams
            for row in range(team.num_agents)
        }
        self.possible_agents = list(self._seats)
        self.agents: list[str] = []
        self.action_spaces = self._of_each_agent(_action_space)
        self.observation_spaces = self._of_each_agent(self._observation_space)
        self._key: PRNGKey | None = None
        self._state: Any = None
        self._begin, self._advance = jax.jit(self._begun), jax.jit(self._advanced)

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """What an agent may do; its own, to be seeded on its own."""
        return self.action_spaces[agent]

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """What an agent sees."""
        return self.observation_spaces[agent]

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Start an episode.

        Args:
            seed: The only source of randomness, of this episode and those behind it. If not
                given, it goes on from the last one, or from anywhere if there was none.
            options: Not used: options are those of the environment.

        Returns:
            Observations and infos of all who live.
        """
        del options
        if seed is not None or self._key is None:
            self._key = jax.random.key(secrets.randbits(32) if seed is None else seed)
        self._key, key = jax.random.split(self._key)
        self._state, seen = self._begin(key)
        seen = _on_the_host(seen)
        self.agents = [name for name, seat in self._seats.items() if _may_act(seen, seat)]
        return self._told(seen, self.agents)

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[
        dict[str, Any],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """All act at once.

        Args:
            actions: Of every agent that lives; others' are ignored.

        Returns:
            Observations, rewards, terminations, truncations and infos of all who acted.

        Raises:
            SwarmfieldError: An agent's action is missing, or not allowed by its space; or nobody
                is there to act.
        """
        if not self.agents:
            raise SwarmfieldError("Nobody is there to act; begin an episode by reset().")
        chosen = self._chosen(actions)
        assert self._key is not None
        self._key, key = jax.random.split(self._key)
        self._state, seen = self._advance(key, self._state, chosen)
        seen, acted = _on_the_host(seen), self.agents
        observations, infos = self._told(seen, acted)
        seats = [(name, self._seats[name]) for name in acted]
        rewards = {name: float(seen[team.name].reward[row]) for name, (team, row) in seats}
        terminations = {name: bool(seen[team.name].terminated[row]) for name, (team, row) in seats}
        truncations = {
            name: bool(seen[team.name].truncated) and not terminations[name]
            for name, (team, _) in seats
        }
        self.agents = [name for name, seat in seats if _may_act(seen, seat)]
        return observations, rewards, terminations, truncations, infos

    def render(self) -> UInt8[np.ndarray, "Y X 3"] | None:
        """A picture of the world as it is now, or None without a render mode.

        Raises:
            SwarmfieldError: No episode has begun.
        """
        if self.render_mode is None:
            return None
        if self._state is None:
            raise SwarmfieldError("There is nothing to see yet; begin an episode by reset().")
        return picture(self.environment, self._state)

    def close(self) -> None:
        """Nothing is held that would have to be let go."""

    def _of_each_agent(self, space: Any) -> dict[str, spaces.Space[Any]]:
        return {name: space(seat.team) for name, seat in self._seats.items()}

    def _observation_space(self, team: TeamSpec) -> spaces.Space[Any]:
        legal = self._example[team.name].legal
        parts: dict[str, spaces.Space[Any]] = {}
        if team.view is not None:
            parts["view"] = spaces.Box(-np.inf, np.inf, team.view, np.float32)
        if team.features:
            parts["features"] = spaces.Box(-np.inf, np.inf, (team.features,), np.float32)
        if legal is not None:
            return spaces.Dict({**parts, MASK: spaces.MultiBinary(legal.shape[-1])})
        return spaces.Dict(parts) if len(parts) > 1 else next(iter(parts.values()))

    @functools.cached_property
    def _example(self) -> dict[str, _Seen]:
        """What there is to know, as shapes."""
        return jax.eval_shape(self._begun, jax.random.key(0))[1]

    def _begun(self, key: PRNGKey) -> tuple[Any, dict[str, _Seen]]:
        return self._with_what_is_seen(*self.environment.reset(key))

    def _advanced(
        self, key: PRNGKey, state: Any, actions: Mapping[str, Num[Array, "N ..."]]
    ) -> tuple[Any, dict[str, _Seen]]:
        return self._with_what_is_seen(*self.environment.step(key, state, actions))

    def _with_what_is_seen(
        self, state: Any, timesteps: Mapping[str, Timestep]
    ) -> tuple[Any, dict[str, _Seen]]:
        seen = {
            name: _Seen(
                self.environment.observe(state, name),
                now.legal,
                now.kind,
                now.alive,
                now.reward,
                now.terminated,
                now.truncated,
            )
            for name, now in timesteps.items()
        }
        return state, seen

    def _chosen(self, actions: Mapping[str, Any]) -> dict[str, Num[np.ndarray, "N ..."]]:
        """Actions of each team, those of the dead 0."""
        chosen = {team.name: _no_actions(team) for team in self.environment.teams}
        for name in self.agents:
            team, row = self._seats[name]
            if name not in actions:
                raise SwarmfieldError(f"{name} lives, but has no action; give one for each agent.")
            if not self.action_spaces[name].contains(actions[name]):
                raise SwarmfieldError(
                    f"{name} does {actions[name]!r}, but what it may do is "
                    f"{self.action_spaces[name]}."
                )
            chosen[team.name][row] = actions[name]
        return chosen

    def _told(
        self, seen: Mapping[str, _Seen], names: list[str]
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Observations and infos."""
        observations, infos = {}, {}
        for name in names:
            team, row = self._seats[name]
            now = seen[team.name]
            observations[name] = _observed(now, row)
            infos[name] = {"kind": int(now.kind[row])} if team.num_kinds > 1 else {}
        return observations, infos


def _action_space(team: TeamSpec) -> spaces.Space[Any]:
    actions = team.actions
    if isinstance(actions, Discrete):
        return spaces.Discrete(actions.num_actions)
    if isinstance(actions, Box):
        return spaces.Box(actions.low, actions.high, (actions.dimensions,), np.float32)
    raise SwarmfieldError(
        f"An action of team {team.name!r} is of several kinds at once, which PettingZoo has no "
        "form for: control minor agents one by one instead."
    )


def _no_actions(team: TeamSpec) -> Num[np.ndarray, "N ..."]:
    if isinstance(team.actions, Box):
        return np.zeros((team.num_agents, team.actions.dimensions), np.float32)
    return np.zeros(team.num_agents, np.int32)


def _on_the_host(seen: dict[str, _Seen]) -> dict[str, _Seen]:
    """Copies that may be written to, as people do with what they are given."""
    return jax.tree.map(np.array, seen)


def _may_act(seen: Mapping[str, _Seen], seat: _Seat) -> bool:
    now = seen[seat.team.name]
    return bool(now.alive[seat.row] and not now.terminated[seat.row] and not now.truncated)


def _observed(now: _Seen, row: int) -> Any:
    observation = now.observation
    parts = {"view": observation.view, "features": observation.features}
    rows = {name: part[row] for name, part in parts.items() if part is not None}
    if now.legal is not None:
        return {**rows, MASK: now.legal[row].astype(np.int8)}
    return rows if len(rows) > 1 else next(iter(rows.values()))
