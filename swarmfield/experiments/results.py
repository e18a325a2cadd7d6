"""What runs of experiments came to: scores over seeds, and what they say of a claim."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from swarmfield.comparisons import difference_interval, welch_interval
from swarmfield.curves import FEWEST_FOR_IQM
from swarmfield.experiments.design import Arm, Claim, Column, Experiment, Scale, Trial
from swarmfield.experiments.plan import folder_of
from swarmfield.experiments.runner import reports_of
from swarmfield.statistics import (
    Interval,
    bootstrap_interval,
    interquartile_mean,
    summarize_episodes,
)
from swarmfield.training.run_folder import RunFolder
from swarmfield.types import SwarmfieldError

Outcome = Literal["supported", "contradicted", "left open"]
RUN, AGAINST = "run/", "against/"
"""Before a column's key: a figure of the whole run, or one of the meeting with the opponent that
learned beside the learner, where `difference` is how much higher the learner's return was."""
AT = " @ "
FEWEST_SEEDS = 3
"""With fewer, a comparison is left open whatever they scored."""
_ALTERED = "{} lacks {}: it was altered; restore it from a copy, or move the run's folder away."


class Verdict(NamedTuple):
    """What scores say of a claim.

    Attributes:
        outcome: In a word.
        differences: Ours less each of the others', as shares of theirs where `same` is claimed.
    """

    outcome: Outcome
    differences: dict[str, Interval]


class Results:
    """The finished runs of an experiment.

    Attributes:
        experiment: Which.
        scale: How large.
    """

    def __init__(self, experiment: Experiment, scale: Scale, root: Path) -> None:
        self.experiment, self._root = experiment, root
        self.scale: Scale = scale

    def folders(self, arm: Arm) -> list[RunFolder]:
        """Folders of a method's finished runs."""
        task = self.experiment.task
        path = folder_of(task, arm, self.scale, self._root)
        paths = sorted(path.glob("seed*")) if task.one_by_one else [path]
        return [folder for folder in map(RunFolder, paths) if self._is_finished(folder)]

    def _is_finished(self, folder: RunFolder) -> bool:
        """Whether a run has made the scale's steps; one that went on is another run.

        Raises:
            SwarmfieldError: It lacks what every finished run has.
        """
        summary = folder.read_summary()
        if summary is None:
            return False
        for name in ("env_steps", "evaluation"):
            if name not in summary:
                raise SwarmfieldError(_ALTERED.format(folder.summary_file, name))
        config = folder.read_config()
        for name in ("resolved", "device", "versions"):
            if name not in config:
                raise SwarmfieldError(_ALTERED.format(folder.config_file, name))
        return summary["env_steps"] == self.experiment.task.budgets[self.scale].env_steps

    def columns(self) -> dict[str, tuple[Column, Trial | None]]:
        """What was measured, by title: in the world of training and then in the others."""
        titled: dict[str, tuple[Column, Trial | None]] = {
            column.title: (column, None) for column in self.experiment.columns
        }
        for trial in self.experiment.trials_at(self.scale):
            evaluated = (c for c in self.experiment.columns if not c.key.startswith((RUN, AGAINST)))
            titled |= {c.title + AT + trial.name: (c, trial) for c in evaluated}
        return titled

    def scores(self, arm: Arm, title: str) -> Float[np.ndarray, " S"]:
        """A method's score in each seed (of each run, for what is a run's); empty if unknown."""
        column, trial = self.columns()[title]
        folders = self.folders(arm)
        if column.key.startswith(RUN):
            name = column.key.removeprefix(RUN)
            found = [(folder.read_summary() or {}).get(name) for folder in folders]
        else:
            name = column.key.removeprefix(AGAINST)
            met = _met if name != column.key else lambda folder: _evaluated(folder, trial)
            found = [figures.get(name) for folder in folders for figures in met(folder)]
        known = [value for value in found if value is not None]
        return column.scale * np.array(known, np.float64)


def _evaluated(folder: RunFolder, trial: Trial | None) -> Iterator[dict[str, Any]]:
    """The learner's figures of each seed."""
    if trial is not None:
        yield from (report["learner"] for report in reports_of(folder.path, trial).values())
        return
    yield from (players["learner"] for players in _by_seed(folder, "evaluation"))


def _met(folder: RunFolder) -> Iterator[dict[str, Any]]:
    """The learner's figures of each seed in the meeting with the opponent that learned too."""
    for players in _by_seed(folder, "evaluation_rival"):
        learner, opponent = players["learner"], players["opponent"]
        yield {**learner, "difference": learner["return_mean"] - opponent["return_mean"]}


def _by_seed(folder: RunFolder, evaluation: str) -> list[dict[str, Any]]:
    """The players' figures of each seed."""
    summary = folder.read_summary() or {}
    if evaluation not in summary:
        raise SwarmfieldError(_ALTERED.format(folder.summary_file, evaluation))
    return list(summary.get(f"{evaluation}_by_seed", {"only": summary[evaluation]}).values())


def judge(results: Results, claim: Claim) -> Verdict:
    """Whether a claim is borne out: by 95 % intervals of differences between methods.

    They are bootstrapped, or of fewer than four seeds Welch's.

    A claim without others is of a score that is itself a difference. `more` and `less` are
    supported where all intervals lie on that side of 0 and contradicted where one lies on the
    other; `same` is supported where all lie within the margin and
    contradicted where one lies outside it.
    """
    arms = {arm.name: arm for arm in results.experiment.arms}
    scores = {n: results.scores(arms[n], claim.column) for n in (claim.ours, *claim.others)}
    if min(len(found) for found in scores.values()) < FEWEST_SEEDS:
        return Verdict("left open", {})
    ours = scores[claim.ours]
    differences = {name: _difference(claim, ours, scores[name]) for name in claim.others}
    differences = differences or {claim.ours: _above_zero(ours)}
    low = np.array([float(each.low) for each in differences.values()])
    high = np.array([float(each.high) for each in differences.values()])
    if claim.relation == "less":
        low, high = -high, -low
    if claim.relation == "same":
        margin = claim.margin
        borne_out = bool(np.all((low >= -margin) & (high <= margin)))
        refuted = bool(np.any((high < -margin) | (low > margin)))
    else:
        borne_out, refuted = bool(np.all(low > 0)), bool(np.any(high < 0))
    outcome: Outcome = "supported" if borne_out else "contradicted" if refuted else "left open"
    return Verdict(outcome, differences)


def _above_zero(scores: Float[np.ndarray, " n"]) -> Interval:
    """How far scores that are differences themselves are above 0."""
    if len(scores) >= FEWEST_FOR_IQM:
        return bootstrap_interval(scores)
    few = summarize_episodes(scores)
    assert few.ci95 is not None, "one score has no interval"
    ends = few.mean, few.mean - few.ci95, few.mean + few.ci95
    return Interval(*map(np.asarray, ends))


def _difference(
    claim: Claim, ours: Float[np.ndarray, " n"], theirs: Float[np.ndarray, " m"]
) -> Interval:
    few = min(len(ours), len(theirs)) < FEWEST_FOR_IQM
    found = (welch_interval if few else difference_interval)(ours, theirs)
    if claim.relation != "same":
        return found
    size = abs(float(np.mean(theirs) if few else interquartile_mean(theirs)))
    if size == 0:
        return Interval(found.estimate, np.asarray(-np.inf), np.asarray(np.inf))
    return Interval(*(end / size for end in found))
