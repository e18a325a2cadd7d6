"""QMIX: the team's value rises with each of its agents'."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield import mean_field
from swarmfield.algorithms._factored import factored
from swarmfield.algorithms._factored_loss import mixed
from swarmfield.algorithms._monotonic import MonotonicConfig, monotonic_mixer
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class QMIXConfig(MonotonicConfig):
    """Options of QMIX."""


def build(config: QMIXConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """Q_tot = f(Q(o_1, a_1), ..., Q(o_N, a_N); s), rising with each, f of `mixing.monotonic`.

    y = sum_i r_i + gamma (1 - D) f_target(Q_target(o'_i, argmax_a Q(o'_i, a)); s')

    Source: Rashid et al. 2018. Departures: no recurrence; those of the mixer and of the shared
    half.
    """
    return factored(config, team, unpack, mean_field.none(), mixed(monotonic_mixer(config, team)))
