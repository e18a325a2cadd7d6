"""Metrics of runs as curves: what to draw in which panel, summarised over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from swarmfield.statistics import bootstrap_interval, interquartile_mean

Row = Mapping[str, Any]
FEWEST_FOR_IQM = 4
"""With fewer seeds nothing is cut and nothing can be bootstrapped: mean and range instead."""
BOOKKEEPING = ("env_steps", "agent_steps", "seed")
SPREADS = ("_std", "_ci95", "episodes")
"""Of evaluations: no measures of their own."""


class Curve(NamedTuple):
    """One measure of one run over environment steps, over all its seeds.

    Attributes:
        env_steps: Where at least one seed has a finite value.
        middle: Interquartile mean over seeds, or the mean of fewer than four.
        low: Lower end of its 95 % bootstrap interval, or the least seed.
        high: Upper end, or the greatest seed.
        num_seeds: Seeds of the run.
        skipped: Values left out because they are not finite.
    """

    env_steps: Float[np.ndarray, " n"]
    middle: Float[np.ndarray, " n"]
    low: Float[np.ndarray, " n"]
    high: Float[np.ndarray, " n"]
    num_seeds: int
    skipped: int


def curve(rows: Iterable[Row], measure: str) -> Curve:
    """One measure over environment steps, summarised over seeds.

    A run's last report may be of a few steps, in which only episodes that were over early end:
    returns of less than half the steps of the report before are left out.

    Args:
        rows: Rows of `metrics.jsonl`; those without the measure are passed over.
        measure: Its key.
    """
    table: dict[float, dict[Any, float]] = {}
    skipped = 0
    for row in rows:
        value = row.get(measure)
        if value is None:
            continue
        if not np.isfinite(value):
            skipped += 1
            continue
        table.setdefault(row["env_steps"], {})[row.get("seed", 0)] = value
    steps = sorted(table)
    if measure.startswith("return/") and _ends_in_a_stub(steps):
        steps.pop()
    points = [over_seeds(np.array(list(table[step].values()), np.float64)) for step in steps]
    middle, low, high = np.array(points, np.float64).reshape(-1, 3).T
    num_seeds = len({seed for seeds in table.values() for seed in seeds})
    return Curve(np.array(steps, np.float64), middle, low, high, num_seeds, skipped)


def _ends_in_a_stub(steps: Sequence[int | float]) -> bool:
    """Whether the last report is of less than half the steps of the one before."""
    return len(steps) > 2 and steps[-1] - steps[-2] < (steps[-2] - steps[-3]) / 2


def over_seeds(scores: Float[np.ndarray, " S"]) -> tuple[float, float, float]:
    """Middle, low and high end of seeds' scores, as in a `Curve`."""
    if len(scores) < FEWEST_FOR_IQM:
        return float(scores.mean()), float(scores.min()), float(scores.max())
    interval = bootstrap_interval(scores, interquartile_mean, resamples=1000)
    return float(interval.estimate), float(interval.low), float(interval.high)


def panels_of(runs: Mapping[str, Sequence[Row]]) -> dict[str, list[str]]:
    """Title of each panel and the measures in it: return, evaluations, then losses."""
    keys = dict.fromkeys(key for rows in runs.values() for row in rows for key in row)
    numbers = [key for key in keys if key not in BOOKKEEPING and "second" not in key]
    panels = {"Return": [key for key in numbers if key.startswith("return/")]}
    for key in numbers:
        name = key.rpartition("/")[2]
        if key.startswith("evaluation/") and not name.endswith(SPREADS):
            words = name.replace("_mean", "").replace("_", " ")
            panels.setdefault(f"Greedy evaluation: {words}", []).append(key)
    panels["Loss"] = [key for key in numbers if key.rpartition("/")[2].endswith("loss")]
    return {title: measures for title, measures in panels.items() if measures}


def part_of(measure: str) -> str:
    """What tells a measure from the others of its panel: the player, or its own name."""
    parts = measure.split("/")
    return parts[1] if parts[0] == "evaluation" else parts[-1]
