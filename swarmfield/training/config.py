"""What a run is asked to do: checked when it is made, kept in `config.json`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from swarmfield.algorithms import ALGORITHMS
from swarmfield.environments import find
from swarmfield.options import spelled, typed
from swarmfield.randomness import require_seeds
from swarmfield.registry import configure, lookup
from swarmfield.training.incremental import IncrementalConfig
from swarmfield.training.json_files import read_object
from swarmfield.training.opponent_options import opponent_config
from swarmfield.training.pool import Sampling
from swarmfield.training.practice import OWN
from swarmfield.training.terms import Reward
from swarmfield.types import SwarmfieldError

MOST_STEPS = 2**31 - 1
MOST_AT_ONCE = 10**6
"""Environments side by side, or episodes of one evaluation."""
"""Steps of one environment that the compiled loop can count."""

MOST_SEEDS = 2**16

NAMED_OPPONENTS = (*OWN, "random")
"""Opponents that are no folder of a run."""

LATER = {"reward", "incremental", "pool_size", "pool_sampling", "opponent_algo", "team", "devices"}
"""Options that runs of earlier versions do not have: they had the defaults."""

EnvConfig = TypeVar("EnvConfig")
AlgoConfig = TypeVar("AlgoConfig")
OpponentConfig = TypeVar("OpponentConfig")


@dataclass(frozen=True)
class TrainConfig(Generic[EnvConfig, AlgoConfig, OpponentConfig]):
    """Options of a training run."""

    env: EnvConfig
    """The environment's."""
    algo: AlgoConfig
    """The algorithm's."""
    opponent_algo: OpponentConfig
    """The opponent's, if it is an algorithm that learns too."""
    env_steps: int = 250_000
    """Steps of single environments in total; a multiple of --num-envs."""
    num_envs: int = 16
    """Environments side by side."""
    seed: int | None = None
    """The only source of randomness; 0 if not given."""
    seeds: str | None = None
    """Several seeds in one program: `0:4` is 0, 1, 2 and 3."""
    opponent: str | None = None
    """`self` (follows the learner), `pool` (one of its past selves, drawn anew at each report),
    `random`, the folder of a run, or an algorithm that learns too, on the same terms. By default
    `self` where sides are interchangeable, else `random`."""
    team: str | None = None
    """Who learns, where sides are not interchangeable: `prey`, for example. By default the
    environment's first side."""
    pool_size: int = 8
    """Past selves that `--opponent pool` keeps: the learner at the latest reports."""
    pool_sampling: Sampling = "uniform"
    """How one is drawn: all alike, or those more often that were ahead of the learner."""
    reward: Reward = "individual"
    """What is learned from: each agent's own reward, or the team's mean for all of it."""
    incremental: IncrementalConfig = field(default_factory=IncrementalConfig)
    """Whether all of the team learns from the start."""
    devices: int | Literal["all"] = "all"
    """Devices to divide the seeds, the environments or the agents over."""
    run_dir: Path | None = None
    """Folder to make; under `runs/` with a name of its own if not given."""
    report_every: int | None = None
    """Environment steps between reports; if not given, whole episodes of all environments, so
    that there are about fifty reports. Self-play's opponent follows at reports."""
    evaluations: int = 10
    """Greedy evaluations on the way, for `best`, the last at the end; 0 for none."""
    evaluation_episodes: int = 20
    """Episodes of each evaluation, and of the final one."""
    checkpoints: int = 10
    """Checkpoints on the way, besides the first and the last."""

    def __post_init__(self) -> None:
        for name in ("env_steps", "num_envs", "evaluation_episodes", "pool_size"):
            _require(name, getattr(self, name), 1)
        if self.devices != "all":
            _require("devices", self.devices, 1)
        require_at_most("num_envs", self.num_envs, MOST_AT_ONCE)
        require_at_most("evaluation_episodes", self.evaluation_episodes, MOST_AT_ONCE)
        for name in ("evaluations", "checkpoints"):
            _require(name, getattr(self, name), 0)
        _require_multiple("env_steps", self.env_steps, self.num_envs)
        if self.env_steps // self.num_envs > MOST_STEPS:
            raise SwarmfieldError(
                f"--env-steps is {self.env_steps}, but {self.num_envs} environments side by side "
                f"can make at most {MOST_STEPS * self.num_envs}; choose fewer."
            )
        if self.report_every is not None:
            _require("report_every", self.report_every, 1)
            _require_multiple("report_every", self.report_every, self.num_envs)
        if self.seed is not None and self.seeds is not None:
            raise SwarmfieldError(
                f"--seed {self.seed} and --seeds {self.seeds} are both given; give one of them."
            )
        self.seed_list  # noqa: B018 - a malformed range is refused here, not later

    @property
    def seed_list(self) -> list[int]:
        """All seeds of the run."""
        seeds = [self.seed or 0] if self.seeds is None else parse_seeds(self.seeds)
        require_seeds(seeds)
        return seeds


