"""Training runs from start to end: `train` and `resume`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from swarmfield.environments.hosted import NotCompiledError
from swarmfield.options import typed
from swarmfield.training import checkpoint, hosts, run_folder
from swarmfield.training.best import keep_best
from swarmfield.training.compiled import (
    Saved,
    begin,
    compile_programs,
    shapes,
)
from swarmfield.training.config import (
    Job,
    TrainConfig,
    from_dict,
    make_job,
)
from swarmfield.training.display import Display
from swarmfield.training.frozen import frozen_shapes, with_frozen_opponent
from swarmfield.training.log import MetricsLog, NoLog
from swarmfield.training.loop import Counters, Interrupted, drive, stop_signal
from swarmfield.training.memory import check_kept, check_working
from swarmfield.training.provenance import config_file
from swarmfield.training.run_folder import RunFolder
from swarmfield.training.setup import (
    Setup,
    assemble,
)
from swarmfield.training.summary import summarize_run
from swarmfield.types import SwarmfieldError


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: Its folder.
        summary: What `summary.json` holds.
    """

    path: Path
    summary: dict[str, Any]


def train(
    algorithm: str,
    environment: str,
    *,
    env: Mapping[str, Any] | None = None,
    algo: Mapping[str, Any] | None = None,
    run_dir: str | Path | None = None,
    quiet: bool = False,
    **options: Any,
) -> Run:
    """Train an algorithm in an environment and keep everything in a folder.

    Args:
        algorithm: Its name, such as `mfq`.
        environment: Its name, such as `battle`.
        env: Options of the environment.
        algo: Options of the algorithm.
        run_dir: Folder to make; one under `runs/` if not given.
        quiet: Show nothing while it runs.
        **options: Other fields of `TrainConfig`: `env_steps`, `num_envs`, `seed`, `seeds`,
            `opponent`, `opponent_algo` (options of one that is an algorithm) and so on.

    Raises:
        SwarmfieldError: If something asked for is not possible.

    Example:
        >>> run = train("mfq", "battle", env_steps=128_000, opponent="random")  # doctest: +SKIP
        >>> run.summary["evaluation"]["learner"]["win_rate"]  # doctest: +SKIP
        1.0
    """
    if run_dir is not None:
        options["run_dir"] = Path(run_dir)
    return start(make_job(algorithm, environment, env=env, algo=algo, **options), quiet=quiet)


def start(job: Job, *, quiet: bool = False) -> Run:
    """Train a job in a new folder."""
    config = job.config
    seeds = config.seed_list
    job, opponent, setup = _prepare(job)
    named = config.seeds if config.seeds is not None else seeds[0]
    described = config_file(setup, config.env_steps)

    def make_folder() -> str:
        path = config.run_dir or run_folder.default_path(job.algorithm, job.environment, named)
        return str(run_folder.create(path).path)

    folder = RunFolder(Path(hosts.decided(make_folder)))
    with folder.locked():
        folder.write_config(described)
        saved = begin(setup, seeds, opponent)
        counters = Counters(agent_steps=[0] * len(seeds))
        checkpoint.save(folder.checkpoints, saved, env_steps=0, extra=vars(counters))
        return _finish(setup, folder, saved, counters, config.env_steps, quiet)


def _prepare(job: Job) -> tuple[Job, Any, Setup]:
    """The job with its frozen opponent, that one's parameters, and everything built.

    Raises:
        SwarmfieldError: The parts do not go together, or are too large for this machine.
    """
    try:
        job, opponent = with_frozen_opponent(job)
        setup = assemble(job)
        like = shapes(setup, job.config.seed_list, opponent)
    except (MemoryError, OverflowError):
        raise SwarmfieldError(
            f"{job.config.num_envs} environments, {len(job.config.seed_list)} seeds and "
            f"{job.config.env} are too large to be built; lower --env.num-agents, --num-envs or "
            "the number of seeds."
        ) from None
    setup.notes.append(check_kept(like, like.run.ring, setup.layout))
    return job, opponent, setup


def resume(
    path: str | Path,
    *,
    env_steps: int | None = None,
    devices: int | Literal["all"] | None = None,
    quiet: bool = False,
) -> Run:
    """Go on with a run from its newest good checkpoint, as if it had never stopped.

    Args:
        path: The run's folder.
        env_steps: Train up to this many environment steps in total instead; schedules stay
            at their end values.
        devices: Devices to use from now on, a number or `all`.
        quiet: Show nothing while it runs.

    Raises:
        SwarmfieldError: If the folder holds no run, or `env_steps` is not possible.
    """
    folder = run_folder.open_existing(Path(path))
    if folder.is_archived:
        raise SwarmfieldError(
            f"{path} holds policies alone and cannot be trained on; train anew by the options in "
            f"{folder.config_file}."
        )
    plain = folder.read_config()
    job = from_dict(plain)
    if devices is not None:
        plain = {**plain, "devices": devices}
        job = from_dict(plain)
    target = _target(plain, job)
    total = target if env_steps is None else _allowed(job, env_steps)
    summary = folder.read_summary() or {}
    if total == summary.get("env_steps"):
        return Run(folder.path, summary)
    with folder.locked():
        newest, faults = _newest_good(folder)
        _require_ahead(folder, job, total, newest)
        setup, saved, counters = _last_state(folder, job, newest)
        setup.notes.extend(f"skipped: {fault}" for fault in faults)
        if total != target or devices is not None:
            folder.write_config({**plain, "target_env_steps": total})
        return _finish(setup, folder, saved, counters, total, quiet)


