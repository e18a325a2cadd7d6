"""Experiments are run: what is there is kept, what was stopped is gone on with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from swarmfield.experiments.crowds import compare, uncompared
from swarmfield.experiments.design import Experiment, Scale, Trial
from swarmfield.experiments.local import Backend, train_here
from swarmfield.experiments.plan import PlannedRun, enemies_of, runs_of
from swarmfield.training import run_folder
from swarmfield.training.config import Job, from_dict, to_dict
from swarmfield.training.json_files import read_object
from swarmfield.training.matchup import sides_of
from swarmfield.training.play import evaluate
from swarmfield.training.player_names import named
from swarmfield.training.setup import build_environment
from swarmfield.types import SwarmfieldError


def run(
    experiments: Sequence[Experiment],
    scale: Scale,
    root: Path,
    seeds: str | None = None,
    say: Callable[[str], None] = print,
    backend: Backend = train_here,
) -> None:
    """Train and evaluate all that some experiments need.

    Each run is a process of its own. A finished run is kept, a stopped one is resumed;
    experiments of one task share their runs; a run that fails does not stop the others.

    Args:
        experiments: Which.
        scale: How large.
        root: Folder of all experiments; runs lie in `SCALE/TASK/METHOD`.
        seeds: Such as `5:10`; the scale's from 0 on if not given.
        say: Is told what is being done.
        backend: Where and in which order runs are trained; here, one after the other, if not given.

    Raises:
        SwarmfieldError: These are no seeds, or a run is there already that was trained with
            other options.
        RuntimeError: Some runs failed; all others are made.
        KeyboardInterrupt: It was interrupted; the same call goes on.
    """
    failed = backend(plan(experiments, scale, root, seeds), say)
    for experiment in experiments:
        for one, trial, seed in _untried(experiment, scale, root, seeds):
            say(f"{one.path}, seed {seed}: {trial.name}")
            evaluate(one.path, env=trial.env, seed=seed, **how_tried(one.job))
        for path, crowds in uncompared(experiment, scale, root, seeds):
            say(f"{path}: with {', '.join(map(str, crowds.num_agents))} agents")
            compare(path, crowds)
    if failed:
        raise RuntimeError(
            f"{', '.join(failed)} could not be trained, see above; all other runs are made, and "
            "the same command tries again."
        )


def plan(
    experiments: Sequence[Experiment], scale: Scale, root: Path, seeds: str | None = None
) -> list[PlannedRun]:
    """All runs that some experiments need, each once; checked before any of them starts."""
    planned = {
        one.path: one
        for experiment in experiments
        for one in (
            *enemies_of(experiment.task, scale, root),
            *(
                run
                for arm in experiment.arms
                for run in runs_of(experiment.task, arm, scale, root, seeds)
            ),
        )
    }
    for one in planned.values():
        _require_same(one)
    _require_no_other_seeds(planned)
    return list(planned.values())


def _require_no_other_seeds(planned: Mapping[Path, PlannedRun]) -> None:
    """Refuse to put seeds beside others that reports would add to them."""
    folders = dict.fromkeys(one.path.parent for one in planned.values() if one.task.one_by_one)
    there = (path for folder in folders for path in sorted(folder.glob("seed*")))
    for path in there:
        if path not in planned:
            raise SwarmfieldError(
                f"{path} is there already, but that seed is not wanted; choose another --root, or "
                "move that folder away."
            )


def _require_same(one: PlannedRun) -> None:
    """Refuse a folder in which something else was trained."""
    folder = run_folder.RunFolder(one.path)
    if not folder.config_file.exists():
        return
    plain = folder.read_config()
    there, wanted = to_dict(from_dict(plain)), to_dict(one.job)
    there["env_steps"] = plain.get("target_env_steps", there["env_steps"])
    # Of a frozen opponent only the folder is known before it is trained.
    for name in (name for name in wanted if name not in ("run_dir", "frozen")):
        if there[name] != wanted[name]:
            raise SwarmfieldError(
                f"{one.path} was trained with {name} {there[name]}, but {wanted[name]} is wanted; "
                "choose another --root, or move that folder away."
            )


def _untried(
    experiment: Experiment, scale: Scale, root: Path, seeds: str | None
) -> list[tuple[PlannedRun, Trial, int]]:
    """Evaluations in other worlds that have not been made yet: a run, the world and a seed."""
    runs = [
        (one, trial)
        for trial in experiment.trials_at(scale)
        for arm in experiment.arms
        for one in runs_of(experiment.task, arm, scale, root, seeds)
        if run_folder.RunFolder(one.path).summary_file.exists()
    ]
    return [
        (one, trial, seed)
        for one, trial in runs
        for seed in one.job.config.seed_list
        if seed not in reports_of(one.path, trial)
    ]


def how_tried(job: Job) -> dict[str, Any]:
    """How a trained policy is evaluated in another world."""
    has_opponent = sides_of(build_environment(job)).away is not None
    return {
        "episodes": job.config.evaluation_episodes,
        "opponent": "random" if has_opponent else None,
    }


def reports_of(path: Path, trial: Trial) -> dict[int, dict[str, Any]]:
    """What evaluations of a finished run in a trial's world found, by seed.

    Others that somebody made in the same world, of another policy, in another way or with other
    episodes, are no part of it.
    """
    folder = run_folder.RunFolder(path)
    job, summary = from_dict(folder.read_config()), folder.read_summary() or {}
    how = how_tried(job)
    wanted = {
        "env": dict(trial.env),
        "which": "last",
        "evaluation_seed": 0,
        "env_steps": summary.get("env_steps"),
        "against": how["opponent"] or "none",
    }
    reports = map(read_object, sorted(folder.evaluations.glob("*.json")))
    return {
        report["seed"]: report
        for report in reports
        if all(report.get(name) == value for name, value in wanted.items())
        and (report.get("explore", 0), report.get("execution")) == (0, None)
        and not named(report.get("run", ""))[1]
        and report["learner"]["episodes"] == how["episodes"]
    }
