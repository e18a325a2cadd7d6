"""The learning methods, by name."""

from __future__ import annotations

from swarmfield.algorithms import ac, iql, mfac, mfq
from swarmfield.registry import Entry

ALGORITHMS: dict[str, Entry] = {
    "iql": Entry(iql.IQLConfig, iql.build, "independent Q-learning"),
    "mfq": Entry(mfq.MFQConfig, mfq.build, "mean-field Q-learning"),
    "ac": Entry(ac.ACConfig, ac.build, "advantage actor-critic"),
    "mfac": Entry(mfac.MFACConfig, mfac.build, "mean-field actor-critic"),
}
