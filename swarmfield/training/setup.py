"""From a job's names and numbers to the parts of its program."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from swarmfield.algorithms import ALGORITHMS
from swarmfield.environments import find
from swarmfield.environments.guarantees import check_interface
from swarmfield.environments.hosted import HostedEnvironment
from swarmfield.environments.wrappers import AutoReset
from swarmfield.options import typed
from swarmfield.training.config import NAMED_OPPONENTS, Job, has_rival, rival_of
from swarmfield.training.control import controlled
from swarmfield.training.layout import Layout, describe, layout_of
from swarmfield.training.matchup import Policy, Sides, policy_of, random_policy, sides_of
from swarmfield.training.opponent_options import told_of_opponent
from swarmfield.training.playing import Match
from swarmfield.training.practice import OWN, RIVAL, Practice
from swarmfield.training.program import Program
from swarmfield.training.student import Student
from swarmfield.training.terms import Terms
from swarmfield.types import Algorithm, Environment, Replay, Rollout, SwarmfieldError, TeamSpec


class Setup(NamedTuple):
    """A job's parts.

    Attributes:
        job: What was asked for.
        environment: Where it is played.
        sides: Who plays which team.
        algorithm: What learns.
        program: The compiled loop's parts.
        matches: Evaluations by name; the first also chooses the best checkpoint.
        layout: Which devices compute what.
        notes: What was chosen or capped, for people.
    """

    job: Job
    environment: Environment
    sides: Sides
    algorithm: Algorithm
    program: Program
    matches: dict[str, Match]
    layout: Layout
    notes: list[str]


def build_environment(job: Job, overrides: Mapping[str, Any] | None = None) -> Environment:
    """The job's environment, with some options changed."""
    _require_device()
    environment = find(job.environment).build(environment_options(job, overrides))
    check_interface(environment)
    if not ALGORITHMS[job.algorithm].controls:
        return environment
    return controlled(environment, job.config.algo, job.algorithm)


def environment_options(job: Job, overrides: Mapping[str, Any] | None = None) -> Any:
    """The options of the job's environment, with some changed."""
    config = job.config.env
    return dataclasses.replace(config, **typed(type(config), overrides or {}, "env."))


def _require_device() -> None:
    """Refuse to begin without a device to compute on.

    Raises:
        SwarmfieldError: JAX finds none of the platforms it was told to use.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError):
        asked = os.environ.get("JAX_PLATFORMS")
        raise SwarmfieldError(
            f"JAX finds no device with JAX_PLATFORMS={asked!r}; unset it, set it to cpu, or "
            "install what that platform needs."
        ) from None


def build_algorithm(job: Job, environment: Environment, team: TeamSpec) -> Algorithm:
    """The job's algorithm, for a team of an environment."""
    unpack = functools.partial(environment.unpack, team.name)
    return ALGORITHMS[job.algorithm].build(job.config.algo, team, unpack)


def assemble(job: Job, layout: Layout | None = None) -> Setup:
    """Build everything a training run is made of.

    Args:
        job: What was asked for.
        layout: The devices; those that the job asks for if None.

    Raises:
        SwarmfieldError: If the parts do not go together.
    """
    environment = build_environment(job)
    sides = sides_of(environment, job.config.team)
    algorithm = build_algorithm(job, environment, sides.home)
    notes = [environment.description]
    if isinstance(environment, HostedEnvironment):
        notes.append(
            "its worlds are stepped by Python, one after another: far slower than ours, and a run "
            "that is resumed begins new episodes"
        )
    if job.config.team is not None:
        notes.append(f"the learner plays {sides.home.name}")
    if sides.swapped and job.config.num_envs == 1:
        notes.append(f"in its one environment the learner always plays {sides.home.name}")
    student = _student(job, algorithm, sides.home, notes)
    kind = opponent_kind(job, environment)
    other = _other_student(job, environment, sides, notes) if kind == RIVAL else None
    if other is None:
        opponent = _opponent(kind, job, environment, sides, algorithm)
    else:
        opponent = policy_of(other.algorithm)
    program = Program(
        student=student,
        environment=AutoReset(environment),
        sides=sides,
        opponent=opponent if other is None else other.policy,
        practice=Practice(kind, job.config.pool_size, job.config.pool_sampling),
        other=other,
    )
    matches = _matches(kind, environment, sides, policy_of(algorithm), opponent)
    if layout is None:
        layout = layout_of(job, environment)
    if (devices := describe(layout, job)) is not None:
        notes.append(devices)
    return Setup(job, environment, sides, algorithm, program, matches, layout, notes)


