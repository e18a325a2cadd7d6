"""BMF-Q: Q-learning on a two-level mean field of dynamic groups."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield.algorithms._bilevel import BilevelOptions, bilevel_field, check_bilevel
from swarmfield.algorithms._q_config import QLearningConfig
from swarmfield.algorithms._q_learning import q_learning
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class BMFQConfig(BilevelOptions, QLearningConfig):
    """Options of BMF-Q."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bilevel(self)


def build(config: BMFQConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """Q(o_i, intra_i, inter_i), with i in group m of K found by k-means on z.

    intra_i = mean of u_j over group m;  inter_i = sum_{n != m} w_mn g_n,  g_n likewise;
    y_i = r_i + gamma (1 - d_i) Q_target(o'_i, argmax_a Q(o'_i, a, ...), intra'_i, inter'_i)

    Source: Zheng et al. 2025, Eq. 6-8. Departures: those of `mean_field.representation`; w is
    a softmax of cosines (the paper leaves it open, the authors' code divides cosines by their
    sum, which may be near 0); the double-Q target.
    """
    return q_learning(config, team, unpack, bilevel_field(config, team))
