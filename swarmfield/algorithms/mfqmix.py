"""Mean-field QMIX: agents' values see the mean action around them, and rise the team's."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield import mean_field
from swarmfield.algorithms._factored import factored
from swarmfield.algorithms._factored_loss import mixed
from swarmfield.algorithms._monotonic import MonotonicConfig, monotonic_mixer
from swarmfield.algorithms._options import require
from swarmfield.mean_field import Identity
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class MFQMIXConfig(MonotonicConfig):
    """Options of mean-field QMIX."""

    identity: Identity = "learned"
    """Whether agents are told who they are: by numbers that are learned, or by one-hots. Either
    ties a policy to the size of its team."""
    num_neighbours: int | None = None
    """Nearest living team mates whose actions are averaged; 10 % of the team if not given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "num_neighbours", lambda x: x is None or x >= 1, "at least 1")


def build(config: MFQMIXConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """Q_tot = f(Q(o_1, a_bar_1, a_1), ..., Q(o_N, a_bar_N, a_N); s), rising with each.

    a_bar_i is the mean action of the nearest living team mates one step ago, so that given it
    each agent's best action is part of the team's best, as in QMIX.

    y = sum_i r_i + gamma (1 - D) f_target(Q_target(o'_i, a_bar'_i, a'_i); s'),
    a'_i = argmax_a Q(o'_i, a_bar'_i, a)

    Source: Balsells et al. 2025. Departures: the mean action is that of the step before (there
    the same step's, which leaves the argmax open); those of the mixer and of the shared half.
    """
    field = mean_field.nearest(team, config.num_neighbours)
    return factored(config, team, unpack, field, mixed(monotonic_mixer(config, team)))
