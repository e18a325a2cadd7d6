"""Multi-type mean-field actor-critic: the critic sees one mean action for each type."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield.algorithms._ac_config import ActorCriticConfig
from swarmfield.algorithms._actor_critic import actor_critic
from swarmfield.algorithms._interaction import through_field
from swarmfield.algorithms._types import TypeOptions, check_types, type_field
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class MTMFACConfig(TypeOptions, ActorCriticConfig):
    """Options of multi-type mean-field actor-critic."""

    actor_uses_field: bool = False
    """Whether the policy sees the mean actions too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_types(self)


def build(config: MTMFACConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """pi(a | o_i) and V(o_i, a_bar_1, ..., a_bar_K), a_bar_k the mean action of type k.

    Source: Subramanian et al. 2020, whose Q-learning this follows in all but the learner.
    """
    field = type_field(config, team)
    return actor_critic(
        config, team, unpack, through_field(field, actor_sees=config.actor_uses_field)
    )
