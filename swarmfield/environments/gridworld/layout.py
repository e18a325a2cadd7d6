"""What is fixed about a grid world: bodies, groups, reward rules, and the map's memory layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Int32, Num, Shaped

from swarmfield.types import SwarmfieldError

Offset = tuple[int, int]

LARGEST_MAP = 46_340
"""Side of the largest map whose cells have numbers below 2**31."""


def disc(radius: float | int, size: int = 1, inner: float = 0.0) -> tuple[Offset, ...]:
    """Cells whose distance from a body's centre is in [inner, radius], row by row.

    Args:
        radius: Outer radius, in cells.
        size: Side of the body. The centre of an even body is a corner of cells.
        inner: Inner radius, in cells.

    Returns:
        Offsets (dx, dy) from the body's left, top cell; x grows right, y grows down.
    """
    shift = (size - 1) / 2
    reach = range(math.floor(shift - radius), math.ceil(shift + radius) + 1)
    return tuple(
        (dx, dy)
        for dy in reach
        for dx in reach
        if inner**2 <= (dx - shift) ** 2 + (dy - shift) ** 2 <= radius**2
    )


@dataclass(frozen=True)
class AgentType:
    """One kind of body: what it can do, and what the world pays it.

    Attributes:
        name: For people.
        size: Side of its square body, in cells; its position is the left, top cell.
        hp: Hit points at the start, which are also the most it can have.
        speed: Radius of its moves, in cells; a move is a jump to the cell.
        view_radius: Radius of what it sees, in cells.
        attack_radius: Radius of its attacks, in cells; 0 for none.
        damage: Hit points taken by one of its hits.
        recovery: Hit points it regains every step.
        step_reward: Paid for every step alive.
        attack_penalty: Paid for every attack, whatever it hits.
        kill_reward: Paid to whoever kills it.
        dead_penalty: What it gets in the step of its death, instead of all it had earned.
    """

    name: str
    size: int = 1
    hp: float = 1.0
    speed: float = 1.0
    view_radius: int = 4
    attack_radius: float = 0.0
    damage: float = 0.0
    recovery: float = 0.0
    step_reward: float = 0.0
    attack_penalty: float = 0.0
    kill_reward: float = 0.0
    dead_penalty: float = 0.0

    @cached_property
    def moves(self) -> tuple[Offset, ...]:
        """Offsets of the move actions, in the order of their numbers; staying is one of them."""
        return disc(self.speed)

    @cached_property
    def attacks(self) -> tuple[Offset, ...]:
        """Offsets of the cells that the attack actions hit; their numbers follow the moves'."""
        return disc(self.attack_radius, self.size, inner=self.size / 2)

    @property
    def num_actions(self) -> int:
        """How many actions it has."""
        return len(self.moves) + len(self.attacks)

    @property
    def view_size(self) -> int:
        """Side V of the square view."""
        return 2 * self.view_radius + self.size % 2

    @property
    def view_start(self) -> int:
        """Offset of the view's left column (and top row) from the position."""
        return self.size // 2 - self.view_radius

    @property
    def num_levels(self) -> int:
        """Levels of hit points that a packed observation tells apart: tenths, and zero."""
        return round(self.hp * LEVELS_PER_HP) + 1

    @cached_property
    def view_mask(self) -> Bool[np.ndarray, "V V"]:
        """The cells of the view that it sees: those inside the disc."""
        mask = np.zeros((self.view_size, self.view_size), bool)
        for dx, dy in disc(self.view_radius, self.size):
            mask[dy - self.view_start, dx - self.view_start] = True
        return mask


LEVELS_PER_HP = 10
"""A packed observation keeps hit points in tenths."""


@dataclass(frozen=True)
class Group:
    """Agents of one type in one team.

    Attributes:
        name: The group's name.
        team: Its team's name; groups of one team stand next to each other.
        type: What its agents are.
        num_agents: How many there are.
    """

    name: str
    team: str
    type: AgentType
    num_agents: int


@dataclass(frozen=True)
class RewardRule:
    """Pays for attacks of one group that hit another and do not kill.

    Attributes:
        attacker: Index of the attacking group.
        victim: Index of the group that is hit.
        attacker_reward: Added to the attacker's reward.
        victim_reward: Added to the victim's reward, once for each hit.
    """

    attacker: int
    victim: int
    attacker_reward: float = 0.0
    victim_reward: float = 0.0


