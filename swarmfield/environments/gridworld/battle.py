"""Battle: two armies of equal soldiers, or many against few who reach twice as far.

Whoever kills more wins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float32, Int32

from swarmfield.environments.gridworld.agent_type import AgentType
from swarmfield.environments.gridworld.armies import MOST_AGENTS, ArmyConfig
from swarmfield.environments.gridworld.formation import (
    Cells,
    FixedPlacement,
    block,
    columns,
    front,
    join,
    rows,
)
from swarmfield.environments.gridworld.layout import Group, Layout, RewardRule
from swarmfield.environments.gridworld.options import choose_map, refuse_crowd
from swarmfield.environments.gridworld.state import Tally
from swarmfield.environments.gridworld.world import GridWorld
from swarmfield.environments.options import require_count
from swarmfield.types import SwarmfieldError

SMALLEST_MAP = 12
DEFAULT_MAP = 40
SMALLEST_DOUBLE_MAP = 24
"""A row of what double enemies see is 25 cells: on a smaller map it would reach over two rows."""
DEFAULT_AGENTS = 200
"""HMF's soldiers against double enemies."""
MOST_OF_A_TEAM = MOST_AGENTS // 4
"""So that the other team may be twice as large and still finds a map."""


@dataclass(frozen=True)
class BattleConfig(ArmyConfig):
    """Options of Battle."""

    map_size: int | None = None
    """Side of the square map, at least 12. Default: 40, or the smallest that holds num_agents."""
    max_steps: int = 400
    """Steps after which an episode is cut off."""
    priority: Literal["random", "id"] = "random"
    """Who moves first: drawn anew every step, or MAgent2's order of ids, which favours blue."""
    enemy: Literal["equal", "double"] = "equal"
    """What blue's soldiers are: red's equals, or such as see, move and hit twice as far."""
    agents: int | None = None
    """Red's soldiers against `double` enemies. Default: as many as map_size holds; if that is not
    given either, twice the enemies, or 200."""
    enemies: int | None = None
    """Blue's `double` soldiers. Default: half as many as red's, rounded up."""

    def __post_init__(self) -> None:
        if self.enemy == "double":
            self._check_double()
            return
        for name in ("agents", "enemies"):
            if (value := getattr(self, name)) is not None:
                raise SwarmfieldError(
                    f"--env.{name} is {value}, but equal armies have equally many: add"
                    " --env.enemy double, or give --env.num-agents, which is both together."
                )
        self.check("Battle", SMALLEST_MAP, lambda size: 2 * team_size(size), smallest_map)

    def _check_double(self) -> None:
        if self.num_agents is not None:
            raise SwarmfieldError(
                f"--env.num-agents is {self.num_agents}, which is split into two equal teams, but"
                " with --env.enemy double they differ: give --env.agents and --env.enemies."
            )
        self.check("Battle against double enemies", SMALLEST_DOUBLE_MAP, team_size, _map_of_teams)
        for name in ("agents", "enemies"):
            value = getattr(self, name)
            if value is not None:
                require_count(name, value, MOST_OF_A_TEAM)
            if value is not None and self.map_size is not None:
                places = team_size(self.map_size)
                refuse_crowd(self.map_size, value, places, _map_of_teams, " in each team", name)


def build(config: BattleConfig) -> GridWorld:
    """Make the environment that a configuration describes."""
    map_size, red, blue = _sizes(config)
    layout, equal = army_layout(config, map_size, red), config.enemy == "equal"
    return GridWorld(
        name="battle",
        layout=layout if equal else _double(layout, blue),
        place=FixedPlacement(arrange_armies),
        measure=measure,
        max_steps=config.max_steps,
        interchangeable=equal,
        description=(
            f"Battle: {red} against {blue}{'' if equal else ' who reach twice as far'} on a"
            f" {map_size} x {map_size} map, {config.max_steps} steps"
        ),
    )


