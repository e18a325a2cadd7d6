"""BMF-AC: actor-critic on a two-level mean field of dynamic groups."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield.algorithms._bilevel import BilevelOptions, bilevel_field, check_bilevel
from swarmfield.algorithms._by_actions import PolicyConfig, by_actions
from swarmfield.algorithms._interaction import through_field
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class BMFACConfig(BilevelOptions, PolicyConfig):
    """Options of BMF-AC."""

    actor_uses_field: bool = True
    """Whether the policy sees both levels too, as in the authors' code."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_bilevel(self)


def build(config: BMFACConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """pi(a | o_i, intra_i, inter_i) and V(o_i, intra_i, inter_i), fields as in BMF-Q.

    For continuous actions, mu(o_i, intra_i, inter_i) and Q(o_i, a_i, intra_i, inter_i), with
    means of the actions themselves instead of their one-hots.

    Source: Zheng et al. 2025, Eq. 6-7 and 9. Departures: those of `bmf_q`; advantages instead
    of Q where actions are discrete, and a policy that sees the field, both as in the authors'
    code. The continuous form is what the paper describes in words (its Eq. 9 is of a random
    policy).
    """
    field = bilevel_field(config, team)
    return by_actions(
        config, team, unpack, through_field(field, actor_sees=config.actor_uses_field)
    )
