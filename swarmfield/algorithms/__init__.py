"""The learning methods, by name."""

from __future__ import annotations

import dataclasses

from swarmfield.algorithms import (
    ac,
    bmf_ac,
    bmf_q,
    gatmf,
    hmf,
    hmf_ipc,
    ippo,
    iql,
    m3fa2c,
    m3fppo,
    maddpg,
    mappo,
    mfac,
    mfq,
    mfqmix,
    mfvfd,
    mtmfac,
    mtmfq,
    qmix,
    vdn,
)
from swarmfield.algorithms._by_actions import PolicyConfig, of_other_actions
from swarmfield.registry import Entry, Registry, lookup
from swarmfield.types import TeamSpec

_OWN = {
    "iql": Entry(iql.IQLConfig, iql.build, "independent Q-learning"),
    "mfq": Entry(mfq.MFQConfig, mfq.build, "mean-field Q-learning"),
    "ac": Entry(ac.ACConfig, ac.build, "advantage actor-critic"),
    "mfac": Entry(mfac.MFACConfig, mfac.build, "mean-field actor-critic"),
    "mtmfq": Entry(mtmfq.MTMFQConfig, mtmfq.build, "Q-learning with a mean action a type"),
    "mtmfac": Entry(mtmfac.MTMFACConfig, mtmfac.build, "actor-critic with a mean action a type"),
    "gatmf": Entry(gatmf.GATMFConfig, gatmf.build, "actor-critic with graph attention"),
    "bmf_q": Entry(bmf_q.BMFQConfig, bmf_q.build, "bi-level mean-field Q-learning"),
    "bmf_ac": Entry(bmf_ac.BMFACConfig, bmf_ac.build, "bi-level mean-field actor-critic"),
    "mfvfd": Entry(mfvfd.MFVFDConfig, mfvfd.build, "Q-learning with a value of others' doings"),
    "vdn": Entry(vdn.VDNConfig, vdn.build, "Q-learning of the sum of all values"),
    "qmix": Entry(qmix.QMIXConfig, qmix.build, "Q-learning of a monotonic mixture of all values"),
    "mfqmix": Entry(mfqmix.MFQMIXConfig, mfqmix.build, "QMIX with the mean action of neighbours"),
    "hmf": Entry(hmf.HMFConfig, hmf.build, "Q-learning of the values of groups"),
    "maddpg": Entry(maddpg.MADDPGConfig, maddpg.build, "actor-critic, critics see everybody"),
    "hmf_ipc": Entry(hmf_ipc.HMFIPCConfig, hmf_ipc.build, "HMF with groups of agents alike"),
    "ippo": Entry(ippo.IPPOConfig, ippo.build, "proximal policies, each agent on its own"),
    "mappo": Entry(mappo.MAPPOConfig, mappo.build, "proximal policies, critics see everybody"),
    "m3fppo": Entry(m3fppo.M3FPPOConfig, m3fppo.build, "PPO of rules for whole crowds", True),
    "m3fa2c": Entry(m3fa2c.M3FA2CConfig, m3fa2c.build, "A2C of rules for whole crowds", True),
}

ALGORITHMS = Registry("algorithm", "swarmfield.algorithms", _OWN)
"""Ours, and those of other packages."""


def options_for(algorithm: str, team: TeamSpec) -> set[str]:
    """Names of the options that an algorithm has for a team.

    Raises:
        SwarmfieldError: There is no such algorithm.
    """
    config = lookup(ALGORITHMS, algorithm, "algorithm").config
    names = {field.name for field in dataclasses.fields(config)}
    return names - of_other_actions(team) if issubclass(config, PolicyConfig) else names
