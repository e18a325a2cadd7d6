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
from swarmfield.training.export_file import export_file
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
        output: The file, which must not exist; `marl-eval.json` in the first run's folder if not
            given.
        name_by: Call an algorithm by its name, or by its run's folder, which tells apart runs of
            one algorithm with different options.

    Returns:
        The file.

    Raises:
        SwarmfieldError: A run is not finished or not evaluated on the way; two are of the same
            algorithm and task with the same seed, or with other options; algorithms, seeds or
            evaluations of one environment differ; or the file exists or cannot be written.
    """
    if not runs:
        raise SwarmfieldError("marl-eval needs the folder of a finished run.")
    folders = [run_folder.open_existing(Path(path)) for path in runs]
    file = export_file(output, folders[0].path / "marl-eval.json")
    table: dict[str, Any] = {}
    asked: dict[tuple[str, str, str], Job] = {}
    for folder in folders:
        job = from_dict(folder.read_config())
        name = job.algorithm if name_by == "algorithm" else folder.path.resolve().name
        place = job.environment, _task(job), name
        if _recipe(asked.setdefault(place, job)) != _recipe(job):
            raise SwarmfieldError(
                f"{folder.path} is another run of {name}, with other options; leave it out, or "
                f"{_OTHERWISE[name_by]}."
            )
        tasks = table.setdefault(job.environment, {})
        seeds, found = tasks.setdefault(place[1], {}).setdefault(name, {}), _by_seed(folder, job)
        if twice := sorted(seeds.keys() & found.keys()):
            raise SwarmfieldError(
                f"{folder.path} is another run of {name} with {twice[0]}; leave it out, or "
                f"{_OTHERWISE[name_by]}."
            )
        seeds |= found
    for environment, tasks in table.items():
        _require_alike(environment, tasks)
        table[environment] = _with_common_metrics(tasks)
    write_json(file, table)
    return file


_OTHERWISE = {
    "algorithm": "tell runs apart by --name-by folder",
    "folder": "rename one of the folders",
}


def _recipe(job: Job) -> tuple[Any, ...]:
    """What runs have in common whose seeds may be put together."""
    config = job.config
    return config.algo, config.opponent, config.env_steps, config.num_envs, config.reward


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


def _evaluation(row: Mapping[str, Any]) -> dict[str, Any]:
    figures = {
        name.removeprefix(_PREFIX): value for name, value in row.items() if name.startswith(_PREFIX)
    }
    return {"step_count": row["env_steps"], **_metrics(figures)}


def _metrics(figures: Mapping[str, Any]) -> dict[str, list[float]]:
    """The mean return as `return`, and the environment's measures."""
    return {
        "return" if name == _RETURN else name: [value]
        for name, value in figures.items()
        if name not in _NO_METRIC and value is not None
    }


def _require_alike(environment: str, tasks: Mapping[str, Any]) -> None:
    """Refuse what marl-eval cannot put into one array.

    Raises:
        SwarmfieldError: Naming what differs.
    """
    named = {name for algorithms in tasks.values() for name in algorithms}
    spoilt = [name for name in named if "," in name]
    spoilt += [name for name in named if sum(x.lower() == name.lower() for x in named) > 1]
    if spoilt:
        raise SwarmfieldError(
            f"{spoilt[0]!r} is no name for marl-eval, which knows no commas and takes small and "
            "capital letters for the same; rename that folder."
        )
    algorithms = {task: sorted(found) for task, found in tasks.items()}
    _require_same(environment, "algorithms", algorithms)
    runs = {f"{task}, {name}": seeds for task, name, seeds in _each(tasks)}
    _require_same(environment, "seeds", {run: sorted(seeds) for run, seeds in runs.items()})
    steps = {run: _steps(seeds) for run, seeds in runs.items()}
    _require_same(environment, "evaluations at", steps)


def _require_same(environment: str, what: str, found: Mapping[str, list[Any]]) -> None:
    """Refuse what is not alike everywhere in an environment."""
    (first, wanted), *others = found.items()
    for other, own in others:
        if own != wanted:
            raise SwarmfieldError(
                f"In {environment}, {first} has the {what} {wanted} and {other} {own}, but "
                "marl-eval needs the same of all; leave out what is not of all."
            )


def _each(tasks: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Every algorithm's seeds in every task."""
    return [(task, name, seeds) for task, found in tasks.items() for name, seeds in found.items()]


def _steps(seeds: Mapping[str, Any]) -> list[int]:
    """Environment steps at the evaluations of any seed, for all have the same."""
    evaluations = next(iter(seeds.values())).values()
    return [each["step_count"] for each in evaluations if "step_count" in each]


def _with_common_metrics(tasks: Mapping[str, Any]) -> dict[str, Any]:
    """Without metrics that some evaluation lacks, which marl-eval would refuse."""
    every = [x for _, _, seeds in _each(tasks) for own in seeds.values() for x in own.values()]
    common = {"step_count", *every[0]}.intersection(*({"step_count", *x} for x in every))
    if "return" not in common:
        raise SwarmfieldError(
            "An evaluation has no mean return, for no episode ended or a return is not finite; "
            "leave that run out."
        )

    def kept(tree: Any) -> Any:
        if isinstance(next(iter(tree.values())), Mapping):
            return {name: kept(inner) for name, inner in tree.items()}
        return {name: value for name, value in tree.items() if name in common}

    return kept(tasks)
