"""Options of the commands, but for those of training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from swarmfield.options import require
from swarmfield.rule_options import Execution
from swarmfield.types import SwarmfieldError


@dataclass(frozen=True)
class ResumeOptions:
    """Go on with a run."""

    env_steps: int | None = None
    """Train up to this many environment steps in total instead."""
    devices: int | Literal["all"] | None = None
    """Devices to use from now on; as before if not given."""


@dataclass(frozen=True)
class ScriptedOptions:
    """Options of scripted players' episodes."""

    episodes: int = 100
    """Of each player; learned ones are greedy and swap sides in half of them."""
    evaluation_seed: int = 0
    """Decides the episodes."""


@dataclass(frozen=True)
class PlayOptions(ScriptedOptions):
    """Options of evaluations, duels and leagues."""

    which: Literal["last", "best"] = "last"
    """The newest checkpoint, or the best in evaluation."""


@dataclass(frozen=True)
class EvaluateOptions(PlayOptions):
    """Options of an evaluation."""

    opponent: str | None = None
    """`self`, `random` or a run's folder; the one it was trained against if not given, or by
    its name if it is an algorithm that learned too."""
    seed: int | None = None
    """Which of several seeds; the first if not given."""
    explore: float = 0.0
    """How much the run's policy leaves to chance, from 0 (greedy) to 1."""
    execution: Execution | None = None
    """Of a policy that controls a crowd: all act by one rule, or each agent draws its own."""


@dataclass(frozen=True)
class LeagueOptions(PlayOptions):
    """Options of a league."""

    seeds: Literal["first", "all"] = "first"
    """Of a run with several seeds the first takes part, or all, each as a player of its own."""
    output: Path | None = None
    """Folder to write to; `league`, or the next such name that is free, if not given. One that
    holds the same league is gone on with."""


@dataclass(frozen=True)
class ChaosOptions(PlayOptions):
    """Options of comparing numbers of minor agents with their limit."""

    num_agents: tuple[int, ...] = (2, 5, 10, 20, 50, 100, 200, 500, 1000)
    """Numbers of minor agents."""
    limit: int | None = None
    """Agents that stand for infinitely many; if not given the exact limit where it is known,
    otherwise the largest number."""
    execution: tuple[Execution, ...] = ()
    """Of a controller: by one rule for all, each agent by its own, or both."""
    explore: float = 0.0
    """How much the policy leaves to chance, from 0 (greedy) to 1."""
    seed: int | None = None
    """Which of several seeds; the first if not given."""
    output: Path | None = None
    """Folder to write to; `chaos` in the run's, or the next such name that is free."""


@dataclass(frozen=True)
class GameOptions:
    """Options of solving a mean-field game."""

    method: Literal["mirror_descent", "fictitious_play"] = "mirror_descent"
    """Online mirror descent, or fictitious play."""
    iterations: int = 1000
    """Of the solver."""
    step_size: float = 0.05
    """Of mirror descent."""
    learned: bool = True
    """Let one agent learn from experience what it could gain by leaving the policy, too."""
    seed: int = 0
    """Of what it learns from."""
    output: Path | None = None
    """Folder to write to; `game`, or the next such name that is free, if not given."""


@dataclass(frozen=True)
class RunFileOptions:
    """Options of a run as one file."""

    output: Path | None = None
    """File to write; run.zip in the run's folder if not given."""


@dataclass(frozen=True)
class PolicyOptions:
    """Options of a policy's programs."""

    which: Literal["last", "best"] = "last"
    """The newest checkpoint, or the best in evaluation."""
    seed: int | None = None
    """Which of several seeds; the first if not given."""
    output: Path | None = None
    """File to write; policy.zip in the run's folder if not given."""


@dataclass(frozen=True)
class TrajectoryOptions:
    """Options of episodes as arrays."""

    episodes: int = 10
    """How many."""
    evaluation_seed: int = 0
    """Decides the episodes."""
    explore: float = 0.0
    """How much the run's policy leaves to chance, from 0 (greedy) to 1."""
    observations: bool = True
    """Keep what agents saw, which is most of it."""
    which: Literal["last", "best"] = "last"
    """The newest checkpoint, or the best in evaluation."""
    seed: int | None = None
    """Which of several seeds; the first if not given."""
    output: Path | None = None
    """File to write; trajectories.npz in the run's folder if not given."""


