"""Our environments as PettingZoo's: dictionaries of agents, one call a step.

It is there for other people's tools. Each call leaves the compiled program, so that what is
trained here is trained without it.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jaxtyping import Array, Num, UInt8
from pettingzoo import ParallelEnv

from swarmfield.interop.agent_spaces import (
    Seen,
    action_space,
    as_action,
    no_actions,
    observation_space,
    observed,
)
from swarmfield.randomness import require_seeds
from swarmfield.replay_page.picture import picture
from swarmfield.types import Environment, PRNGKey, SwarmfieldError, TeamSpec, Timestep

RENDER_MODES = ("rgb_array",)
FRAMES_PER_SECOND = 10


class _Seat(NamedTuple):
    """Which row of which team an agent is."""

    team: TeamSpec
    row: int


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
        self.action_spaces = {name: action_space(team) for name, (team, _) in self._seats.items()}
        self.observation_spaces = {
            name: observation_space(team, self._example[team.name])
            for name, (team, _) in self._seats.items()
        }
        self._key: PRNGKey | None = None
        self._state: Any = None
        self._compile()

    def _compile(self) -> None:
        self._begin, self._advance = jax.jit(self._begun), jax.jit(self._advanced)

    def __getstate__(self) -> dict[str, Any]:
        """All but what is compiled, so that it can be copied and sent to other processes."""
        kept = dict(self.__dict__)
        del kept["_begin"], kept["_advance"]
        return kept

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self.__dict__.update(kept)
        self._compile()

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

        Raises:
            SwarmfieldError: The seed is not a whole number of 32 bits.
        """
        del options
        if self._key is None or seed is not None:
            seed = secrets.randbits(32) if seed is None else seed
            require_seeds([seed])
            self._key = jax.random.key(seed)
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

    @functools.cached_property
    def _example(self) -> dict[str, Seen]:
        """What there is to know, as shapes."""
        return jax.eval_shape(self._begun, jax.random.key(0))[1]

    def _begun(self, key: PRNGKey) -> tuple[Any, dict[str, Seen]]:
        return self._with_what_is_seen(*self.environment.reset(key))

    def _advanced(
        self, key: PRNGKey, state: Any, actions: Mapping[str, Num[Array, "N ..."]]
    ) -> tuple[Any, dict[str, Seen]]:
        return self._with_what_is_seen(*self.environment.step(key, state, actions))

    def _with_what_is_seen(
        self, state: Any, timesteps: Mapping[str, Timestep]
    ) -> tuple[Any, dict[str, Seen]]:
        seen = {
            name: Seen(
                jax.tree.map(jnp.float32, self.environment.observe(state, name)),
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
        if not isinstance(actions, Mapping):
            raise SwarmfieldError(
                f"actions are {actions!r}, but must be a dictionary with one for each agent."
            )
        chosen = {team.name: no_actions(team) for team in self.environment.teams}
        for name in self.agents:
            team, row = self._seats[name]
            if name not in actions:
                raise SwarmfieldError(f"{name} lives, but has no action; give one for each agent.")
            space, action = self.action_spaces[name], as_action(team, actions[name])
            if action is None or not space.contains(action):
                raise SwarmfieldError(
                    f"{name} does {actions[name]!r}, but what it may do is {space}."
                )
            chosen[team.name][row] = action
        return chosen

    def _told(
        self, seen: Mapping[str, Seen], names: list[str]
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Observations and infos."""
        observations, infos = {}, {}
        for name in names:
            team, row = self._seats[name]
            now = seen[team.name]
            observations[name] = observed(now, row)
            infos[name] = {"kind": int(now.kind[row])} if team.num_kinds > 1 else {}
        return observations, infos


def _on_the_host(seen: dict[str, Seen]) -> dict[str, Seen]:
    """Copies that may be written to, as people do with what they are given."""
    return jax.tree.map(np.array, seen)


def _may_act(seen: Mapping[str, Seen], seat: _Seat) -> bool:
    now = seen[seat.team.name]
    return bool(now.alive[seat.row] and not now.terminated[seat.row] and not now.truncated)
