"""The papers' experiments, by name."""

from __future__ import annotations

from collections.abc import Mapping

from swarmfield.experiments import bmf, hmf, m3fc, magent, mfqmix
from swarmfield.experiments.design import Experiment
from swarmfield.options import suggest
from swarmfield.types import SwarmfieldError

PAPERS: Mapping[str, tuple[Experiment, ...]] = {
    "bmf": bmf.EXPERIMENTS,
    "hmf": hmf.EXPERIMENTS,
    "m3fc": m3fc.EXPERIMENTS,
    "mfqmix": mfqmix.EXPERIMENTS,
    "magent": magent.EXPERIMENTS,
}
EXPERIMENTS: Mapping[str, Experiment] = {
    experiment.name: experiment for paper in PAPERS.values() for experiment in paper
}


def find(name: str) -> tuple[Experiment, ...]:
    """One experiment, or all of a paper.

    Args:
        name: Such as `bmf/firefighter`, or `bmf`.

    Raises:
        SwarmfieldError: There is none of that name.
    """
    if name in PAPERS:
        return PAPERS[name]
    if name not in EXPERIMENTS:
        known = [*PAPERS, *EXPERIMENTS]
        raise SwarmfieldError(f"There is no experiment named {name!r}; {suggest(name, known)}.")
    return (EXPERIMENTS[name],)
