"""HMF: groups with supervisors, who learn together what their members' choices are worth."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Int

from swarmfield import mean_field
from swarmfield.algorithms._factored import factored
from swarmfield.algorithms._factored_loss import Steps
from swarmfield.algorithms._hierarchical import Setting, hierarchical, together
from swarmfield.algorithms._hierarchical_config import HierarchyConfig
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class HMFConfig(HierarchyConfig):
    """Options of hierarchical mean fields with fixed groups."""


def build(config: HMFConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """Q_GRP of `_hierarchy` for m groups of neighbouring rows, learned as in `_hierarchical`.

    Agents act greedily by Q_LOC(o_k, a), which knows their own observation and nothing else.

    Source: Yu et al. 2023, Eq. 9-16 and Algorithm 1. Departures: the top level learns the sum of
    Q_GRP instead of that of Q_GMF (`top="literal"`), since the printed losses together make the
    weighted sum of Q_LOC -V; Q_GMF learns what the sum of Q_LOC leaves over, instead of both at
    once (`fit="joint"`); members' mean reward (`reward_agg="sum"`); parameters are shared by agents
    and by groups; groups, which are not described, are rows one after the other.
    """
    label = fixed_groups(team.num_agents, config.num_groups)

    def labels(steps: Steps) -> Int[Array, "M N"]:
        return jnp.broadcast_to(label[None], steps.action.shape)

    terms = together(config, mean_field.num_actions(team))
    rule = hierarchical(Setting(config, team, labels, terms))
    algorithm = factored(config, team, unpack, mean_field.none(), rule)
    return algorithm._replace(groups=lambda _timestep, _record: label)


def fixed_groups(num_agents: int, num_groups: int) -> Int[Array, " N"]:
    """Groups of rows one after the other, as even as can be."""
    return jnp.arange(num_agents, dtype=jnp.int32) * num_groups // num_agents
