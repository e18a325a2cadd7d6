"""Options of one mean action a type, and the field they describe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from swarmfield.algorithms._options import require
from swarmfield.mean_field import MeanField, num_actions, type_means, types_by_actions
from swarmfield.mean_field.representation import RepresentationConfig
from swarmfield.mean_field.tracking import MOST_GROUPS, GroupingConfig, dynamic_groups
from swarmfield.networks import trunk_size
from swarmfield.types import SwarmfieldError, TeamSpec


@dataclass(frozen=True)
class TypeOptions:
    """Options of types."""

    types: Literal["actions", "observations", "given"] = "actions"
    """Found by k-means over the last five actions or over observations, or the environment's."""
    num_types: int = 4
    """Types to find, at most 255; given ones are as many as the environment has."""
    type_interval: int = 1
    """Steps between finding them and finding them anew."""


def check_types(config: TypeOptions) -> None:
    """Refuse values that are not allowed."""
    require(config, "num_types", lambda x: 1 <= x <= MOST_GROUPS, f"from 1 to {MOST_GROUPS}")
    require(config, "type_interval", lambda x: x >= 1, "a whole number of at least 1")


def type_field(config: Any, team: TeamSpec) -> MeanField:
    """The field of a method's options, which are `TypeOptions` and have a trunk."""
    if config.types == "given":
        if team.num_kinds == 1:
            raise SwarmfieldError(
                f"--algo.types is given, but all agents of team {team.name!r} are of one type; "
                "choose actions or observations."
            )
        return type_means(team, team.num_kinds, None)
    grouping = GroupingConfig(num_groups=config.num_types, interval=config.type_interval)
    if config.types == "actions":
        return type_means(team, config.num_types, types_by_actions(grouping, team))
    seen = RepresentationConfig(kind="raw", inputs="observation")
    size = trunk_size(config.trunk, team)
    tracker, _ = dynamic_groups(grouping, seen, team, num_actions(team), size)
    return type_means(team, config.num_types, tracker)