def _student(job: Job, algorithm: Algorithm, team: TeamSpec, notes: list[str]) -> Student:
    """How an algorithm learns in the job, on its terms."""
    config = job.config
    return Student(
        algorithm=algorithm,
        experience=_fit(algorithm.experience, job, team, notes),
        terms=Terms(team, config.reward, config.incremental),
        num_envs=config.num_envs,
        scheduled_steps=config.env_steps // config.num_envs,
    )


def build_rival(job: Job, environment: Environment, team: TeamSpec) -> Algorithm:
    """The algorithm that learns beside the job's, for its team."""
    with told_of_opponent():
        return build_algorithm(rival_of(job), environment, team)


def _other_student(job: Job, environment: Environment, sides: Sides, notes: list[str]) -> Student:
    """How the opponent learns: on the learner's terms, by its own method."""
    assert sides.away is not None
    algorithm = build_rival(job, environment, sides.away)
    its_notes: list[str] = []
    student = _student(job, algorithm, sides.away, its_notes)
    notes.extend(f"opponent: {note}" for note in its_notes)
    return student


def opponent_kind(job: Job, environment: Environment) -> str:
    """`self`, `pool`, `random`, `rival`, `frozen` or `none`: as asked, where that can be."""
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
    if has_rival(job):
        return RIVAL
    if asked in OWN and not environment.interchangeable:
        raise SwarmfieldError(
            f"--opponent is {asked!r}, but the sides of {environment.name!r} are not "
            "interchangeable, so that the learner cannot play the other side; choose random, an "
            "algorithm that learns to, or a run whose --team is that side."
        )
    return asked if asked in NAMED_OPPONENTS else "frozen"


def _opponent(
    kind: str, job: Job, environment: Environment, sides: Sides, algorithm: Algorithm
) -> Policy | None:
    if sides.away is None:
        return None
    if kind in OWN:
        return policy_of(algorithm)
    if kind == "random":
        return random_policy(sides.away)
    if job.frozen is None:
        raise SwarmfieldError(
            f"The opponent is {job.config.opponent!r}, but the run's config.json lacks that run's "
            "options; it was altered: restore it from a copy."
        )
    return policy_of(build_algorithm(job.frozen, environment, sides.away))


def _matches(
    kind: str, environment: Environment, sides: Sides, learner: Policy, opponent: Policy | None
) -> dict[str, Match]:
    first = Match(environment, sides, learner, opponent)
    if kind not in (*OWN, RIVAL) or sides.away is None:
        return {"evaluation": first}
    # One that learns is no fixed measure of how far the learner is: random is.
    against_random = first._replace(opponent=random_policy(sides.away))
    if kind == "pool":
        return {"evaluation": against_random}
    return {"evaluation": against_random, f"evaluation_{kind}": first}


def _fit(
    experience: Replay | Rollout, job: Job, team: TeamSpec, notes: list[str]
) -> Replay | Rollout:
    """The experience asked for, no larger than the run can make; what is capped is noted."""
    if isinstance(experience, Rollout):
        steps = job.config.env_steps // job.config.num_envs
        capped = {"length": min(experience.length, steps)}
    else:
        budget = job.config.env_steps * team.num_agents
        capped = {
            "batch_size": min(experience.batch_size, budget),
            "capacity": min(experience.capacity, budget),
            "warmup": min(experience.warmup, budget // 4),
        }
    for name, value in capped.items():
        asked = getattr(experience, name)
        if value != asked:
            notes.append(
                f"{name} {asked} is more than {job.config.env_steps} environment steps make: "
                f"capped at {value}"
            )
    return experience._replace(**capped)
