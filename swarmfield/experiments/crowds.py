"""Policies of crowds with other numbers of agents: what experiments add to their runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from swarmfield.experiments.design import Crowds, Experiment, Scale
from swarmfield.experiments.plan import runs_of
from swarmfield.training.chaos import JSON_FILE, chaos
from swarmfield.training.json_files import read_object
from swarmfield.training.run_folder import RunFolder

FOLDER = "chaos"


def uncompared(
    experiment: Experiment, scale: Scale, root: Path, seeds: str | None
) -> list[tuple[Path, Crowds]]:
    """Finished runs whose numbers of agents have not been compared."""
    crowds = experiment.crowds.get(scale)
    if crowds is None:
        return []
    runs = [
        one for arm in experiment.arms for one in runs_of(experiment.task, arm, scale, root, seeds)
    ]
    finished = [one.path for one in runs if RunFolder(one.path).summary_file.exists()]
    return [(path, crowds) for path in finished if compared(path) is None]


def compare(path: Path, crowds: Crowds) -> None:
    """Compare numbers of agents under a run's policy, that of its best seed."""
    chaos(
        path,
        num_agents=crowds.num_agents,
        episodes=crowds.episodes,
        limit=crowds.limit,
        execution=("centralised", "decentralised"),
        explore=1.0,
        seed=_best_seed(path),
        output=path / FOLDER,
        quiet=True,
    )


def compared(path: Path) -> dict[str, Any] | None:
    """What a run's comparison found, None where it is missing or was stopped."""
    file = path / FOLDER / JSON_FILE
    found = read_object(file, "move it away") if file.exists() else {}
    return found if "rate" in found else None


def _best_seed(path: Path) -> int | None:
    """By the last evaluation; None of a run with one seed."""
    summary = RunFolder(path).read_summary() or {}
    scores = {
        int(seed): players["learner"]["return_mean"]
        for seed, players in summary.get("evaluation_by_seed", {}).items()
    }
    return max(scores, key=lambda seed: scores[seed]) if scores else None
