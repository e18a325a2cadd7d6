"""The host's side of a run: reports, evaluations, checkpoints, and stopping at any moment."""

from __future__ import annotations

import dataclasses
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax
import numpy as np

from swarmfield.training import checkpoint, hosts
from swarmfield.training.best import evaluate_and_keep
from swarmfield.training.cadence import cadence
from swarmfield.training.compiled import Programs, Saved
from swarmfield.training.log import Log
from swarmfield.training.run_folder import RunFolder
from swarmfield.training.setup import Setup

PULSE_SECONDS = 0.5
"""How long the compiled program may run before the host looks up: display and Ctrl-C."""


class TrainingError(RuntimeError):
    """Learning met a number that is not finite; what was good is on disk."""


class Interrupted(KeyboardInterrupt):
    """Training was stopped by the user and saved."""


@dataclass
class Counters:
    """Where a run is, on the host; kept in every checkpoint's manifest.

    Attributes:
        time: Steps of all environments.
        agent_steps: Living learners' actions so far, by seed.
        wall_seconds: Time spent, over all sessions of the run.
        metrics_position: Bytes of `metrics.jsonl` that belong to the run so far.
    """

    time: int = 0
    agent_steps: list[int] = field(default_factory=list)
    wall_seconds: float = 0.0
    metrics_position: int = 0