def _sizes(config: BattleConfig) -> tuple[int, int, int]:
    """Side of the map, red's soldiers, and blue's."""
    if config.enemy == "equal":
        map_size = choose_map(config.map_size, config.num_agents, DEFAULT_MAP, smallest_map)
        army = team_size(map_size) if config.num_agents is None else config.num_agents // 2
        return map_size, army, army
    agents, enemies = config.agents, config.enemies
    if agents is None and config.map_size is not None:
        agents = team_size(config.map_size)
    if agents is None:
        agents = DEFAULT_AGENTS if enemies is None else 2 * enemies
    if enemies is None:
        enemies = (agents + 1) // 2
    return config.map_size or _map_of_teams(max(agents, enemies)), agents, enemies


def _map_of_teams(army: int) -> int:
    """The smallest map for double enemies that holds `army` agents in each team."""
    return max(SMALLEST_DOUBLE_MAP, smallest_map(2 * army))


def _double(layout: Layout, enemies: int) -> Layout:
    """The same with that many enemies in blue, who see, move and hit twice as far as red.

    Source: C. Yu (2023), hierarchical mean field (HMF), where 200 agents fight 100 such
    enemies. What "range" is measured by they do not say: here it is the radius, in cells. Nor do
    they say where anybody stands: here as in Battle of equals.
    """
    red, soldier = layout.groups[0], layout.groups[0].type
    strong = replace(
        soldier,
        name="double soldier",
        speed=2 * soldier.speed,
        view_radius=2 * soldier.view_radius,
        attack_radius=2 * soldier.attack_radius,
    )
    return replace(layout, groups=(red, Group("blue", "blue", strong, enemies)))


def army_layout(config: ArmyConfig, map_size: int, army: int) -> Layout:
    """Two teams of equal soldiers."""
    soldier = AgentType(
        name="soldier",
        hp=10.0,
        speed=2.0,
        view_radius=6,
        attack_radius=1.5,
        damage=2.0,
        recovery=0.1,
        step_reward=config.step_reward,
        attack_penalty=config.attack_penalty,
        kill_reward=config.kill_reward,
        dead_penalty=config.dead_penalty,
    )
    hit = config.attack_opponent_reward
    return Layout(
        map_size=map_size,
        groups=(Group("red", "red", soldier, army), Group("blue", "blue", soldier, army)),
        rules=(RewardRule(0, 1, hit), RewardRule(1, 0, hit)),
        priority=config.priority,
        minimap=config.minimap,
        features=config.features,
        id_bits=config.id_bits,
    )


def measure(
    tally: Tally, living: Int32[Array, "E K"], team: int
) -> dict[str, Float32[Array, " E"]]:
    """Kills and survivors of a team, and whether it is ahead in kills."""
    ahead = tally.kills[:, team] - tally.kills[:, 1 - team]
    return {
        "kills": tally.kills[:, team].astype(jnp.float32),
        "alive": living[:, team].astype(jnp.float32),
        "win_rate": 0.5 * (1.0 + jnp.sign(ahead).astype(jnp.float32)),
        "win_or_tie_rate": (ahead >= 0).astype(jnp.float32),
    }


def team_size(map_size: int) -> int:
    """Agents MAgent2 puts into each team."""
    return len(_places(map_size)[0][0])


def smallest_map(num_agents: int) -> int:
    """The smallest map that holds `num_agents` in both teams together."""
    army = num_agents // 2
    size = max(SMALLEST_MAP, 5 * math.isqrt(army - 1))
    while team_size(size) < army:
        size += 1
    return size


def arrange_armies(layout: Layout) -> Cells:
    """MAgent2's formation; with fewer agents than places the front columns are filled.

    Ids run down each column, columns from left to right, in both teams.
    """
    red, blue = (group.num_agents for group in layout.groups)
    left, right = _places(layout.map_size)
    return join([front(left, red, on_left=True), front(right, blue, on_left=False)])


def _places(map_size: int) -> tuple[Cells, Cells]:
    """All of MAgent2's places, red's and blue's, in the order of ids.

    Two squares of every second cell, 2 floor(S / 5) wide, 3 cells from the middle line; places
    that are not strictly inside the ring of walls are dropped.
    """
    count = int(math.sqrt(map_size * map_size * 0.04))
    y = rows(map_size, count)
    red, blue = (block(x, y, map_size) for x in columns(map_size, count))
    army = min(len(red[0]), len(blue[0]))
    return (red[0][:army], red[1][:army]), (blue[0][:army], blue[1][:army])
