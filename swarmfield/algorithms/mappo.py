"""Multi-agent proximal policy optimisation: critics know what everybody sees."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield.algorithms._ppo import pooled_critic, ppo
from swarmfield.algorithms.ippo import IPPOConfig, num_networks
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class MAPPOConfig(IPPOConfig):
    """Options of multi-agent PPO."""


def build(config: MAPPOConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """pi(a | o_i) and V(o_i, s), s the pooled embeddings of what the living members see.

    Source: Yu et al. 2022, as a baseline of Cui et al. 2024; see `_ppo.ppo`. Departures: they
    join all observations, which takes memory quadratic in the number of agents; the published
    code of the latter also shows the critic what the others do.
    """
    number = num_networks(config.share, team)
    return ppo(config, team, unpack, pooled_critic(config, team), number)
