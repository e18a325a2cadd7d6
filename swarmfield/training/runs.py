"""Training runs from start to end: `train` and `resume`."""

from __future__ import annotations

import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from swarmfield.options import typed
from swarmfield.training import checkpoint, run_folder
from swarmfield.training.compiled import (
    Saved,
    begin,
    compile_programs,
    shapes,
)
from swarmfield.training.config import Job, TrainConfig, from_dict, make_job
from swarmfield.training.display import Display
from swarmfield.training.log import MetricsLog
from swarmfield.training.loop import Counters, Interrupted, drive
from swarmfield.training.matchup import sides_of
from swarmfield.training.provenance import config_file
from swarmfield.training.run_folder import RunFolder
from swarmfield.training.setup import (
    Setup,
    assemble,
    build_environment,
    check_memory,
    opponent_kind,
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
            `opponent` and so on.

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
    path = config.run_dir or run_folder.default_path(job.algorithm, job.environment, named)
    folder = run_folder.create(path)
    folder.write_config(config_file(setup, config.env_steps))
    saved = begin(setup, seeds, opponent)
    counters = Counters(agent_steps=[0] * len(seeds))
    extra = vars(counters)
    checkpoint.save(folder.checkpoints, saved, env_steps=0, extra=extra)
    return _finish(setup, folder, saved, counters, config.env_steps, quiet)


def _prepare(job: Job) -> tuple[Job, Any, Setup]:
    """The job with its frozen opponent, that one's parameters, and everything built.

    Raises:
        SwarmfieldError: The parts do not go together, or are too large for this machine.
    """
    try:
        job, opponent = _with_frozen_opponent(job)
        setup = assemble(job)
        like = shapes(setup, job.config.seed_list, opponent)
    except (MemoryError, OverflowError):
        raise SwarmfieldError(
            f"{job.config.num_envs} environments, {len(job.config.seed_list)} seeds and "
            f"{job.config.env} are too large to be built; lower --env.num-agents, --num-envs or "
            "the number of seeds."
        ) from None
    setup.notes.append(check_memory(like, like.run.ring))
    return job, opponent, setup


def resume(path: str | Path, *, env_steps: int | None = None, quiet: bool = False) -> Run:
    """Go on with a run from its newest good checkpoint, as if it had never stopped.

    Args:
        path: The run's folder.
        env_steps: Train up to this many environment steps in total instead; schedules stay
            at their end values.
        quiet: Show nothing while it runs.

    Raises:
        SwarmfieldError: If the folder holds no run, or `env_steps` is not possible.
    """
    folder = run_folder.open_existing(Path(path))
    plain = folder.read_config()
    job = from_dict(plain)
    total = _total(folder, plain, job, env_steps)
    summary = folder.read_summary() or {}
    if total == summary.get("env_steps"):
        return Run(folder.path, summary)
    setup = assemble(job)
    seeds = job.config.seed_list
    newest, faults = checkpoint.newest_good(folder.checkpoints)
    setup.notes.extend(f"skipped: {fault}" for fault in faults)
    if newest is None:
        _, opponent = _with_frozen_opponent(job)
        setup.notes.append("no checkpoint is good: starting again from config.json")
        saved, counters = begin(setup, seeds, opponent), Counters(agent_steps=[0] * len(seeds))
        shutil.rmtree(folder.best, ignore_errors=True)
    else:
        extra = checkpoint.read_manifest(newest)["extra"]
        counters = Counters(**extra)
        opponent = _frozen_shapes(job)
        like = shapes(setup, seeds, opponent)
        setup.notes.append(check_memory(like, like.run.ring))
        saved = checkpoint.restore(newest, like)
        _rewind_best(folder, saved, counters.time * job.config.num_envs)
    if total != plain.get("target_env_steps"):
        folder.write_config({**plain, "target_env_steps": total})
    return _finish(setup, folder, saved, counters, total, quiet)


def _rewind_best(folder: RunFolder, saved: Saved, env_steps: int) -> None:
    """Put back the best policy of the resumed moment, should a later one have replaced it."""
    newest, _ = checkpoint.newest_good(folder.best)
    if newest is None or checkpoint.read_manifest(newest)["env_steps"] <= env_steps:
        return
    shutil.rmtree(folder.best)
    if bool(jnp.any(saved.best.score > -jnp.inf)):
        score = saved.best.score.tolist()
        checkpoint.save(folder.best, saved.best, env_steps=env_steps, extra={"score": score})


def _total(folder: RunFolder, plain: Mapping[str, Any], job: Job, env_steps: int | None) -> int:
    target = plain.get("target_env_steps", job.config.env_steps)
    wanted = typed(TrainConfig, {"env_steps": target if env_steps is None else env_steps})
    total = replace(job.config, **wanted).env_steps  # refuses what num_envs cannot make exactly
    if total < target:
        raise SwarmfieldError(
            f"--env-steps is {total}, but {folder.path} is a run of {target} environment steps in "
            "total; give at least that many."
        )
    return total


def _with_frozen_opponent(job: Job) -> tuple[Job, Any]:
    """The job with its frozen opponent's own job, and that opponent's parameters."""
    asked = job.config.opponent
    if asked is None or asked in ("self", "random"):
        return job, None
    from swarmfield.training.player import load, require_same_reading

    environment = build_environment(job)
    opponent_kind(job, environment)  # refuses one where no trained policy can play
    player = load(asked)
    if player.job.environment != job.environment:
        raise SwarmfieldError(
            f"--opponent {asked} was trained in {player.job.environment!r}, but this run is in "
            f"{job.environment!r}; choose a run in the same environment."
        )
    require_same_reading(player.path, player.job, sides_of(environment).home)
    return replace(job, frozen=player.job), player.parameters


def _frozen_shapes(job: Job) -> Any:
    """A frozen opponent's parameters as shapes, to restore them into."""
    if job.frozen is None:
        return None
    from swarmfield.training.player import policy_shapes

    return policy_shapes(job.frozen)


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
    title = f"{setup.job.algorithm} in {setup.job.environment}"
    position = counters.metrics_position
    began = counters.time * num_envs
    show = Display(title, total_env_steps, start_env_steps=began, quiet=quiet)
    with MetricsLog(folder, position) as log, show as display, _stop_signal() as stopped:
        for note in setup.notes:
            display.say(note)
        programs = compile_programs(setup, saved)

        total = total_env_steps // num_envs
        try:
            saved = drive(
                setup, programs, folder, saved, counters, total, log, display.update, stopped
            )
        except Interrupted:
            raise Interrupted(
                f"stopped and saved at {counters.time * num_envs} environment steps; go on by "
                f"`swarmfield resume {folder.path}`."
            ) from None
        display.say(f"evaluating {setup.job.config.evaluation_episodes} greedy episodes")
        summary = summarize_run(setup, programs, saved, counters)
    _draw(setup, folder, quiet)
    # Written last: a run with a summary has everything else that it can have.
    folder.write_summary(summary)
    return Run(folder.path, summary)


def _draw(setup: Setup, folder: RunFolder, quiet: bool) -> None:
    """The learning curve, and a replay unless the episode is too large for a page."""
    from swarmfield.plots import learning_curve
    from swarmfield.replay_page import TooLargeError
    from swarmfield.training.recording import write_replay

    learning_curve({setup.job.algorithm: folder.read_metrics()}, folder.learning_curve)
    try:
        write_replay(folder.path, "html")
    except TooLargeError as error:
        if not quiet:
            print(f"no replay page: {error}", file=sys.stderr)


@contextmanager
def _stop_signal() -> Iterator[Callable[[], bool]]:
    """Ctrl-C asks to stop after the piece that is running; a second one stops at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(number: int, frame: Any) -> None:
        if asked.is_set():
            signal.default_int_handler(number, frame)
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
