"""What is fixed about a grid world: bodies, groups, reward rules, and the map's memory layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Int32, Num, Shaped

from swarmfield.environments.gridworld.agent_type import AgentType, Offset
from swarmfield.types import SwarmfieldError

LARGEST_MAP = 46_340
"""Side of the largest map whose cells have numbers below 2**31."""


@dataclass(frozen=True)
class Group:
    """Agents of one type in one team.

    Attributes:
        name: The group's name.
        team: Its team's name; groups of one team stand next to each other. None for bodies
            that nobody plays, which come last.
        type: What its agents are.
        num_agents: How many there are.
    """

    name: str
    team: str | None
    type: AgentType
    num_agents: int


@dataclass(frozen=True)
class RewardRule:
    """Pays for attacks of one group that hit another and do not kill, or for those that do.

    Attributes:
        attacker: Index of the attacking group.
        victim: Index of the group that is hit.
        attacker_reward: Added to the attacker's reward.
        victim_reward: Added to the victim's reward, once for each hit.
        company_reward: Added to the attacker's reward, once for each other attacker who hits
            the same victim in the same step.
        kills: Pay for kills; otherwise for hits that do not kill.
    """

    attacker: int
    victim: int
    attacker_reward: float = 0.0
    victim_reward: float = 0.0
    company_reward: float = 0.0
    kills: bool = False


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
        self._check_teams()
        self._check_hits()

    def _check_teams(self) -> None:
        teams = [group.team for group in self.groups]
        idle = teams.index(None) if None in teams else len(teams)
        if any(g.team is not None or g.type.num_actions > 1 for g in self.groups[idle:]):
            raise SwarmfieldError(
                "groups without a team must come last and can do nothing but stay: move them, and"
                " give them speed=0 and attack_radius=0."
            )
        for name in self.team_names:
            views = {(g.type.size, g.type.view_radius) for g in self.groups if g.team == name}
            if len(views) > 1:
                raise SwarmfieldError(
                    f"the groups of team {name!r} have bodies and views {sorted(views)}: give all"
                    " of a team the same size and view_radius."
                )

    def _check_hits(self) -> None:
        fed = [i for i in range(len(self.groups)) if self._feeds(i) and self._attackers_of(i)]
        if fed:
            raise SwarmfieldError(
                f"group {self.groups[fed[0]].name!r} is hit and regains hit points by kills, whose"
                " order would decide its life: set kill_supply=0 for its victims."
            )
        for rule in self.rules:
            told_apart = not rule.kills and self._attackers_of(rule.victim) == [rule.attacker]
            if (rule.victim_reward or rule.company_reward) and not told_apart:
                raise SwarmfieldError(
                    "victim_reward and company_reward are for hits that do not kill, on victims"
                    " whom one group alone can hit: leave them out of the other rules."
                )

    def _attackers_of(self, victim: int) -> list[int]:
        """The groups that can hit a group."""
        team = self.groups[victim].team
        groups = enumerate(self.groups)
        return [i for i, g in groups if g.type.attacks and (g.team != team or g.type.hits_own)]

    def _feeds(self, attacker: int) -> bool:
        """Whether a group gains hit points by its kills."""
        groups = enumerate(self.groups)
        return any(g.type.kill_supply and attacker in self._attackers_of(i) for i, g in groups)

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
        return tuple(dict.fromkeys(g.team for g in self.groups if g.team is not None))

    def groups_of(self, team: str | None) -> range:
        """Indices of a team's groups."""
        members = [i for i, group in enumerate(self.groups) if group.team == team]
        return range(members[0], members[-1] + 1)

    def rows_of(self, team: str | None) -> slice:
        """A team's rows in arrays `[N]` of all agents."""
        groups = self.groups_of(team)
        return slice(self.starts[groups[0]], self.starts[groups[-1] + 1])

    def num_actions(self, group: int) -> int:
        """Actions of a group's team: those of its most able type."""
        team = self.groups[group].team
        return max(g.type.num_actions for g in self.groups if g.team == team)

    @cached_property
    def offsets(self) -> tuple[tuple[Offset, ...], ...]:
        """Where each group's actions lead or strike; what a type cannot do is staying."""
        tables = [(*g.type.moves, *g.type.attacks) for g in self.groups]
        missing = [self.num_actions(i) - len(table) for i, table in enumerate(tables)]
        return tuple(
            (*table, *[(0, 0)] * more) for table, more in zip(tables, missing, strict=True)
        )

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

    def per_team(self, values: Int32[Array, "E K"]) -> Int32[Array, "E P"]:
        """Sum over the groups of each team; bodies without a team are one more."""
        owners = tuple(dict.fromkeys(group.team for group in self.groups))
        if len(owners) == len(self.groups):
            return values
        columns = [self.groups_of(owner) for owner in owners]
        sums = [jnp.sum(values[:, c.start : c.stop], axis=1, dtype=jnp.int32) for c in columns]
        return jnp.stack(sums, axis=1)

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
