"""Gather: a ring of omnivores around a field of food, which takes five bites to eat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Int32

from swarmfield.environments.gridworld.agent_type import AgentType
from swarmfield.environments.gridworld.formation import Cells, FixedPlacement, join
from swarmfield.environments.gridworld.layout import LARGEST_MAP, Group, Layout, RewardRule
from swarmfield.environments.gridworld.options import choose_map, refuse_crowd, require_map
from swarmfield.environments.gridworld.state import Tally
from swarmfield.environments.gridworld.world import GridWorld
from swarmfield.environments.options import require_count, require_rewards

SMALLEST_MAP = 30
DEFAULT_MAP = 200
_OMNIVORE_RINGS = ((0.9, 3), (0.8, 4), (0.7, 6))
_FOOD_RINGS = ((0.65, 10), (0.6, 10), (0.55, 10), (0.5, 4), (0.45, 3), (0.4, 1))
_FIELD = 0.3
_FIELD_BORDERS = (0, 2, 4, 6)
_OMNIVORES, _FOOD = 0, 1
_REWARDS = (
    "step_reward",
    "attack_penalty",
    "dead_penalty",
    "attack_food_reward",
    "kill_reward",
)


@dataclass(frozen=True)
class GatherConfig:
    """Options of Gather."""

    map_size: int | None = None
    """Side of the square map, at least 30; what stands on it grows along. Default: MAgent2's 200,
    or the smallest that holds num_agents."""
    num_agents: int | None = None
    """Omnivores. Default: as many as there are places on their three rings, 495 on MAgent2's map;
    fewer are spread evenly over the places."""
    max_steps: int = 500
    """Steps after which an episode is cut off."""
    priority: Literal["random", "id"] = "random"
    """Who moves first: drawn anew every step, or MAgent2's order of ids."""
    minimap: bool = True
    """Show each agent a coarse map of omnivores and food, and its own position."""
    features: bool = True
    """Give each agent a vector: its last action, last reward, and with the minimap its position."""
    step_reward: float = -0.01
    """Reward of every step alive."""
    attack_penalty: float = -0.1
    """Reward of every attack, whatever it hits."""
    dead_penalty: float = -1.0
    """Reward of the step in which an agent dies; it replaces what the agent earned in it."""
    attack_food_reward: float = 0.5
    """Added for a bite that leaves something of the food."""
    kill_reward: float = 5.0
    """Added for the bite that eats it up."""

    def __post_init__(self) -> None:
        if self.map_size is not None:
            require_map("Gather", self.map_size, SMALLEST_MAP)
        if self.num_agents is not None:
            require_count("num_agents", self.num_agents, num_places(LARGEST_MAP))
        require_count("max_steps", self.max_steps)
        require_rewards(self, _REWARDS)
        if self.map_size is not None and self.num_agents is not None:
            places = num_places(self.map_size)
            refuse_crowd(self.map_size, self.num_agents, places, smallest_map, " omnivores")


def build(config: GatherConfig) -> GridWorld:
    """Make the environment that a configuration describes."""
    map_size = choose_map(config.map_size, config.num_agents, DEFAULT_MAP, smallest_map)
    count, food = config.num_agents or num_places(map_size), len(food_places(map_size)[0])
    omnivore, meal = _kinds(config)
    layout = Layout(
        map_size=map_size,
        groups=(Group("omnivore", "omnivore", omnivore, count), Group("food", None, meal, food)),
        rules=(RewardRule(_OMNIVORES, _FOOD, config.attack_food_reward),),
        priority=config.priority,
        minimap=config.minimap,
        features=config.features,
    )
    return GridWorld(
        name="gather",
        layout=layout,
        place=FixedPlacement(arrange),
        measure=measure,
        max_steps=config.max_steps,
        interchangeable=False,
        description=(
            f"Gather: {count} omnivores and {food} pieces of food on a {map_size} x {map_size} map,"
            f" {config.max_steps} steps"
        ),
    )


def _kinds(config: GatherConfig) -> tuple[AgentType, AgentType]:
    """Omnivores and food, whose hit points always are whole numbers."""
    omnivore = AgentType(
        name="omnivore",
        hp=3.0,
        speed=3.0,
        view_radius=7,
        attack_radius=1.0,
        damage=6.0,
        hits_own=True,
        step_reward=config.step_reward,
        attack_penalty=config.attack_penalty,
        dead_penalty=config.dead_penalty,
        levels_per_hp=1,
    )
    meal = AgentType(
        name="food",
        hp=25.0,
        speed=0.0,
        view_radius=1,
        kill_reward=config.kill_reward,
        levels_per_hp=1,
    )
    return omnivore, meal


def measure(
    tally: Tally, living: Int32[Array, "E P"], team: int
) -> dict[str, Float32[Array, " E"]]:
    """Food eaten up, food left, and living omnivores."""
    return {
        "eaten": tally.kills[:, team].astype(jnp.float32),
        "food": living[:, _FOOD].astype(jnp.float32),
        "alive": living[:, team].astype(jnp.float32),
    }


def arrange(layout: Layout) -> Cells:
    """MAgent2's rings, or some of their places evenly spread; then the food."""
    x, y = omnivore_places(layout.map_size)
    count = layout.groups[_OMNIVORES].num_agents
    chosen = np.arange(count) * len(x) // count
    return join([(x[chosen], y[chosen]), food_places(layout.map_size)])


def omnivore_places(map_size: int) -> Cells:
    """Three square rings around the food, in the order of ids."""
    rings = [_ring(map_size, int(map_size * share), gap) for share, gap in _OMNIVORE_RINGS]
    return _once(join(rings))


def food_places(map_size: int) -> Cells:
    """Rings of food, and a field in the middle: a closed border and blocks of four cells."""
    rings = [_ring(map_size, int(map_size * share), gap) for share, gap in _FOOD_RINGS]
    rings += [_ring(map_size, int(map_size * _FIELD - less), 1) for less in _FIELD_BORDERS]
    side = max(0, int(map_size * _FIELD) - 7)
    start = map_size // 2 - side // 2
    cells = np.flatnonzero(np.arange(side) % 4 >= 2) + start
    y, x = (part.reshape(-1) for part in np.meshgrid(cells, cells, indexing="ij"))
    return _once(join([*rings, (x, y)]))


def num_places(map_size: int) -> int:
    """Omnivores that a map holds."""
    return len(omnivore_places(map_size)[0])


def smallest_map(num_agents: int) -> int:
    """The smallest map that holds that many omnivores."""
    size = max(SMALLEST_MAP, 2 * num_agents // 5 - 10)
    while num_places(size) < num_agents:
        size += 1
    return size


def _ring(map_size: int, side: int, gap: int) -> Cells:
    """A square ring around the middle: a cell every `gap`, on facing edges by turns."""
    middle, half = map_size // 2, side // 2
    along = np.arange(middle - half, middle + half + 1, gap)
    edges = np.tile([middle - half, middle + half], len(along))
    along = np.repeat(along, 2)
    return join([(along, edges), (edges, along)])


def _once(cells: Cells) -> Cells:
    """Each cell where it comes first."""
    first = np.sort(np.unique(np.stack(cells), axis=1, return_index=True)[1])
    return cells[0][first], cells[1][first]
