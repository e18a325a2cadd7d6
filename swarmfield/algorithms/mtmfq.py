"""Multi-type mean-field Q-learning: one mean action for each type of agent."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield.algorithms._q_config import QLearningConfig
from swarmfield.algorithms._q_learning import q_learning
from swarmfield.algorithms._types import TypeOptions, check_types, type_field
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class MTMFQConfig(TypeOptions, QLearningConfig):
    """Options of multi-type mean-field Q-learning."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_types(self)


def build(config: MTMFQConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """Q(o_i, a_bar_1, ..., a_bar_K), a_bar_k the mean action of type k one step ago.

    y_i = r_i + gamma (1 - d_i) Q_target(o'_i, argmax_a Q(o'_i, a, a_bar'), a_bar')

    Source: Subramanian et al. 2020, each a_bar_k with an embedding of its own. Departures:
    those of `mfq` and of `mean_field.types`.
    """
    return q_learning(config, team, unpack, type_field(config, team))
