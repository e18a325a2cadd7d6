"""The learning methods, by name."""

from __future__ import annotations

from swarmfield.algorithms import ac, bmf_ac, bmf_q, gatmf, iql, mfac, mfq, mtmfac, mtmfq
from swarmfield.registry import Entry

ALGORITHMS: dict[str, Entry] = {
    "iql": Entry(iql.IQLConfig, iql.build, "independent Q-learning"),
    "mfq": Entry(mfq.MFQConfig, mfq.build, "mean-field Q-learning"),
    "ac": Entry(ac.ACConfig, ac.build, "advantage actor-critic"),
    "mfac": Entry(mfac.MFACConfig, mfac.build, "mean-field actor-critic"),
    "mtmfq": Entry(mtmfq.MTMFQConfig, mtmfq.build, "Q-learning with a mean action a type"),
    "mtmfac": Entry(mtmfac.MTMFACConfig, mtmfac.build, "actor-critic with a mean action a type"),
    "gatmf": Entry(gatmf.GATMFConfig, gatmf.build, "actor-critic with graph attention"),
    "bmf_q": Entry(bmf_q.BMFQConfig, bmf_q.build, "bi-level mean-field Q-learning"),
    "bmf_ac": Entry(bmf_ac.BMFACConfig, bmf_ac.build, "bi-level mean-field actor-critic"),
}
