"""What worlds in which two armies fight have in common: their options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from swarmfield.environments.gridworld.layout import LARGEST_MAP
from swarmfield.environments.gridworld.options import refuse_crowd, require_map
from swarmfield.environments.options import require_count, require_rewards
from swarmfield.types import SwarmfieldError

MOST_AGENTS = 2 * (LARGEST_MAP // 5) ** 2
_REWARDS = (
    "step_reward",
    "dead_penalty",
    "attack_penalty",
    "attack_opponent_reward",
    "kill_reward",
)


@dataclass(frozen=True)
class ArmyConfig:
    """Options of two armies."""

    map_size: int | None = None
    """Side of the square map. Default: MAgent2's, or the smallest that holds num_agents."""
    num_agents: int | None = None
    """Agents of both teams together, an even number. Default: as many as MAgent2 puts there."""
    max_steps: int = 1000
    """Steps after which an episode is cut off."""
    priority: Literal["random", "id"] = "random"
    """Who moves first: drawn anew every step, or MAgent2's order of ids, red first."""
    minimap: bool = True
    """Show each agent a coarse map of both armies, and its own position."""
    features: bool = True
    """Give each agent a vector: its last action, last reward, and with the minimap its position."""
    id_bits: bool = False
    """Begin the vector with ten bits of the agent's number, as MAgent2 does."""
    step_reward: float = -0.005
    """Reward of every step alive."""
    dead_penalty: float = -0.1
    """Reward of the step in which an agent dies; it replaces what the agent earned in it."""
    attack_penalty: float = -0.1
    """Reward of every attack, whatever it hits."""
    attack_opponent_reward: float = 0.2
    """Added for a hit that does not kill."""
    kill_reward: float = 5.0
    """Added for a hit that kills."""

    def check(
        self,
        title: str,
        smallest: int,
        most_on: Callable[[int], int],
        smallest_map: Callable[[int], int],
    ) -> None:
        """Refuse values that are not allowed.

        Args:
            title: The world's name, for people.
            smallest: Side of its smallest map.
            most_on: `map size -> agents` of both teams that there is room for.
            smallest_map: `agents -> map size` that holds them.
        """
        if self.map_size is not None:
            require_map(title, self.map_size, smallest)
        if self.num_agents is not None:
            _require_equal_armies(title, self.num_agents)
        require_count("max_steps", self.max_steps)
        require_rewards(self, _REWARDS)
        if self.map_size is not None and self.num_agents is not None:
            refuse_crowd(self.map_size, self.num_agents, most_on(self.map_size), smallest_map)


def _require_equal_armies(title: str, num_agents: int) -> None:
    """Refuse what two teams cannot share equally."""
    if num_agents < 2 or num_agents % 2:
        raise SwarmfieldError(
            f"--env.num-agents is {num_agents}, but {title} splits it into two equal teams:"
            " choose an even number of at least 2."
        )
    require_count("num_agents", num_agents, MOST_AGENTS)
