"""From a job's names and numbers to the parts of its program."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jaxtyping import PyTree

from swarmfield import replay
from swarmfield.algorithms import ALGORITHMS
from swarmfield.environments import ENVIRONMENTS
from swarmfield.environments.wrappers import AutoReset
from swarmfield.options import typed
from swarmfield.training.config import Job
from swarmfield.training.evaluate import Match
from swarmfield.training.matchup import Policy, Sides, policy_of, random_policy, sides_of
from swarmfield.training.off_policy import Program
from swarmfield.types import Algorithm, Environment, Replay, SwarmfieldError, TeamSpec


class Setup(NamedTuple):
    """A job's parts.

    Attributes:
        job: What was asked for.
        environment: Where it is played.
        sides: Who plays which team.
        algorithm: What learns.
        program: The compiled loop's parts.
        matches: Evaluations by name; the first also chooses the best checkpoint.
        notes: What was chosen or capped, for people.
    """

    job: Job
    environment: Environment
    sides: Sides
    algorithm: Algorithm
    program: Program
    matches: dict[str, Match]
    notes: list[str]


def build_environment(job: Job, overrides: Mapping[str, Any] | None = None) -> Environment:
    """The job's environment, with some options changed."""
    config = job.config.env
    if overrides:
        config = dataclasses.replace(config, **typed(type(config), overrides, "env."))
    return ENVIRONMENTS[job.environment].build(config)


def build_algorithm(job: Job, environment: Environment, team: TeamSpec) -> Algorithm:
    """The job's algorithm, for a team of an environment."""
    unpack = functools.partial(environment.unpack, team.name)
    return ALGORITHMS[job.algorithm].build(job.config.algo, team, unpack)


def assemble(job: Job) -> Setup:
    """Build everything a training run is made of.

    Raises:
        SwarmfieldError: If the parts do not go together.
    """
    environment = build_environment(job)
    sides = sides_of(environment)
    algorithm = build_algorithm(job, environment, sides.home)
    notes = [environment.description]
    experience = _fit(algorithm.experience, job, sides.home, notes)
    kind = opponent_kind(job, environment)
    opponent = _opponent(kind, job, environment, sides, algorithm)
    program = Program(
        algorithm=algorithm,
        experience=experience,
        environment=AutoReset(environment),
        sides=sides,
        opponent=opponent,
        num_envs=job.config.num_envs,
        scheduled_steps=job.config.env_steps // job.config.num_envs,
        follows=kind == "self",
    )
    matches = _matches(kind, environment, sides, policy_of(algorithm), opponent)
    return Setup(job, environment, sides, algorithm, program, matches, notes)


def opponent_kind(job: Job, environment: Environment) -> str:
    """`self`, `random`, `frozen` or `none`, from the option and what the environment allows."""
    asked = job.config.opponent
    if len(environment.sides) == 1:
        if asked is not None:
            raise SwarmfieldError(
                f"--opponent is {asked!r}, but {environment.name!r} is cooperative and has "
                "none; leave the option out."
            )
        return "none"
    if asked is None:
        return "self" if environment.interchangeable else "random"
    if asked != "random" and not environment.interchangeable:
        raise SwarmfieldError(
            f"--opponent is {asked!r}, but the sides of {environment.name!r} are not "
            "interchangeable, so that no trained policy can play the other side; choose random."
        )
    return asked if asked in ("self", "random") else "frozen"


def _opponent(
    kind: str, job: Job, environment: Environment, sides: Sides, algorithm: Algorithm
) -> Policy | None:
    if sides.away is None:
        return None
    if kind == "self":
        return policy_of(algorithm)
    if kind == "random":
        return random_policy(sides.away)
    assert job.frozen is not None, "a frozen opponent's job is set when its run is loaded"
    return policy_of(build_algorithm(job.frozen, environment, sides.away))


def _matches(
    kind: str, environment: Environment, sides: Sides, learner: Policy, opponent: Policy | None
) -> dict[str, Match]:
    first = Match(environment, sides, learner, opponent)
    if kind != "self" or sides.away is None:
        return {"evaluation": first}
    against_random = first._replace(opponent=random_policy(sides.away))
    return {"evaluation": against_random, "evaluation_self": first}


def _fit(experience: Any, job: Job, team: TeamSpec, notes: list[str]) -> Replay:
    """The experience asked for, no larger than the run can make; what is capped is noted."""
    if not isinstance(experience, Replay):
        raise SwarmfieldError(
            f"Algorithm {job.algorithm!r} asks for {type(experience).__name__}, which this "
            "training loop cannot give."
        )
    budget = job.config.env_steps * team.num_agents
    capped = {
        "batch_size": min(experience.batch_size, budget),
        "capacity": min(experience.capacity, budget),
        "warmup": min(experience.warmup, budget // 4),
    }
    for name, value in capped.items():
        asked = getattr(experience, name)
        if value != asked:
            notes.append(f"{name} {asked} is more than this run makes: capped at {value}")
    return experience._replace(**capped)


def check_memory(shapes: PyTree, ring: replay.PackedStep) -> str:
    """One line on the memory a run takes.

    Args:
        shapes: What it keeps, as shapes.
        ring: Its replay.

    Raises:
        SwarmfieldError: If it takes more than there is.
    """
    needed = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(shapes))
    available = _available_bytes()
    if needed > available:
        raise SwarmfieldError(
            f"This run would keep {needed / 1e9:.1f} GB, but {available / 1e9:.1f} GB are free; "
            "lower --algo.capacity, --num-envs or the number of seeds."
        )
    return (
        f"memory kept: {needed / 1e6:.0f} MB; replay: {replay.bytes_per_transition(ring):.0f} "
        "bytes an agent-transition"
    )


def _available_bytes() -> int | float:
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return _available_host_bytes()
    limit = (device.memory_stats() or {}).get("bytes_limit")
    return float("inf") if limit is None else limit


def _available_host_bytes() -> int:
    """Memory that programs can still take, the system's file cache included."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(available.split()[1]) * 1024
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
