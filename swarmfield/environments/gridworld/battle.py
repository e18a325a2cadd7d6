"""Battle: two armies of equal soldiers; whoever kills more wins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float32, Int32

from swarmfield.environments.gridworld.agent_type import AgentType
from swarmfield.environments.gridworld.armies import ArmyConfig
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
from swarmfield.environments.gridworld.state import Tally
from swarmfield.environments.gridworld.world import GridWorld

SMALLEST_MAP = 12
DEFAULT_MAP = 40


@dataclass(frozen=True)
class BattleConfig(ArmyConfig):
    """Options of Battle."""

    map_size: int | None = None
    """Side of the square map, at least 12. Default: 40, or the smallest that holds num_agents."""
    max_steps: int = 400
    """Steps after which an episode is cut off."""
    priority: Literal["random", "id"] = "random"
    """Who moves first: drawn anew every step, or MAgent2's order of ids, which favours blue."""

    def __post_init__(self) -> None:
        self.check("Battle", SMALLEST_MAP, lambda size: 2 * team_size(size), smallest_map)


def build(config: BattleConfig) -> GridWorld:
    """Make the environment that a configuration describes."""
    map_size = choose_map(config.map_size, config.num_agents, DEFAULT_MAP, smallest_map)
    army = team_size(map_size) if config.num_agents is None else config.num_agents // 2
    return GridWorld(
        name="battle",
        layout=army_layout(config, map_size, army),
        place=FixedPlacement(arrange_armies),
        measure=measure,
        max_steps=config.max_steps,
        interchangeable=True,
        description=(
            f"Battle: {army} against {army} on a {map_size} x {map_size} map, {config.max_steps}"
            " steps"
        ),
    )


def army_layout(config: ArmyConfig, map_size: int, army: int) -> Layout:
    """Two teams of soldiers."""
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
    army = layout.groups[0].num_agents
    red, blue = _places(layout.map_size)
    return join([front(red, army, on_left=True), front(blue, army, on_left=False)])


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
