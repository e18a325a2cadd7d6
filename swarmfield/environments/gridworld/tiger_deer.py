"""Tigers and deer: tigers starve unless they hunt, and are paid for hunting together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float32, Int32

from swarmfield.environments.gridworld.agent_type import AgentType
from swarmfield.environments.gridworld.density import check_fit, choose_sizes, count_on
from swarmfield.environments.gridworld.layout import LARGEST_MAP, Group, Layout, RewardRule
from swarmfield.environments.gridworld.options import require_map
from swarmfield.environments.gridworld.placement import RandomPlacement
from swarmfield.environments.gridworld.state import Tally
from swarmfield.environments.gridworld.world import GridWorld
from swarmfield.environments.options import require_count, require_rewards

SMALLEST_MAP = 10
DEFAULT_MAP = 45
_WALLS_PER_CELL = 0.04
_DEER_PER_CELL = 0.05
_TIGERS_PER_CELL = 0.01
MOST_TIGERS = count_on(LARGEST_MAP, _TIGERS_PER_CELL)
_DEER = 0

_choose_sizes = partial(
    choose_sizes,
    default=DEFAULT_MAP,
    least=SMALLEST_MAP,
    per_cell=(_TIGERS_PER_CELL, _DEER_PER_CELL),
)


@dataclass(frozen=True)
class TigerDeerConfig:
    """Options of Tiger-Deer."""

    map_size: int | None = None
    """Side of the square map, at least 10. Default: 45, or the smallest that holds num_agents."""
    num_agents: int | None = None
    """Tigers; there are five times as many deer. Default: as many as MAgent2 puts on the map."""
    max_steps: int = 300
    """Steps after which an episode is cut off."""
    priority: Literal["random", "id"] = "random"
    """Who moves first: drawn anew every step, or MAgent2's order of ids, deer first."""
    minimap: bool = True
    """Show each agent a coarse map of both teams, and its own position."""
    features: bool = True
    """Give each agent a vector: its last action, last reward, and with the minimap its position."""
    id_bits: bool = False
    """Begin the vector with ten bits of the agent's number, as MAgent2 does."""
    tiger_step_recover: float = -0.1
    """Hit points that a tiger gains every step; below 0 it starves without killing."""
    deer_attacked: float = -0.1
    """Reward of a deer for each hit that does not kill it."""
    company_reward: float = 1.0
    """Reward of a tiger for each other one who hits the same deer in the same step."""

    def __post_init__(self) -> None:
        if self.map_size is not None:
            require_map("Tiger-Deer", self.map_size, SMALLEST_MAP)
        if self.num_agents is not None:
            require_count("num_agents", self.num_agents, MOST_TIGERS)
        require_count("max_steps", self.max_steps)
        require_rewards(self, ("tiger_step_recover", "deer_attacked", "company_reward"))
        if self.map_size is not None and self.num_agents is not None:
            check_fit(self.map_size, self.num_agents, _TIGERS_PER_CELL, SMALLEST_MAP, "tigers")


def build(config: TigerDeerConfig) -> GridWorld:
    """Make the environment that a configuration describes."""
    map_size, tigers, deer = _choose_sizes(config.map_size, config.num_agents)
    walls = count_on(map_size, _WALLS_PER_CELL)
    prey = AgentType(
        name="deer", hp=5.0, view_radius=1, recovery=0.2, kill_supply=8.0, dead_penalty=-1.0
    )
    hunter = AgentType(
        name="tiger",
        hp=10.0,
        view_radius=4,
        attack_radius=1.0,
        damage=1.0,
        recovery=config.tiger_step_recover,
    )
    layout = Layout(
        map_size=map_size,
        groups=(Group("deer", "deer", prey, deer), Group("tiger", "tiger", hunter, tigers)),
        rules=(RewardRule(1, _DEER, 0.0, config.deer_attacked, config.company_reward),),
        priority=config.priority,
        minimap=config.minimap,
        features=config.features,
        id_bits=config.id_bits,
    )
    return GridWorld(
        name="tiger_deer",
        layout=layout,
        place=RandomPlacement(walls),
        measure=measure,
        max_steps=config.max_steps,
        interchangeable=False,
        description=(
            f"Tiger-Deer: {tigers} tigers and {deer} deer on a {map_size} x {map_size} map with"
            f" {walls} walls, {config.max_steps} steps"
        ),
        home="tiger",
    )


def measure(
    tally: Tally, living: Int32[Array, "E P"], team: int
) -> dict[str, Float32[Array, " E"]]:
    """Deer killed so far, and the team's survivors."""
    return {
        "kills": jnp.sum(tally.kills, axis=1).astype(jnp.float32),
        "alive": living[:, team].astype(jnp.float32),
    }
