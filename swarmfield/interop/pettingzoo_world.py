"""One of PettingZoo's worlds: dictionaries of agents in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num, Shaped

from swarmfield.environments.hosted import HostTimestep
from swarmfield.interop.pettingzoo_agents import Agents

ALIVE = "alive"
"""The only measure there is: how many of a team live, or took part in the step that ended the game.

There everybody is terminated, whoever won."""

Places = Mapping[str, Num[np.ndarray, "2"]]
"""Where agents are, by name."""


class _Answer(NamedTuple):
    """What PettingZoo returns of a step, agent by agent."""

    observations: Mapping[str, Any]
    rewards: Mapping[str, float]
    terminations: Mapping[str, bool]
    truncations: Mapping[str, bool]
    infos: Mapping[str, Any]


class PettingZooWorld:
    """One of PettingZoo's environments, step by step.

    Args:
        theirs: A `pettingzoo.ParallelEnv`.
        agents: Who is in each team.
        max_steps: The time limit.
    """

    def __init__(self, theirs: Any, agents: Mapping[str, Agents], max_steps: int) -> None:
        self._theirs, self._agents, self._max_steps = theirs, agents, max_steps
        self._time = 0
        self._last: dict[str, HostTimestep] = {}

    def reset(self, seed: int) -> dict[str, HostTimestep]:
        """Start an episode."""
        observations, _ = self._theirs.reset(seed=seed)
        self._time = 0
        self._last = {team: blank(agents) for team, agents in self._agents.items()}
        living, places = set(self._theirs.agents), self._places()
        for team, agents in self._agents.items():
            alive = np.array([name in living for name in agents.names])
            self._last[team] = _timestep(
                agents,
                **self._seen(agents, observations, alive),
                alive=alive,
                first=True,
                position=self._moved(team, places),
                last_action=agents.no_action,
                reward=np.zeros(len(agents), np.float32),
                terminated=np.zeros(len(agents), bool),
                truncated=False,
            )
        return self._last

    def step(self, actions: Mapping[str, Shaped[np.ndarray, "N ..."]]) -> dict[str, HostTimestep]:
        """All act at once."""
        here, chosen = set(self._theirs.agents), {}
        for team, agents in self._agents.items():
            told = agents.told(actions[team])
            chosen.update({n: told[row] for n, row in agents.rows.items() if n in here})
        answer = _Answer(*self._theirs.step(chosen))
        self._time += 1
        living = set(self._theirs.agents)
        truncated = self._time >= self._max_steps or (
            not living and any(answer.truncations.values())
        )
        places = self._places()
        self._last = {
            team: self._followed(team, actions[team], answer, living, places, truncated)
            for team in self._agents
        }
        return self._last

    def _followed(
        self,
        team: str,
        action: Shaped[np.ndarray, "N ..."],
        answer: _Answer,
        living: set[str],
        places: Places,
        truncated: bool,
    ) -> HostTimestep:
        agents, acted = self._agents[team], self._last[team].alive
        there = np.array([name in living for name in agents.names])
        ended = _row(agents, answer.terminations, bool)
        terminated = acted & (ended | (~there & (not truncated)))
        alive = np.where(truncated, acted, there) & ~terminated
        shape = acted.reshape(-1, *[1] * (action.ndim - 1))
        none = agents.no_action
        return _timestep(
            agents,
            **self._seen(agents, answer.observations, alive),
            alive=alive,
            first=False,
            position=self._moved(team, places),
            last_action=np.where(shape, action, none).astype(none.dtype),
            reward=np.where(acted, _row(agents, answer.rewards, np.float32), np.float32(0)),
            terminated=terminated,
            truncated=truncated,
            num_alive=int((alive if living or truncated else acted).sum()),
        )

    def close(self) -> None:
        """PettingZoo's own."""
        self._theirs.close()

    def _seen(
        self, agents: Agents, observations: Mapping[str, Any], alive: Bool[np.ndarray, " N"]
    ) -> dict[str, Any]:
        names = [name for name, lives in zip(agents.names, alive, strict=True) if lives]
        return {
            "seen": agents.seen(observations, names),
            "legal": agents.legal(observations, names),
        }

    def _places(self) -> Places:
        """Where living agents of MAgent2's are, by name."""
        if not tells_places(self._theirs):
            return {}
        theirs = self._theirs.unwrapped
        found = [
            (theirs.env.get_agent_id(handle), theirs.env.get_pos(handle))
            for handle in theirs.handles
        ]
        names = self._theirs.possible_agents
        return {
            names[number]: place
            for numbers, places in found
            for number, place in zip(numbers, places, strict=True)
        }

    def _moved(self, team: str, places: Places) -> Int[np.ndarray, "N 2"]:
        """Everybody's place; of the dead the last one."""
        position = np.array(self._last[team].position)
        for name, row in self._agents[team].rows.items():
            if name in places:
                position[row] = places[name]
        return position


def tells_places(theirs: Any) -> bool:
    """Whether an environment says where its agents are on a square map, as MAgent2's do."""
    engine = getattr(theirs.unwrapped, "env", None)
    has_map = hasattr(theirs.unwrapped, "handles") and hasattr(theirs.unwrapped, "map_size")
    return has_map and hasattr(engine, "get_pos")


def _row(agents: Agents, values: Mapping[str, Any], dtype: Any) -> Shaped[np.ndarray, " N"]:
    """What is told of each agent, 0 of those of whom nothing is."""
    return np.array([values.get(name, 0) for name in agents.names], dtype)


def blank(agents: Agents) -> HostTimestep:
    """A team before its first episode: `first`, and nobody lives yet."""
    nobody = np.zeros(len(agents), bool)
    return _timestep(
        agents,
        seen=agents.nothing_seen(),
        legal=agents.legal({}, []),
        alive=nobody,
        first=True,
        position=np.zeros((len(agents), 2), np.int32),
        last_action=agents.no_action,
        reward=np.zeros(len(agents), np.float32),
        terminated=nobody,
        truncated=False,
    )


def _timestep(
    agents: Agents,
    *,
    seen: dict[str, Shaped[np.ndarray, "N ..."]],
    legal: Bool[np.ndarray, "N A"] | None,
    alive: Bool[np.ndarray, " N"],
    first: bool,
    position: Int[np.ndarray, "N 2"],
    last_action: Num[np.ndarray, "N ..."],
    reward: Float[np.ndarray, " N"],
    terminated: Bool[np.ndarray, " N"],
    truncated: bool,
    num_alive: int | None = None,
) -> HostTimestep:
    """A team's timestep; so many live as are alive, if not said otherwise."""
    return HostTimestep(
        own=seen,
        first=np.array(first),
        alive=alive,
        legal=legal,
        kind=np.zeros(len(agents), np.uint8),
        position=position,
        last_action=last_action,
        reward=reward,
        terminated=terminated,
        truncated=np.array(truncated),
        measures={ALIVE: np.array(alive.sum() if num_alive is None else num_alive, np.float32)},
    )
