"""Combined Arms: two armies of tough melee and frail ranged soldiers, who may hit their own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from swarmfield.environments.gridworld.agent_type import AgentType
from swarmfield.environments.gridworld.armies import ArmyConfig
from swarmfield.environments.gridworld.battle import measure
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
from swarmfield.environments.gridworld.options import choose_map
from swarmfield.environments.gridworld.world import GridWorld
from swarmfield.types import SwarmfieldError

SMALLEST_MAP = 16
DEFAULT_MAP = 45
FEWEST_AGENTS = 4
_FRIENDS = ((0, 1), (2, 3))


@dataclass(frozen=True)
class CombinedArmsConfig(ArmyConfig):
    """Options of Combined Arms."""

    map_size: int | None = None
    """Side of the square map, at least 16. Default: 45, or the smallest that holds num_agents."""
    num_agents: int | None = None
    """Agents of both teams together, an even number of at least 4; half of each team, rounded up,
    fights hand to hand. Default: as many as MAgent2 puts there."""
    dead_penalty: float = -0.1
    """Reward of the step in which an agent dies; it replaces what the agent earned in it, but for
    what it had earned by a hit or a kill."""
    attack_opponent_reward: float = 0.2
    """Added for a hit on the enemy that does not kill."""
    kill_reward: float = 5.0
    """Added for a hit that kills an enemy."""

    def __post_init__(self) -> None:
        self.check("Combined Arms", SMALLEST_MAP, largest_population, smallest_map)
        if self.num_agents is not None and self.num_agents < FEWEST_AGENTS:
            raise SwarmfieldError(
                f"--env.num-agents is {self.num_agents}, but each of the two teams needs a melee"
                " and a ranged soldier: choose at least 4."
            )


def build(config: CombinedArmsConfig) -> GridWorld:
    """Make the environment that a configuration describes."""
    map_size = choose_map(config.map_size, config.num_agents, DEFAULT_MAP, smallest_map)
    melee, ranged = _sizes(config, map_size)
    layout = Layout(
        map_size=map_size,
        groups=tuple(
            Group(f"{team}_{kind.name}", team, kind, count)
            for team in ("red", "blue")
            for kind, count in zip(_kinds(config), (melee, ranged), strict=True)
        ),
        rules=_rules(config),
        priority=config.priority,
        minimap=config.minimap,
        features=config.features,
        id_bits=config.id_bits,
    )
    return GridWorld(
        name="combined_arms",
        layout=layout,
        place=FixedPlacement(arrange_armies),
        measure=measure,
        max_steps=config.max_steps,
        interchangeable=True,
        description=(
            f"Combined Arms: {melee} melee and {ranged} ranged soldiers against as many on a"
            f" {map_size} x {map_size} map, {config.max_steps} steps"
        ),
    )


def _kinds(config: CombinedArmsConfig) -> tuple[AgentType, AgentType]:
    def soldier(name: str, hp: float, reach: float) -> AgentType:
        return AgentType(
            name=name,
            hp=hp,
            speed=reach,
            view_radius=6,
            attack_radius=reach,
            damage=2.0,
            recovery=0.1,
            hits_own=True,
            step_reward=config.step_reward,
            attack_penalty=config.attack_penalty,
            dead_penalty=config.dead_penalty,
        )

    return soldier("melee", 10.0, 1.0), soldier("ranged", 3.0, 2.0)


def _rules(config: CombinedArmsConfig) -> tuple[RewardRule, ...]:
    """Hits and kills are paid if they strike the other team."""
    (red, blue), hit, kill = _FRIENDS, config.attack_opponent_reward, config.kill_reward
    pairs = [(a, b) for a in red for b in blue] + [(a, b) for a in blue for b in red]
    hits = [RewardRule(a, b, hit) for a, b in pairs]
    return (*hits, *[RewardRule(a, b, kill, kills=True) for a, b in pairs])


def arrange_armies(layout: Layout) -> Cells:
    """MAgent2's formation: columns of melee and of ranged soldiers by turns, melee on the left.

    With fewer agents than places the front columns are filled. Ids run down each column, columns
    from left to right, in each of the four groups: red's melee and ranged, blue's melee and
    ranged.
    """
    groups = zip(layout.groups, _places(layout.map_size), strict=True)
    return join([front(cells, g.num_agents, on_left=g.team == "red") for g, cells in groups])


def largest_population(map_size: int) -> int:
    """The largest number for `--env.num-agents`: half of each team is of either kind."""
    melee, ranged = (len(x) for x, _ in _places(map_size)[:2])
    return 2 * min(2 * melee, 2 * ranged + 1)


def smallest_map(num_agents: int) -> int:
    """The smallest map that holds `num_agents` in both teams together."""
    size = max(SMALLEST_MAP, 5 * math.isqrt(num_agents // 2 - 1))
    while largest_population(size) < num_agents:
        size += 1
    return size


def _places(map_size: int) -> list[Cells]:
    """The places of red's melee and ranged and blue's melee and ranged, in the order of ids."""
    count = int(math.sqrt(map_size * map_size * 0.04))
    y = rows(map_size, count)
    left, right = columns(map_size, count)
    left = np.arange(max(left[0], 1), left[-1] + 2, 2)
    right = right[right < map_size - 1][: len(left)]
    return [block(x[kind::2], y, map_size) for x in (left, right) for kind in (0, 1)]


def _sizes(config: CombinedArmsConfig, map_size: int) -> tuple[int, int]:
    """Melee and ranged soldiers of a team."""
    if config.num_agents is not None:
        army = config.num_agents // 2
        return army - army // 2, army // 2
    melee, ranged = (len(x) for x, _ in _places(map_size)[:2])
    return melee, ranged
