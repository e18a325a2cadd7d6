"""MADDPG: each agent has an actor of its own view, and a critic that sees everybody."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield.algorithms._joint import joint
from swarmfield.algorithms._joint_config import JointConfig
from swarmfield.types import Algorithm, SwarmfieldError, TeamSpec, Unpack

LARGEST_TEAM = 32
"""Each agent's critic reads everybody: memory and time grow with the square."""


@dataclass(frozen=True)
class MADDPGConfig(JointConfig):
    """Options of multi-agent deterministic policy gradients."""


def build(config: MADDPGConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """Actors mu_i(o_i) and critics Q_i(o_1 ... o_N, a_1 ... a_N), one of each for every agent.

    Raises:
        SwarmfieldError: The team is too large, or takes several actions at once.

    Source: Lowe et al. 2017. Departures: y uses the target's best action, not a draw; one norm of
    all agents' gradients is clipped; what the dead see and do reads 0.
    """
    if team.num_agents > LARGEST_TEAM:
        raise SwarmfieldError(
            f"maddpg has a critic of everybody for each agent, and team {team.name!r} has "
            f"{team.num_agents}; at most {LARGEST_TEAM} are allowed: use ac, mfac or gatmf."
        )
    return joint(config, team, unpack)
