"""Options of hierarchical mean fields, and what they may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmfield.algorithms._factored import FactoredConfig
from swarmfield.algorithms._options import NOT_NEGATIVE, POSITIVE, require
from swarmfield.options import LARGEST_FLOAT

MOST_GROUPS = 255


@dataclass(frozen=True)
class HierarchyConfig(FactoredConfig):
    """Options of hierarchical mean fields."""

    target: Literal["double", "max", "boltzmann"] = "max"
    """Bootstrap on the target network's own choice, on the online network's, or on the Boltzmann
    policy's expectation."""
    num_groups: int = 4
    """Groups, each with a supervisor, from 1 to 255."""
    top: Literal["grp_sum", "none", "literal", "central"] = "grp_sum"
    """What supervisors learn together: the sum of groups' values; nothing; the sum of Q_GMF as
    printed, which drives agents to their worst actions; or the first, each seeing the others."""
    fit: Literal["residual", "joint"] | None = None
    """Q_GMF learns what the sum of Q_LOC leaves over; or both their sum, as printed, which leaves
    open which of them learns what. Default: `residual`, but `joint` where `top` is as printed."""
    reward_agg: Literal["mean", "sum"] = "mean"
    """A group's reward is its members' mean; or their sum as printed, whose size is the group's."""
    reg: Literal["soft", "literal", "none"] = "soft"
    """Keeps agents near their group: policies, or what was replayed (which moves only lambda)."""
    alpha: float = 1e-3
    """Weight of that, >= 0."""
    policy_temperature: float = 1.0
    """Of the policies softmax(Q_LOC / T) that are kept together, > 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "num_groups", lambda x: 1 <= x <= MOST_GROUPS, f"from 1 to {MOST_GROUPS}")
        require(self, "alpha", lambda x: 0 <= x <= LARGEST_FLOAT, NOT_NEGATIVE)
        require(self, "policy_temperature", lambda x: 0 < x <= LARGEST_FLOAT, POSITIVE)
