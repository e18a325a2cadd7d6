"""The host's side of a run: reports, evaluations, checkpoints, and stopping at any moment."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from swarmfield.environments.wrappers import select
from swarmfield.training import checkpoint
from swarmfield.training.compiled import Best, Programs, Saved
from swarmfield.training.evaluate import by_seed
from swarmfield.training.log import MetricsLog
from swarmfield.training.run_folder import RunFolder
from swarmfield.training.setup import Setup

PULSE_SECONDS = 0.5
"""How long the compiled program may run before the host looks up: display and Ctrl-C."""

EVALUATION_KEY = 2**32 - 3
"""Folded into a seed's key for evaluations, so that they share no draw with training."""


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


class Cadence(NamedTuple):
    """When things happen, in steps of all environments: decided by the config alone."""

    report: int
    evaluate: int
    checkpoint: int


def cadence(setup: Setup) -> Cadence:
    """Reports about once an episode of all environments, or ten in a run shorter than that."""
    config = setup.job.config
    total = config.env_steps // config.num_envs
    episode = setup.environment.max_steps + 1
    if config.report_every is not None:
        report = config.report_every // config.num_envs
    elif total <= episode:
        report = max(1, total // 10)
    else:
        report = max(1, round(total / 50 / episode)) * episode
    num_reports = -(-total // report)

    def each(times: int) -> int:
        return max(1, num_reports // times) * report if times else 0

    return Cadence(report, each(config.evaluations), each(config.checkpoints))


def drive(
    setup: Setup,
    programs: Programs,
    folder: RunFolder,
    saved: Saved,
    counters: Counters,
    total: int,
    log: MetricsLog,
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
    when = cadence(setup)
    scheduled = setup.program.scheduled_steps
    clock = _Clock(counters)
    while counters.time < total:
        boundary = min((counters.time // when.report + 1) * when.report, total)
        if counters.time < scheduled:
            boundary = min(boundary, scheduled)
        saved = _advance_to(boundary, setup, programs, saved, counters, clock, tell, stopped)
        if counters.time < boundary:
            _save(setup, folder, saved, counters, log, clock)
            raise Interrupted
        run, figures = programs.close(saved.run)
        saved = eqx.tree_at(lambda s: s.run, saved, run)
        rows = _rows(setup, figures, counters, clock)
        _refuse_non_finite(setup, folder, figures, rows, log)
        at_end = counters.time == scheduled
        if when.evaluate and (at_end or counters.time % when.evaluate == 0):
            saved = _evaluate(setup, programs, folder, saved, counters, rows)
        for row in rows:
            log.write(row)
        tell(counters.time * setup.job.config.num_envs, mean_row(rows))
        if counters.time == total or (when.checkpoint and counters.time % when.checkpoint == 0):
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
    while counters.time < boundary and not stopped():
        steps = min(steps, boundary - counters.time)
        began = time.perf_counter()
        run = programs.advance(run, jnp.int32(counters.time), jnp.int32(steps))
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
    figures = jax.device_get(figures)
    now, last = clock.now(), clock.reported
    rows = []
    players = ("learner", "opponent")
    for index, seed in enumerate(config.seed_list):
        acted = int(figures["agent_steps"][index])
        counters.agent_steps[index] += acted
        updated = figures["updates"][index] > 0
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
                "explore": float(setup.algorithm.explore(setup.program.progress(counters.time))),
                **{k: float(v[index]) for k, v in figures["metrics"].items() if updated},
            }
        )
    return rows


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
    log: MetricsLog,
) -> None:
    failed_at, finite = np.asarray(figures["failed_at"]), np.asarray(figures["finite"])
    failed = (failed_at >= 0) | ~finite
    if not failed.any():
        return
    index = int(np.argmax(failed))
    step = int(failed_at[index]) * setup.job.config.num_envs
    what, step = ("loss", step) if step >= 0 else ("network", rows[index]["env_steps"])
    for row in rows:
        log.write(row)
    log.sync()
    raise TrainingError(
        f"The {what} of seed {setup.job.config.seed_list[index]} is not finite at environment "
        f"step {step} (mean loss over the window: "
        f"{rows[index].get('loss')}); the last good state is in {folder.checkpoints}: train "
        "again with a lower --algo.learning-rate."
    )


def _evaluate(
    setup: Setup,
    programs: Programs,
    folder: RunFolder,
    saved: Saved,
    counters: Counters,
    rows: list[dict[str, Any]],
) -> Saved:
    """Play greedily, add the figures to the reports, keep each seed's best policy."""
    policy = setup.algorithm.policy(saved.run.learner)
    keys = evaluation_keys(saved, counters.time)
    evaluate = next(iter(programs.evaluate.values()))
    episodes = evaluate(policy, saved.run.opponent, keys)
    summaries = by_seed(episodes)
    for row, summary in zip(rows, summaries, strict=True):
        for player, figures in summary.items():
            row.update({f"evaluation/{player}/{name}": x for name, x in figures.items()})
    score = jnp.asarray([s["learner"]["return_mean"] for s in summaries], jnp.float32)
    better = score > saved.best.score
    if not bool(jnp.any(better)):
        return saved
    best = Best(
        select(better, policy, saved.best.policy),
        jnp.where(better, score, saved.best.score),
    )
    env_steps = counters.time * setup.job.config.num_envs
    checkpoint.save(folder.best, best, env_steps=env_steps, extra={"score": score.tolist()})
    checkpoint.prune(folder.best, keep=1)
    return eqx.tree_at(lambda s: s.best, saved, best)


def evaluation_keys(saved: Saved, number: int) -> Any:
    """A key for each seed's evaluation at a time."""

    def of_seed(key: Any) -> Any:
        return jax.random.fold_in(jax.random.fold_in(key, EVALUATION_KEY), number)

    return jax.vmap(of_seed)(saved.run.key)


def _save(
    setup: Setup,
    folder: RunFolder,
    saved: Saved,
    counters: Counters,
    log: MetricsLog,
    clock: _Clock,
) -> None:
    log.sync()
    counters.metrics_position = log.position
    counters.wall_seconds = clock.now()
    env_steps = counters.time * setup.job.config.num_envs
    checkpoint.save(
        folder.checkpoints, saved, env_steps=env_steps, extra=dataclasses.asdict(counters)
    )
    checkpoint.prune(folder.checkpoints, keep=2)
