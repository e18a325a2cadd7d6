"""Mean-field actor-critic: the critic sees the mean action of the others."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield import mean_field
from swarmfield.algorithms._by_actions import PolicyConfig, by_actions
from swarmfield.algorithms._interaction import through_field
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class MFACConfig(PolicyConfig):
    """Options of mean-field actor-critic."""

    actor_uses_field: bool = False
    """Whether the policy sees the mean action too."""


def build(config: MFACConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """pi(a | o_i) and V(o_i, a_bar), a_bar the mean action of the living team one step ago.

    For continuous actions, mu(o_i) and Q(o_i, a_i, a_bar).

    Source: Yang et al. 2018, whose code has a state value for the paper's Q and a policy that
    does not see a_bar. Departures from that code: as `ac`.
    """
    field = mean_field.team_mean(team)
    return by_actions(
        config, team, unpack, through_field(field, actor_sees=config.actor_uses_field)
    )
