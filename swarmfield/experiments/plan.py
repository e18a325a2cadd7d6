"""From an experiment to the runs it consists of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from swarmfield.algorithms import ALGORITHMS, options_for
from swarmfield.environments import make
from swarmfield.experiments.design import Arm, Budget, Options, Scale, Task
from swarmfield.options import spelled
from swarmfield.training.config import Job, make_job, parse_seeds
from swarmfield.training.matchup import sides_of
from swarmfield.training.run_folder import RunFolder


class PlannedRun(NamedTuple):
    """A run to be made.

    Attributes:
        task: Where it is trained.
        arm: The method's name in its task.
        job: What to train, and where.
        command: The same as arguments of `swarmfield`.
    """

    task: Task
    arm: str
    job: Job
    command: list[str]

    @property
    def path(self) -> Path:
        """Its folder."""
        path = self.job.config.run_dir
        assert path is not None
        return path


def runs_of(
    task: Task, arm: Arm, scale: Scale, root: Path, seeds: str | None = None
) -> list[PlannedRun]:
    """The runs of a method: one with all seeds, or one a seed.

    Args:
        task: Where to train.
        arm: What to train.
        scale: How large.
        root: Folder of all experiments.
        seeds: Such as `5:10`; the scale's from 0 on if not given.

    Raises:
        SwarmfieldError: An option or a number is not allowed.
    """
    budget = task.budgets[scale]
    wanted = f"0:{budget.seeds}" if seeds is None else seeds
    folder, against = folder_of(task, arm, scale, root), task.opponent
    if task.enemy is not None:
        against = str(folder_of(task, task.enemy, scale, root))
    if not task.one_by_one:
        return [_run(task, arm, budget, folder, wanted, against)]
    return [
        _run(task, arm, budget, folder / f"seed{seed}", f"{seed}:{seed + 1}", against)
        for seed in parse_seeds(wanted)
    ]


def enemies_of(task: Task, scale: Scale, root: Path) -> list[PlannedRun]:
    """The run that makes a task's frozen opponent, if it has one of its own; see `runs_of`."""
    if task.enemy is None:
        return []
    budget = task.budgets[scale]
    budget = budget._replace(env_steps=budget.enemy_steps or budget.env_steps)
    folder = folder_of(task, task.enemy, scale, root)
    return [_run(task, task.enemy, budget, folder, "0:1", task.opponent)]


def needs_of(planned: Sequence[PlannedRun]) -> dict[Path, Path]:
    """Of runs against an opponent that is trained first: the folder of that one's run."""
    paths = {str(one.path): one.path for one in planned}
    opponents = {one.path: paths.get(str(one.job.config.opponent)) for one in planned}
    return {path: opponent for path, opponent in opponents.items() if opponent is not None}


def missing_of(path: Path, command: list[str]) -> list[str]:
    """What makes a run, or what is missing of one that was stopped: arguments of `swarmfield`."""
    return ["resume", str(path)] if RunFolder(path).config_file.exists() else command


def folder_of(task: Task, arm: Arm, scale: Scale, root: Path) -> Path:
    """Where a method's run lies, or its runs, one a seed."""
    return root / scale / task.name / slug(arm.same_as or arm.name)


def _run(
    task: Task, arm: Arm, budget: Budget, path: Path, seeds: str, opponent: str | None
) -> PlannedRun:
    env = dict(budget.env)
    team = sides_of(make(task.environment, **env), arm.training.get("team")).home

    def with_shared(algorithm: str, own: Options) -> dict[str, Any]:
        known = options_for(algorithm, team)
        return {name: value for name, value in budget.algo.items() if name in known} | dict(own)

    algo = with_shared(arm.algorithm, arm.algo)
    options: dict[str, Any] = {
        "env_steps": budget.env_steps,
        "num_envs": budget.num_envs,
        "seeds": seeds,
        "evaluations": budget.evaluations,
        "evaluation_episodes": budget.episodes,
        "run_dir": path,
    }
    if opponent is not None:
        options["opponent"] = opponent
    options |= arm.training
    other = options.get("opponent")
    if other is not None and other in ALGORITHMS:
        options["opponent_algo"] = with_shared(other, options.get("opponent_algo", {}))
    job = make_job(arm.algorithm, task.environment, env=env, algo=algo, **options)
    words = [*_words(env, "env."), *_words(algo, "algo."), *_words(options)]
    return PlannedRun(task, arm.name, job, ["train", arm.algorithm, task.environment, *words])


def _words(options: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Options as they are typed."""
    words = []
    for name, value in options.items():
        if isinstance(value, Mapping):
            words += _words(value, f"{prefix}{name.replace('_', '-')}.")
        elif isinstance(value, bool):
            words.append(spelled(name, prefix if value else f"{prefix}no-"))
        else:
            words += [spelled(name, prefix), str(value)]
    return words


def slug(name: str) -> str:
    """A name as a folder's: `bmf_ac, 2 groups` becomes `bmf_ac-2-groups`."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")