@dataclass(frozen=True)
class MarlEvalOptions:
    """Options of results for marl-eval."""

    name_by: Literal["algorithm", "folder"] = "algorithm"
    """Call an algorithm by its name, or by its run's folder."""
    output: Path | None = None
    """File to write; marl-eval.json in the first run's folder if not given."""


@dataclass(frozen=True)
class ReplayOptions:
    """Options of a replay."""

    format: Literal["html", "gif", "mp4"] = "html"
    """A page with a player, or a film."""
    colour_by: Literal["group", "team"] | None = None
    """Colour agents by group or by team; by group where there are groups if not given."""
    which: Literal["last", "best"] = "last"
    """The newest checkpoint, or the best in evaluation."""
    seed: int | None = None
    """Which of several seeds; the first if not given."""
    evaluation_seed: int = 0
    """Decides the episode."""


@dataclass(frozen=True)
class PlotOptions:
    """Options of a plot."""

    output: Path | None = None
    """File to write (.png, .svg or .pdf); the first run's learning_curve.png if not given, or
    its comparison.png for several."""


@dataclass(frozen=True)
class BackendOptions:
    """Where many runs are trained."""

    backend: Literal["local", "ray"] = "local"
    """Train runs here, one after the other, or many at once on a cluster of Ray."""
    ray_address: str | None = None
    """Of the cluster, HOST:PORT or auto; RAY_ADDRESS if not given, or else this machine alone."""
    cpus_per_run: int = 1
    """Processors that a run asks the cluster for, beside a GPU where there are any."""
    retries: int = 3
    """How often a run is tried again whose process was lost, without coming further."""

    def __post_init__(self) -> None:
        for name, least in (("cpus_per_run", 1), ("retries", 0)):
            _require_at_least(self, name, least)
        if self.ray_address is not None and self.backend != "ray":
            raise SwarmfieldError(
                f"--ray-address is {self.ray_address}, but --backend is {self.backend}; add "
                "--backend ray."
            )


@dataclass(frozen=True)
class ExperimentOptions(BackendOptions):
    """Options of running experiments."""

    scale: Literal["smoke", "laptop", "paper"] = "laptop"
    """Minutes, to see that all works; hours on a CPU; or the paper's sizes, for a GPU."""
    seeds: str | None = None
    """Seeds such as 5:10 (5 to 9), which need another --root; the scale's if not given."""
    root: Path = Path("experiments")
    """Folder of all experiments' runs; what is there already is kept."""


@dataclass(frozen=True)
class SweepOptions(BackendOptions):
    """Options of a search for good options, beside --search.X and those of train."""

    trials: int = 20
    """Combinations to be tried; of a grid, at most so many."""
    metric: str = "evaluation/learner/return_mean"
    """What is to be good: a figure of the learner's or the opponent's evaluation."""
    direction: Literal["maximize", "minimize"] = "maximize"
    """Whether more of it is better, or less."""
    score: Literal["iqm", "mean"] = "iqm"
    """What all --seeds together come to: their interquartile mean, or their mean."""
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    """Look where it was good so far, anywhere, or try all combinations in turn."""
    sampler_seed: int = 0
    """Decides what is tried, together with what was tried before."""
    pruner: Literal["none", "median"] = "none"
    """Stop trials that are behind the median of the others at the same evaluation."""
    at_once: int | None = None
    """Trials side by side: 1 here, as many as there is room for on a cluster, if not given."""
    run_dir: Path | None = None
    """Folder of the sweep; sweeps/ALGORITHM-ENVIRONMENT if not given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("trials", 1), ("sampler_seed", 0)):
            _require_at_least(self, name, least)
        if self.at_once is not None:
            _require_at_least(self, "at_once", 1)


def _require_at_least(options: BackendOptions, name: str, least: int) -> None:
    require(options, name, lambda value: value >= least, f"at least {least}")


@dataclass(frozen=True)
class ReportOptions:
    """Options of a report."""

    scale: Literal["smoke", "laptop", "paper"] = "laptop"
    """Of the runs to report on."""
    root: Path = Path("experiments")
    """Folder of all experiments' runs."""
    output: Path | None = None
    """Folder to write to; `report` beside the runs if not given."""
