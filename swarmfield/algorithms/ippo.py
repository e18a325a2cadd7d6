"""Independent proximal policy optimisation: every agent learns from its own observation."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield.algorithms._ppo import own_critic, ppo
from swarmfield.algorithms._ppo_config import PPOConfig, Shared
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class IPPOConfig(PPOConfig):
    """Options of independent PPO."""

    share: Shared = "kind"
    """Whether agents of different kinds, such as minor and major ones, have networks of their
    own, or all the same."""


def num_networks(share: Shared, team: TeamSpec) -> int:
    """How many policies a team has."""
    return team.num_kinds if share == "kind" else 1


def build(config: IPPOConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """pi(a | o_i) and V(o_i), one of each for all agents of a kind.

    Source: de Witt et al. 2020, as a baseline of Cui et al. 2024; see `_ppo.ppo`.
    """
    number = num_networks(config.share, team)
    return ppo(config, team, unpack, own_critic(config, team, number), number)