@dataclass(frozen=True)
class Layout:
    """The static half of a grid world.

    The map is square and bounded by a ring of walls. Grids of a flat batch of worlds are one row
    of cells, world by world, each map row by row: cell (x, y) of world e is
    `(e * S + y) * S + x`.

    Attributes:
        map_size: Side of the map, W = H, in cells.
        groups: Every group, the teams one after the other.
        rules: Rewards for hits.
        priority: Who moves first: `"random"` draws it every step, `"id"` is MAgent2's order.
        minimap: Whether observations hold a coarse map of all agents.
        features: Whether observations have a feature vector.
        id_bits: Whether the feature vector begins with ten bits of the agent's number.
    """

    map_size: int
    groups: tuple[Group, ...]
    rules: tuple[RewardRule, ...]
    priority: Literal["random", "id"] = "random"
    minimap: bool = True
    features: bool = True
    id_bits: bool = False

    def __post_init__(self) -> None:
        wounding = {g.type.damage for g in self.groups if g.type.attacks}
        if len(wounding) > 1:
            raise SwarmfieldError(
                f"the damages {sorted(wounding)} of the attacking types differ: the order of hits"
                " would decide hit points; give all attacking types the same damage."
            )
        if wounding != {0.0} and any(g.type.size > 1 for g in self.groups):
            raise SwarmfieldError(
                "bodies of more than one cell cannot be wounded yet: use size=1 or damage=0."
            )

    @property
    def num_agents(self) -> int:
        """Agents of all groups, N."""
        return sum(group.num_agents for group in self.groups)

    @cached_property
    def word(self) -> type:
        """The smallest integers that tell its agents and their turns apart.

        Turns are below 2**15 in 16 bits and below 2**31 in 32, and come in up to 16 strips of
        the map and one more.
        """
        return np.int16 if 17 * self.num_agents < np.iinfo(np.int16).max else np.int32

    @property
    def damage(self) -> float:
        """What one hit takes, the same for all who attack."""
        return max(group.type.damage if group.type.attacks else 0.0 for group in self.groups)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The first row of each group, and N."""
        return tuple(accumulate((group.num_agents for group in self.groups), initial=0))

    @cached_property
    def team_names(self) -> tuple[str, ...]:
        """Every team once."""
        return tuple(dict.fromkeys(group.team for group in self.groups))

    def groups_of(self, team: str) -> range:
        """Indices of a team's groups."""
        members = [i for i, group in enumerate(self.groups) if group.team == team]
        return range(members[0], members[-1] + 1)

    def rows_of(self, team: str) -> slice:
        """A team's rows in arrays `[N]` of all agents."""
        groups = self.groups_of(team)
        return slice(self.starts[groups[0]], self.starts[groups[-1] + 1])

    @cached_property
    def body_size(self) -> int:
        """Side of the largest body."""
        return max(group.type.size for group in self.groups)

    @property
    def num_cells(self) -> int:
        """Cells of the map."""
        return self.map_size**2

    @cached_property
    def bodies(self) -> tuple[tuple[int, slice], ...]:
        """Every cell of a body, as an offset from its position's, and whose it is."""
        if self.body_size == 1:
            return ((0, slice(None)),)
        return tuple(
            (dy * self.map_size + dx, slice(self.starts[i], self.starts[i + 1]))
            for dy in range(self.body_size)
            for dx in range(self.body_size)
            for i, group in enumerate(self.groups)
            if max(dx, dy) < group.type.size
        )

    def count(self, events: Num[Array, "E N"] | Bool[Array, "E N"]) -> Int32[Array, "E K"]:
        """Sum over the agents of each group."""
        if len({group.num_agents for group in self.groups}) == 1:
            by_group = events.reshape(events.shape[0], len(self.groups), -1)
            return jnp.sum(by_group, axis=2, dtype=jnp.int32)
        bounds = pairwise(self.starts)
        return jnp.stack([jnp.sum(events[:, a:b], axis=1, dtype=jnp.int32) for a, b in bounds], 1)

    def per_agent(self, values: Sequence[float | int], dtype: DTypeLike) -> Shaped[Array, "1 _"]:
        """One value for each group, repeated for its agents."""
        if len(set(values)) == 1:
            return jnp.full((1, 1), values[0], dtype)
        parts = [jnp.full(g.num_agents, v, dtype) for g, v in zip(self.groups, values, strict=True)]
        return jnp.concatenate(parts)[None]

    def per_action(self, tables: Sequence[Sequence[int]], actions: Array) -> Array:
        """Look up each agent's action in its group's table."""
        if all(table == tables[0] for table in tables):
            return _take(tables[0], actions)
        starts = list(accumulate((len(table) for table in tables[:-1]), initial=0))
        joined = [value for table in tables for value in table]
        return _take(joined, actions + self.per_agent(starts, jnp.int32))


def _take(table: Sequence[int], index: Array) -> Int32[Array, "E N"]:
    return jnp.asarray(table, jnp.int32).at[index].get(mode="clip")
