"""Adversarial Pursuit: large, slow predators tag small, faster prey between random walls."""

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

SMALLEST_MAP = 9
DEFAULT_MAP = 45
_WALLS_PER_CELL = 0.03
_PREDATORS_PER_CELL = 0.0125
_PREY_PER_CELL = 0.025
MOST_PREDATORS = int(LARGEST_MAP**2 * _PREDATORS_PER_CELL)

_choose_sizes = partial(
    choose_sizes,
    default=DEFAULT_MAP,
    least=SMALLEST_MAP,
    per_cell=(_PREDATORS_PER_CELL, _PREY_PER_CELL),
)


@dataclass(frozen=True)
class AdversarialPursuitConfig:
    """Options of Adversarial Pursuit."""

    map_size: int | None = None
    """Side of the square map, at least 9. Default: 45, or the smallest that holds num_agents."""
    num_agents: int | None = None
    """Predators; there are twice as many prey. Default: as many as MAgent2 puts on the map."""
    max_steps: int = 500
    """Steps after which an episode is cut off."""
    priority: Literal["random", "id"] = "random"
    """Who moves first: drawn anew every step, or MAgent2's order of ids, predators first."""
    minimap: bool = True
    """Show each agent a coarse map of both teams, and its own position."""
    features: bool = True
    """Give each agent a vector: its last action, last reward, and with the minimap its position."""
    id_bits: bool = False
    """Begin the vector with ten bits of the agent's number, as MAgent2 does."""
    tag_penalty: float = -0.2
    """Reward of every tag action, whatever it touches."""
    tag_reward: float = 1.0
    """Added for a predator that touches a prey; the prey gets its negative."""

    def __post_init__(self) -> None:
        if self.map_size is not None:
            require_map("Adversarial Pursuit", self.map_size, SMALLEST_MAP)
        if self.num_agents is not None:
            require_count("num_agents", self.num_agents, MOST_PREDATORS)
        require_count("max_steps", self.max_steps)
        require_rewards(self, ("tag_penalty", "tag_reward"))
        if self.map_size is not None and self.num_agents is not None:
            check_fit(
                self.map_size, self.num_agents, _PREDATORS_PER_CELL, SMALLEST_MAP, "predators"
            )


def build(config: AdversarialPursuitConfig) -> GridWorld:
    """Make the environment that a configuration describes."""
    map_size, predators, prey = _choose_sizes(config.map_size, config.num_agents)
    predator = AgentType(
        name="predator",
        size=2,
        speed=1.0,
        view_radius=5,
        attack_radius=2.0,
        attack_penalty=config.tag_penalty,
    )
    layout = Layout(
        map_size=map_size,
        groups=(
            Group("predator", "predator", predator, predators),
            Group("prey", "prey", AgentType(name="prey", speed=1.5, view_radius=4), prey),
        ),
        rules=(RewardRule(0, 1, config.tag_reward, -config.tag_reward),),
        priority=config.priority,
        minimap=config.minimap,
        features=config.features,
        id_bits=config.id_bits,
    )
    walls = count_on(map_size, _WALLS_PER_CELL)
    description = (
        f"Adversarial Pursuit: {predators} predators and {prey} prey on a {map_size} x {map_size}"
        f" map with {walls} walls, {config.max_steps} steps"
    )
    return GridWorld(
        name="adversarial_pursuit",
        layout=layout,
        place=RandomPlacement(walls),
        measure=measure,
        max_steps=config.max_steps,
        interchangeable=False,
        description=description,
    )


def measure(
    tally: Tally, living: Int32[Array, "E K"], team: int
) -> dict[str, Float32[Array, " E"]]:
    """Tags made by predators; tags taken by prey."""
    tags = tally.hits[:, team] + tally.struck[:, team]
    return {"tags": tags.astype(jnp.float32), "alive": living[:, team].astype(jnp.float32)}


def num_predators(map_size: int) -> int:
    """Predators MAgent2 puts on a map."""
    return count_on(map_size, _PREDATORS_PER_CELL)


def num_prey(map_size: int) -> int:
    """Prey MAgent2 puts on a map."""
    return count_on(map_size, _PREY_PER_CELL)