def _require(name: str, value: int, least: int) -> None:
    if value < least:
        raise SwarmfieldError(
            f"{spelled(name)} is {value}, but must be a whole number of at least {least}."
        )


def require_at_most(name: str, value: int, most: int) -> None:
    """Refuse more of something than can be had."""
    if value > most:
        raise SwarmfieldError(f"{spelled(name)} is {value}, but must be at most {most}.")


def _require_multiple(name: str, value: int, num_envs: int) -> None:
    if value % num_envs:
        below = value // num_envs * num_envs
        nearest = f"{below} or {below + num_envs}" if below else str(num_envs)
        raise SwarmfieldError(
            f"{spelled(name)} is {value}, which {num_envs} environments side by side cannot "
            f"make exactly; the nearest they can is {nearest}."
        )


def parse_seeds(text: str) -> list[int]:
    """Seeds as they are typed, such as `0:4`.

    Raises:
        SwarmfieldError: It is no such range, or there are too many.
    """
    first, colon, last = text.partition(":")
    numbers = colon and first.isdecimal() and last.isdecimal()
    if not (numbers and len(text) < 30 and 0 < int(last) - int(first) <= MOST_SEEDS):
        raise SwarmfieldError(
            f"--seeds is {text!r}, but must be a range such as 0:4 (seeds 0, 1, 2 and 3), of at "
            f"most {MOST_SEEDS} seeds."
        )
    return list(range(int(first), int(last)))


@dataclass(frozen=True)
class Job:
    """A training run by name: what `config.json` holds, and all that is needed to rebuild it.

    Attributes:
        algorithm: Its name.
        environment: Its name.
        config: The options of the run.
        frozen: The job of a frozen opponent's run, whose parameters the checkpoints hold.
    """

    algorithm: str
    environment: str
    config: TrainConfig[Any, Any, Any]
    frozen: Job | None = field(default=None)


def make_job(
    algorithm: str,
    environment: str,
    *,
    env: Mapping[str, Any] | None = None,
    algo: Mapping[str, Any] | None = None,
    opponent_algo: Mapping[str, Any] | None = None,
    frozen: Job | None = None,
    **options: Any,
) -> Job:
    """A job from names and plain values.

    Raises:
        SwarmfieldError: If a name, an option or a value is not known or not allowed.
    """
    algorithm_entry = lookup(ALGORITHMS, algorithm, "algorithm")
    environment_entry = find(environment)
    training = typed(TrainConfig, options)
    rival = training.get("opponent") if frozen is None else None
    config = TrainConfig(
        env=configure(environment_entry, env or {}, "env"),
        algo=configure(algorithm_entry, algo or {}, "algo"),
        opponent_algo=opponent_config(rival, opponent_algo or {}),
        **training,
    )
    return Job(algorithm, environment, config, frozen)


def has_rival(job: Job) -> bool:
    """Whether the opponent is an algorithm that learns too, not a run in a folder of that name."""
    return job.config.opponent in ALGORITHMS and job.frozen is None


def rival_of(job: Job) -> Job:
    """The job as the opponent sees it, where that is an algorithm that learns too."""
    config = job.config
    assert config.opponent is not None
    swapped = dataclasses.replace(
        config, algo=config.opponent_algo, opponent=job.algorithm, opponent_algo=config.algo
    )
    return dataclasses.replace(job, algorithm=config.opponent, config=swapped)


def to_dict(job: Job) -> dict[str, Any]:
    """A job as plain values, for `config.json`."""
    plain = dataclasses.asdict(job)
    plain["frozen"] = None if job.frozen is None else to_dict(job.frozen)
    config = plain.pop("config")
    run_dir = config.pop("run_dir")
    return {**plain, **config, "run_dir": None if run_dir is None else str(run_dir)}


def from_dict(plain: Mapping[str, Any]) -> Job:
    """The job that `to_dict` wrote; entries it does not know are left out.

    Raises:
        SwarmfieldError: If something is missing or not allowed.
    """
    if not isinstance(plain, Mapping):
        raise SwarmfieldError(f"A run's config.json holds {plain!r} where a job should be.")
    names = {item.name for item in dataclasses.fields(TrainConfig)} - {"env", "algo"}
    names -= LATER - set(plain)
    missing = ({"algorithm", "environment", "env", "algo"} | names) - set(plain)
    if missing:
        raise SwarmfieldError(
            f"The run's config.json lacks {', '.join(sorted(missing))}; it was altered or "
            "written by another version."
        )
    frozen = plain.get("frozen")
    return make_job(
        plain["algorithm"],
        plain["environment"],
        env=plain["env"],
        algo=plain["algo"],
        frozen=None if frozen is None else from_dict(frozen),
        **{name: plain[name] for name in names},
    )


def read_job(path: Path) -> Job:
    """The job of a run's `config.json`, to be trained anew: in another folder.

    Raises:
        SwarmfieldError: It cannot be read or holds no job.
    """
    job = from_dict(read_object(path))
    return dataclasses.replace(
        job, config=dataclasses.replace(job.config, run_dir=None), frozen=None
    )
