"""Advantage actor-critic: every agent learns alone, from its own observation."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield.algorithms._by_actions import PolicyConfig, by_actions
from swarmfield.algorithms._interaction import alone
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class ACConfig(PolicyConfig):
    """Options of actor-critic."""


def build(config: ACConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """pi(a | o_i) and V(o_i), shared by the team; the others are part of the world.

    For continuous actions, mu(o_i) and Q(o_i, a_i).

    Source: Mnih et al. 2016 with shared parameters, as the baseline in the reference code of
    mean-field actor-critic. Departures from that code: an update is made on rollouts of many
    environments instead of one whole episode (`rollout_length` 400 and `gae_lambda` 1 are its
    return); death bootstraps 0, the time limit V of the last state; logits are not scaled up
    by 10.
    """
    return by_actions(config, team, unpack, alone())