def _newest_good(folder: RunFolder) -> tuple[Path | None, list[str]]:
    """The checkpoint to go on from, and what is wrong with newer ones."""

    def look() -> tuple[str | None, list[str]]:
        newest, faults = checkpoint.newest_good(folder.checkpoints)
        return None if newest is None else newest.name, faults

    name, faults = hosts.decided(look)
    return None if name is None else folder.checkpoints / name, faults


def _target(plain: Mapping[str, Any], job: Job) -> int:
    """Where the run was to end: as first asked for, or as last resumed."""
    return _allowed(job, plain.get("target_env_steps", job.config.env_steps))


def _allowed(job: Job, env_steps: Any) -> int:
    """A number of environment steps that this job's environments can make."""
    return replace(job.config, **typed(TrainConfig, {"env_steps": env_steps})).env_steps


def _require_ahead(folder: RunFolder, job: Job, total: int, newest: Path | None) -> None:
    """Refuse to go on to a moment that has passed."""
    done = 0 if newest is None else checkpoint.read_manifest(newest)["env_steps"]
    least = max(done, job.config.env_steps)
    if total < least:
        raise SwarmfieldError(
            f"--env-steps is {total}, but {folder.path} was to make {job.config.env_steps} "
            f"environment steps and has made {done}; give at least {least}."
        )


def _last_state(folder: RunFolder, job: Job, newest: Path | None) -> tuple[Setup, Saved, Counters]:
    """The newest good checkpoint's; if there is none, the beginning."""
    setup, seeds = assemble(job), job.config.seed_list
    if newest is None:
        aside = hosts.decided(lambda: str(folder.set_aside()))
        setup.notes.append(
            f"no checkpoint is good: starting again from config.json; what there was is in {aside}"
        )
        _, opponent = with_frozen_opponent(job)
        return setup, begin(setup, seeds, opponent), Counters(agent_steps=[0] * len(seeds))
    like = shapes(setup, seeds, frozen_shapes(job))
    setup.notes.append(check_kept(like, like.run.ring, setup.layout))
    saved = checkpoint.restore(newest, like)
    keep_best(folder, saved.best, job.config.num_envs)
    return setup, saved, Counters(**checkpoint.read_manifest(newest)["extra"])


def _finish(
    setup: Setup,
    folder: RunFolder,
    saved: Saved,
    counters: Counters,
    total_env_steps: int,
    quiet: bool,
) -> Run:
    """Train to the end, then evaluate, draw and summarise."""
    num_envs = setup.job.config.num_envs
    try:
        summary = _train_and_evaluate(setup, folder, saved, counters, total_env_steps, quiet)
        if hosts.is_first():
            _draw(setup, folder, quiet)
    except Interrupted:
        raise Interrupted(
            f"stopped and saved at {counters.time * num_envs} environment steps; go on by "
            f"`swarmfield resume {folder.path}`."
        ) from None
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped; go on from the last checkpoint by `swarmfield resume {folder.path}`."
        ) from None
    # Written last: a run with a summary has everything else that it can have.
    folder.write_summary(summary)
    return Run(folder.path, summary)


def _train_and_evaluate(
    setup: Setup,
    folder: RunFolder,
    saved: Saved,
    counters: Counters,
    total_env_steps: int,
    quiet: bool,
) -> dict[str, Any]:
    config, position = setup.job.config, counters.metrics_position
    title = f"{setup.job.algorithm} in {setup.job.environment}"
    if setup.program.other is not None:
        title += f" against {config.opponent}"
    began, total = counters.time * config.num_envs, total_env_steps // config.num_envs
    quiet = quiet or not hosts.is_first()
    show = Display(title, total_env_steps, start_env_steps=began, quiet=quiet)
    keep = MetricsLog(folder, position) if hosts.is_first() else NoLog()
    with keep as log, show as display:
        for note in setup.notes:
            display.say(note)
        programs = compile_programs(setup, saved)
        display.say(check_working(programs.working_bytes, setup.layout))
        with stop_signal() as stopped:
            saved = drive(
                setup, programs, folder, saved, counters, total, log, display.update, stopped
            )
        display.say(f"evaluating {config.evaluation_episodes} greedy episodes")
        return summarize_run(setup, programs, saved, counters)


def _draw(setup: Setup, folder: RunFolder, quiet: bool) -> None:
    """The learning curve, and a replay unless the episode is too large for a page."""
    from swarmfield.plots import learning_curve
    from swarmfield.replay_page import TooLargeError
    from swarmfield.training.recording import write_replay

    learning_curve({setup.job.algorithm: folder.read_metrics()}, folder.learning_curve)
    try:
        write_replay(folder.path, "html")
    except (NotCompiledError, TooLargeError) as error:
        if not quiet:
            print(f"no replay page: {error}", file=sys.stderr)
