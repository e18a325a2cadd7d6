"""What a sweep is, where it is kept, and what its trials came to."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from swarmfield.command_options import SweepOptions
from swarmfield.experiments.sweep.space import Searched, words_of
from swarmfield.statistics import interquartile_mean
from swarmfield.training.run_folder import RunFolder

_SETTINGS = ("metric", "direction", "score", "sampler", "sampler_seed", "pruner")


class Sweep(NamedTuple):
    """What is searched.

    Attributes:
        algorithm: What is trained.
        environment: Where.
        words: Options of training that are the same in all trials, as they are typed.
        searched: The others.
        seeds: Of each trial.
        env_steps: Of each trial.
        evaluations: On the way of each trial.
        options: How is searched.
        folder: Where all of it is kept.
    """

    algorithm: str
    environment: str
    words: list[str]
    searched: tuple[Searched, ...]
    seeds: list[int]
    env_steps: int
    evaluations: int
    options: SweepOptions
    folder: Path

    @property
    def file(self) -> Path:
        """What was asked for, and what has been found so far."""
        return self.folder / "sweep.json"

    @property
    def settings(self) -> dict[str, Any]:
        """What must stay the same for a sweep to be gone on with."""
        return {
            "algorithm": self.algorithm,
            "environment": self.environment,
            "options": shlex.join(self.words),
            "search": {one.name: one.values for one in self.searched},
            **{name: getattr(self.options, name) for name in _SETTINGS},
        }

    def command(self, values: Mapping[str, Any]) -> list[str]:
        """Arguments of `swarmfield` that train with some values of what is searched over."""
        chosen = words_of(self.searched, values)
        return ["train", self.algorithm, self.environment, *self.words, *chosen]

    def path(self, number: int) -> Path:
        """The run of a trial."""
        return self.folder / f"trial-{number:03}"


def scores_on_the_way(sweep: Sweep, number: int) -> list[float | None]:
    """What a trial's evaluations so far came to, of those that all seeds have made."""
    by_step: dict[int, list[Any]] = {}
    for row in RunFolder(sweep.path(number)).read_metrics():
        if sweep.options.metric in row:
            by_step.setdefault(row["env_steps"], []).append(row[sweep.options.metric])
    return [
        score_of(sweep, figures) for figures in by_step.values() if len(figures) == len(sweep.seeds)
    ]


def final_score(sweep: Sweep, number: int) -> float | None:
    """What a finished trial came to; None if a seed has no such number."""
    return score_of(sweep, seed_scores(sweep, number))


def seed_scores(sweep: Sweep, number: int) -> list[Any]:
    """The figure of each seed in a finished trial's last evaluation."""
    name, player, figure = sweep.options.metric.split("/")
    summary = RunFolder(sweep.path(number)).read_summary() or {}
    each = summary.get(f"{name}_by_seed") or {"": summary.get(name, {})}
    return [players.get(player, {}).get(figure) for players in each.values()]


def score_of(sweep: Sweep, figures: list[Any]) -> float | None:
    """What the seeds' figures come to together; None if one is missing or not finite."""
    if not figures or any(x is None or not math.isfinite(x) for x in figures):
        return None
    if sweep.options.score == "iqm":
        return float(interquartile_mean(np.asarray(figures, float)))
    return float(np.mean(figures))
