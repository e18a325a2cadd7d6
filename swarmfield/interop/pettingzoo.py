"""PettingZoo's parallel environments, to be trained in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jaxtyping import Array, Int

from swarmfield.environments.hosted import HostedEnvironment, HostTimestep
from swarmfield.interop.pettingzoo_agents import Agents
from swarmfield.interop.pettingzoo_world import PettingZooWorld, blank, tells_places
from swarmfield.types import Observation, SwarmfieldError, TeamSpec, Timestep


class PettingZoo(HostedEnvironment):
    """A `pettingzoo.ParallelEnv` as an environment of one team, or of two that play each other.

    With a_i whether agent i acted, t steps since the reset, L the time limit, and what PettingZoo
    returns in its own names:

        truncated    = t >= L, or nobody is left and somebody was truncated,
        terminated_i = a_i and (terminations_i, or i is gone and the episode is not truncated),
        a_i'         = i is there, or acted when the episode was truncated; and is not terminated,
        r_i          = rewards_i if a_i else 0.

    So who is cut off alone, while others play on, counts as terminated. The dead see zeros, and
    nothing is done by them. Images of bytes are divided by 255.

    Args:
        identifier: Its module.
        build: Makes one of its environments.
        teams: Names of each team's agents, by team.
        max_steps: The time limit, L.

    Raises:
        SwarmfieldError: Agents of a team differ in what they see or may do; or there are more
            than two teams; or they do something that is no choice and no vector with bounds.
    """

    def __init__(
        self,
        identifier: str,
        build: Callable[[], Any],
        teams: Mapping[str, tuple[str, ...]],
        max_steps: int,
    ) -> None:
        if len(teams) > 2:
            raise SwarmfieldError(
                f"it has the teams {', '.join(teams)}, and at most two can be played (one, if they "
                "are all alike: --env.teams one)"
            )
        self.build = build
        theirs = build()
        self.agents = {team: _alike(theirs, names) for team, names in teams.items()}
        self.map_size = _map_size(theirs)
        self.name = f"pettingzoo:{identifier}"
        self.teams = tuple(self._spec(team) for team in teams)
        self.sides = tuple((team,) for team in teams)
        self.interchangeable = (
            len(teams) == 2 and len({team._replace(name="") for team in self.teams}) == 1
        )
        self.max_steps = max_steps
        side = self.map_size
        row = float(sum(map(len, teams.values()))), 1.0
        self.extent = row if side is None else (float(side), float(side))
        sizes = " against ".join(f"{len(names)} {team}" for team, names in teams.items())
        self.description = f"{self.name}: {sizes}, at most {max_steps} steps"

    def _spec(self, team: str) -> TeamSpec:
        agents, side = self.agents[team], self.map_size
        return TeamSpec(
            team,
            len(agents),
            agents.actions,
            agents.view,
            agents.features,
            cells=None if side is None else (side, side),
            placed=side is not None,
        )

    def world(self) -> PettingZooWorld:
        """A world of its own."""
        return PettingZooWorld(self.build(), self.agents, self.max_steps)

    def blank(self) -> dict[str, HostTimestep]:
        """Every team before its first episode."""
        return {team: blank(agents) for team, agents in self.agents.items()}

    def unpack(self, team: str, timestep: Timestep, index: Int[Array, ""]) -> Observation:
        """What one of them saw."""
        seen = {name: part[index] for name, part in timestep.own.items()}
        return self.agents[team].observation(seen)


def _map_size(theirs: Any) -> int | None:
    """Cells of a map's side, of environments that tell where agents are, as MAgent2's do."""
    return int(theirs.unwrapped.map_size) if tells_places(theirs) else None


def _alike(theirs: Any, names: tuple[str, ...]) -> Agents:
    """Agents of a team.

    Raises:
        SwarmfieldError: They are not all alike.
    """

    def spaces(name: str) -> tuple[Any, Any]:
        return theirs.observation_space(name), theirs.action_space(name)

    first = spaces(names[0])
    for name in names[1:]:
        if spaces(name) != first:
            (sees, does), (others_see, others_do) = spaces(name), first
            raise SwarmfieldError(
                f"agents of a team must be alike, but {name} sees {sees} and does {does}, and "
                f"{names[0]} sees {others_see} and does {others_do}"
            )
    return Agents(names, *first)
