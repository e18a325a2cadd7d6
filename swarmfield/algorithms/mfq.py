"""Mean-field Q-learning: one agent against the mean action of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmfield import mean_field
from swarmfield.algorithms._options import POSITIVE, require
from swarmfield.algorithms._q_config import QLearningConfig
from swarmfield.algorithms._q_learning import q_learning
from swarmfield.mean_field import MeanField
from swarmfield.options import LARGEST_FLOAT
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class MFQConfig(QLearningConfig):
    """Options of mean-field Q-learning."""

    neighbourhood: Literal["team", "team_excl_self", "knn", "radius"] = "team"
    """Whose actions are averaged: all living team mates with or without self, the nearest, or
    those within a radius."""
    num_neighbours: int | None = None
    """Nearest team mates that count; 10 % of the team if not given."""
    radius: float = 6.0
    """Distance within which team mates count, in the environment's units."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "num_neighbours", lambda x: x is None or x >= 1, "at least 1")
        require(self, "radius", lambda x: 0 < x <= LARGEST_FLOAT, POSITIVE)


def build(config: MFQConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """Q(o_i, a_bar_i), a_bar_i the mean action of i's neighbours one step ago.

    y_i = r_i + gamma (1 - d_i) Q_target(o'_i, argmax_a Q(o'_i, a, a_bar'_i), a_bar'_i), or
    with `target="boltzmann"` the expectation under pi proportional to exp(Q_target / T).
    a_bar is zero at the first step, and a_bar'_i is the mean of the actions taken at t.

    Source: Yang et al. 2018; the double-Q target and the mean over the living team, self
    included, are their reference code's. Departures from that code: it explores (there the
    temperature never reaches the policy), death is terminal and learned from, a time limit
    bootstraps.
    """
    return q_learning(config, team, unpack, _field(config, team))


def _field(config: MFQConfig, team: TeamSpec) -> MeanField:
    if config.neighbourhood == "knn":
        return mean_field.nearest(team, config.num_neighbours)
    if config.neighbourhood == "radius":
        return mean_field.radius(team, config.radius)
    return mean_field.team_mean(team, include_self=config.neighbourhood == "team")
