"""Independent Q-learning: every agent learns alone, from its own observation."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield import mean_field
from swarmfield.algorithms._q_config import QLearningConfig
from swarmfield.algorithms._q_learning import q_learning
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class IQLConfig(QLearningConfig):
    """Options of independent Q-learning."""


def build(config: IQLConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """Q(o_i): a deep Q-network shared by the team; the others are part of the world.

    y_i = r_i + gamma (1 - d_i) Q_target(o'_i, argmax_a Q(o'_i, a))

    Source: Tan 1993; with shared parameters and a double-Q target, as the baseline in the
    reference code of mean-field Q-learning. Departures: death is terminal and learned from
    (that code leaves the transition out); a time limit bootstraps.
    """
    return q_learning(config, team, unpack, mean_field.none())
