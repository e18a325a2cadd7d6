"""Value decomposition: the team's value is the sum of its agents'."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield import mean_field, mixing
from swarmfield.algorithms._factored import FactoredConfig, factored
from swarmfield.algorithms._factored_loss import mixed
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class VDNConfig(FactoredConfig):
    """Options of value decomposition networks."""


def build(config: VDNConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """Q_tot = sum_i Q(o_i, a_i), over living, learning agents.

    y = sum_i r_i + gamma (1 - D) sum_i Q_target(o'_i, argmax_a Q(o'_i, a))

    Source: Sunehag et al. 2017. Departures: no recurrence; those of the shared half.
    """
    return factored(config, team, unpack, mean_field.none(), mixed(mixing.additive()))
