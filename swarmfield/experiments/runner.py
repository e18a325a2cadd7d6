"""Experiments are run: what is there is kept, what was stopped is gone on with."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from swarmfield.experiments.design import Experiment, Scale, Trial
from swarmfield.experiments.plan import PlannedRun, runs_of
from swarmfield.training import run_folder
from swarmfield.training.config import from_dict, to_dict
from swarmfield.training.json_files import read_object
from swarmfield.training.play import evaluate
from swarmfield.types import SwarmfieldError

AGAINST = "random"
"""Whom trials are played against, where there is somebody to play against."""


def run(
    experiments: Sequence[Experiment],
    scale: Scale,
    root: Path,
    seeds: int | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Train and evaluate all that some experiments need.

    Each run is a process of its own, so that its memory is its own. A finished run is kept, a
    stopped one is resumed; experiments of one task share their runs.

    Args:
        experiments: Which.
        scale: How large.
        root: Folder of all experiments; runs lie in `SCALE/TASK/METHOD`.
        seeds: How many instead of the scale's, at least 1.
        say: Is told what is being done.

    Raises:
        SwarmfieldError: A run is there already that was trained with other options.
        RuntimeError: Training failed.
        KeyboardInterrupt: It was interrupted; the same call goes on.
    """
    if seeds is not None and seeds < 1:
        raise SwarmfieldError(f"--seeds is {seeds}, but must be a whole number of at least 1.")
    planned = plan(experiments, scale, root, seeds)
    for number, one in enumerate(planned, 1):
        say(f"[{number}/{len(planned)}] {one.path}")
        _train(one, say)
    for experiment in experiments:
        for one, trial, seed in _untried(experiment, scale, root, seeds):
            say(f"{one.path}, seed {seed}: {trial.name}")
            episodes = experiment.task.budgets[scale].episodes
            evaluate(one.path, env=trial.env, seed=seed, episodes=episodes, opponent=AGAINST)


def plan(
    experiments: Sequence[Experiment], scale: Scale, root: Path, seeds: int | None
) -> list[PlannedRun]:
    """All runs that some experiments need, each once; checked before any of them starts."""
    planned = {
        one.path: one
        for experiment in experiments
        for arm in experiment.arms
        for one in runs_of(experiment.task, arm, scale, root, seeds)
    }
    for one in planned.values():
        _require_same(one)
    return list(planned.values())


def _require_same(one: PlannedRun) -> None:
    """Refuse a folder in which something else was trained."""
    folder = run_folder.RunFolder(one.path)
    if not folder.config_file.exists():
        return
    there, wanted = (to_dict(job) for job in (from_dict(folder.read_config()), one.job))
    other = [name for name in wanted if name != "run_dir" and there[name] != wanted[name]]
    if other:
        raise SwarmfieldError(
            f"{one.path} was trained with another {', '.join(other)}; choose another --root, or "
            "move that folder away."
        )


def _train(one: PlannedRun, say: Callable[[str], None]) -> None:
    folder = run_folder.RunFolder(one.path)
    if folder.summary_file.exists():
        say("  is there already")
        return
    command = one.command
    if folder.config_file.exists():
        command = ["resume", str(one.path)]
    say(f"  swarmfield {shlex.join(command)}")
    code = subprocess.run([sys.executable, "-m", "swarmfield", *command], check=False).returncode
    if code == 130:
        raise KeyboardInterrupt("stopped; the same command goes on where this one was.")
    if code:
        raise RuntimeError(
            f"{one.path} could not be trained (exit code {code}, see above); what is finished is "
            "kept, and the same command goes on."
        )


def _untried(
    experiment: Experiment, scale: Scale, root: Path, seeds: int | None
) -> list[tuple[PlannedRun, Trial, int]]:
    """Evaluations in other worlds that have not been made yet: a run, the world and a seed."""
    wanted = [
        (one, trial, seed)
        for trial in experiment.trials_at(scale)
        for arm in experiment.arms
        for one in runs_of(experiment.task, arm, scale, root, seeds)
        for seed in one.job.config.seed_list
    ]
    return [x for x in wanted if x[2] not in {r["seed"] for r in reports_of(x[0].path, x[1])}]


def reports_of(path: Path, trial: Trial) -> Iterator[dict[str, Any]]:
    """What evaluations of a run in a trial's world found."""
    for file in sorted(run_folder.RunFolder(path).evaluations.glob("*.json")):
        report = read_object(file)
        if report.get("env") == dict(trial.env) and report.get("against") == AGAINST:
            yield report
