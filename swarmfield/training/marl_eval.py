"""Results of runs as the tools of marl-eval read them.

Source: the format that its README describes (github.com/instadeepai/marl-eval), after Gorsane et
al. 2022. Of each evaluation's episodes there is the mean, a list of one number.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from swarmfield.training import run_folder
from swarmfield.training.config import Job, from_dict
from swarmfield.training.json_files import write_json
from swarmfield.training.run_folder import RunFolder
from swarmfield.types import SwarmfieldError

NameBy = Literal["algorithm", "folder"]
_PREFIX = "evaluation/learner/"
_RETURN = "return_mean"
_NO_METRIC = ("return_std", "return_ci95", "episodes")


def marl_eval(
    *runs: str | Path, output: str | Path | None = None, name_by: NameBy = "algorithm"
) -> Path:
    """Write finished runs' evaluations as one JSON file for marl-eval.

    Its levels are the environment, the task (the environment's options that are not the default
    ones), the algorithm, the seed, and the evaluation.

    Args:
        *runs: Their folders.
        output: The file; `marl-eval.json` in the first run's folder if not given.
        name_by: Call an algorithm by its name, or by its run's folder, which tells apart runs of
            one algorithm with different options.

    Returns:
        The file.

    Raises:
        SwarmfieldError: A run is not finished or not evaluated on the way; two are of the same
            algorithm, task and seed; or seeds or evaluations differ, which marl-eval cannot read.
    """
    if not runs:
        raise SwarmfieldError("marl-eval needs the folder of a finished run.")
    table: dict[str, Any] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for path in runs:
        folder = run_folder.open_existing(Path(path))
        job = from_dict(folder.read_config())
        name = job.algorithm if name_by == "algorithm" else folder.path.resolve().name
        tasks = table.setdefault(job.environment, {})
        seeds, found = tasks.setdefault(_task(job), {}).setdefault(name, {}), _by_seed(folder, job)
        if twice := sorted(seeds.keys() & found.keys()):
            raise SwarmfieldError(
                f"{folder.path} is another run of {name} with {twice[0]}; leave it out, or tell "
                "runs apart by --name-by folder."
            )
        seeds |= found
        shapes |= {f"{folder.path}, {seed}": _counts(each) for seed, each in found.items()}
    _require_alike(table, shapes)
    file = Path(output) if output is not None else Path(runs[0]) / "marl-eval.json"
    write_json(file, table)
    return file


def _task(job: Job) -> str:
    """The options of the environment that are not the default ones, and who learns."""
    env = job.config.env
    changed = [
        f"{field.name}={getattr(env, field.name)}"
        for field in dataclasses.fields(env)
        if getattr(env, field.name) != field.default
    ]
    changed += [] if job.config.team is None else [f"team={job.config.team}"]
    return ",".join(changed) or "default"


def _by_seed(folder: RunFolder, job: Job) -> dict[str, dict[str, Any]]:
    """Every seed's evaluations on the way, and the final one."""
    summary, rows = folder.read_summary(), folder.read_metrics()
    evaluated = [row for row in rows if _PREFIX + _RETURN in row]
    if summary is None or not evaluated:
        lacks = "is not finished" if summary is None else "was not evaluated on the way"
        raise SwarmfieldError(
            f"{folder.path} {lacks}; give runs that ended, with --evaluations of at least 1."
        )
    seeds = {}
    for seed in job.config.seed_list:
        own = [row for row in evaluated if row["seed"] == seed]
        steps = {f"step_{number}": _evaluation(row) for number, row in enumerate(own, 1)}
        final = summary.get("evaluation_by_seed", {}).get(str(seed), summary["evaluation"])
        seeds[f"seed_{seed}"] = {**steps, "absolute_metrics": _metrics(final["learner"])}
    return seeds


def _counts(evaluations: Mapping[str, Any]) -> tuple[int, ...]:
    """Environment steps at each evaluation; -1 for the final one."""
    return tuple(each.get("step_count", -1) for each in evaluations.values())


def _evaluation(row: Mapping[str, Any]) -> dict[str, Any]:
    figures = {
        name.removeprefix(_PREFIX): value for name, value in row.items() if name.startswith(_PREFIX)
    }
    counted = {"step_count": row["env_steps"], "elapsed_time": row["wall_seconds"]}
    return {**counted, **_metrics(figures)}


def _metrics(figures: Mapping[str, Any]) -> dict[str, list[float]]:
    """The mean return as `return`, and the environment's measures."""
    return {
        "return" if name == _RETURN else name: [value]
        for name, value in figures.items()
        if name not in _NO_METRIC and value is not None
    }


def _require_alike(table: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse what marl-eval cannot put into one array.

    Raises:
        SwarmfieldError: Naming two that differ.
    """
    (first, wanted), *others = shapes.items()
    for name, steps in others:
        if steps != wanted:
            raise SwarmfieldError(
                f"{first} and {name} were not evaluated at the same steps ({len(wanted) - 1} and "
                f"{len(steps) - 1} times), which marl-eval needs; give runs with equal --env-steps "
                "and --evaluations."
            )
    seeds = {
        f"{task}, {name}": sorted(runs)
        for tasks in table.values()
        for task, algorithms in tasks.items()
        for name, runs in algorithms.items()
    }
    (first, own), *others = seeds.items()
    for name, found in others:
        if len(found) != len(own):
            raise SwarmfieldError(
                f"There are {len(own)} seeds of {first}, but {len(found)} of {name}, and marl-eval "
                "needs equally many; leave some out."
            )