def drive(
    setup: Setup,
    programs: Programs,
    folder: RunFolder,
    saved: Saved,
    counters: Counters,
    total: int,
    log: Log,
    tell: Callable[[int, Mapping[str, Any] | None], None],
    stopped: Callable[[], bool],
) -> Saved:
    """Advance a run to `total` steps of all environments.

    Args:
        setup: The job's parts.
        programs: Its compiled functions.
        folder: Where to keep it.
        saved: The run; its memory is taken over.
        counters: Where it is; kept up to date.
        total: Where to stop.
        log: Takes the reports.
        tell: Called with env steps, and with a report's row when there is one.
        stopped: Whether the user asked to stop.

    Raises:
        TrainingError: A loss was not finite.
        Interrupted: The user asked to stop; the run is saved.
    """
    config, when = setup.job.config, cadence(setup)
    scheduled = setup.program.student.scheduled_steps
    clock = _Clock(counters)
    while counters.time < total:
        boundary = min((counters.time // when.report + 1) * when.report, total)
        if counters.time < scheduled:
            boundary = min(boundary, scheduled)
        saved = _advance_to(boundary, setup, programs, saved, counters, clock, tell, stopped)
        if counters.time < boundary and bool(programs.is_sound(saved.run)):
            _save(setup, folder, saved, counters, log, clock)
            raise Interrupted
        run, figures = programs.close(saved.run)
        figures = hosts.fetched(figures)
        saved = eqx.tree_at(lambda s: s.run, saved, run)
        rows = _rows(setup, figures, counters, clock)
        _refuse_non_finite(setup, folder, figures, rows, log)
        if when.is_due(counters.time, config.evaluations):
            saved = evaluate_and_keep(setup, programs, folder, saved, counters.time, rows)
        for row in rows:
            log.write(row)
        tell(counters.time * config.num_envs, mean_row(rows))
        if counters.time == total or when.is_due(counters.time, config.checkpoints):
            _save(setup, folder, saved, counters, log, clock)
        clock.reported = clock.now()  # evaluating and saving are not part of the next rate
    return saved


class _Clock:
    """Wall time of a run that may have been running before."""

    def __init__(self, counters: Counters) -> None:
        self.offset = counters.wall_seconds
        self.started = time.perf_counter()
        self.reported = self.now()

    def now(self) -> float:
        return self.offset + time.perf_counter() - self.started


def _advance_to(
    boundary: int,
    setup: Setup,
    programs: Programs,
    saved: Saved,
    counters: Counters,
    clock: _Clock,
    tell: Callable[[int, Mapping[str, Any] | None], None],
    stopped: Callable[[], bool],
) -> Saved:
    """Advance in pieces of about `PULSE_SECONDS`; where they are cut changes no result."""
    run, steps = saved.run, 1
    while counters.time < boundary:
        steps, stop = hosts.paced(min(steps, boundary - counters.time), stopped())
        if stop:
            break
        began = time.perf_counter()
        run = programs.advance(run, np.int32(counters.time), np.int32(steps))
        jax.block_until_ready(run.window.agent_steps)
        counters.time += steps
        tell(counters.time * setup.job.config.num_envs, None)
        rate = steps / max(time.perf_counter() - began, 1e-6)
        steps = int(max(1, min(2 * steps, rate * PULSE_SECONDS)))
    counters.wall_seconds = clock.now()
    return eqx.tree_at(lambda s: s.run, saved, run)


def _rows(
    setup: Setup, figures: dict[str, Any], counters: Counters, clock: _Clock
) -> list[dict[str, Any]]:
    """One report for each seed."""
    config = setup.job.config
    now, last = clock.now(), clock.reported
    progress = setup.program.student.progress(counters.time)
    other = setup.program.other
    rival = {"opponent/explore": float(other.algorithm.explore(progress))} if other else {}
    rows = []
    players = ("learner", "opponent")
    for index, seed in enumerate(config.seed_list):
        acted = int(figures["agent_steps"][index])
        counters.agent_steps[index] += acted
        rows.append(
            {
                "env_steps": counters.time * config.num_envs,
                "agent_steps": counters.agent_steps[index],
                "wall_seconds": now,
                "agent_steps_per_second": acted / max(now - last, 1e-9),
                "seed": seed,
                "episodes": int(figures["episodes"][index]),
                **_by_player("return", players, figures["returns"][index]),
                **_by_player("reward", players, figures["rewards"][index]),
                "explore": float(setup.algorithm.explore(progress)),
                **_of_updates(figures, index),
                **rival,
                **_of_updates(figures.get("rival"), index, "opponent/"),
            }
        )
    return rows


def _of_updates(figures: dict[str, Any] | None, index: int, prefix: str = "") -> dict[str, float]:
    """What a learner's updates measured in one seed; nothing if there were none."""
    if figures is None or figures["updates"][index] == 0:
        return {}
    return {prefix + name: float(value[index]) for name, value in figures["metrics"].items()}


def _by_player(name: str, players: tuple[str, ...], values: np.ndarray) -> dict[str, float]:
    return {f"{name}/{p}": float(v) for p, v in zip(players, values, strict=False)}


def mean_row(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The seeds' mean of every figure, for the display."""
    columns = {name: [row[name] for row in rows] for name in rows[0] if name != "seed"}
    mean = {name: float(np.mean(x)) for name, x in columns.items() if None not in x}
    # A window in which no episode ended has no return to show.
    mean = {name: value for name, value in mean.items() if np.isfinite(value)}
    rate = "agent_steps_per_second"
    return {**mean, rate: sum(row[rate] for row in rows)}


def _refuse_non_finite(
    setup: Setup,
    folder: RunFolder,
    figures: dict[str, Any],
    rows: list[dict[str, Any]],
    log: Log,
) -> None:
    learners = ("", "--algo", figures), ("opponent's ", "--opponent-algo", figures.get("rival"))
    for whose, options, found in learners:
        if found is None or (index := _first_failed(found)) is None:
            continue
        step = int(found["failed_at"][index]) * setup.job.config.num_envs
        what, step = ("loss", step) if step >= 0 else ("network", rows[index]["env_steps"])
        for row in rows:
            log.write(row)
        log.sync()
        loss = rows[index].get("opponent/loss" if whose else "loss")
        raise TrainingError(
            f"The {whose}{what} of seed {setup.job.config.seed_list[index]} is not finite at "
            f"environment step {step} (mean loss over the window: {loss}); the last good state is "
            f"in {folder.checkpoints}: train again with a lower {options}.learning-rate."
        )


def _first_failed(figures: dict[str, Any]) -> int | None:
    """The first seed whose updates met a number that is not finite."""
    failed = (np.asarray(figures["failed_at"]) >= 0) | ~np.asarray(figures["finite"])
    return int(np.argmax(failed)) if failed.any() else None


def _save(
    setup: Setup,
    folder: RunFolder,
    saved: Saved,
    counters: Counters,
    log: Log,
    clock: _Clock,
) -> None:
    log.sync()
    counters.metrics_position = log.position
    counters.wall_seconds = clock.now()
    env_steps = counters.time * setup.job.config.num_envs
    checkpoint.save(
        folder.checkpoints, saved, env_steps=env_steps, extra=dataclasses.asdict(counters)
    )
    if hosts.is_first():
        checkpoint.prune(folder.checkpoints, keep=2)


@contextmanager
def stop_signal() -> Iterator[Callable[[], bool]]:
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
