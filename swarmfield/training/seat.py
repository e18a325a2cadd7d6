"""Which team a run's policy plays, and what a policy needs to play another team."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from swarmfield.training.config import Job
from swarmfield.training.matchup import sides_of
from swarmfield.training.opponent_options import OPPONENTS
from swarmfield.training.setup import build_algorithm, build_environment
from swarmfield.types import Algorithm, Environment, SwarmfieldError, TeamSpec


def team_of(job: Job, environment: Environment, is_opponent: bool) -> TeamSpec:
    """The team that a run's learner plays, or its opponent; any of two that are alike."""
    sides = sides_of(environment, job.config.team)
    if not is_opponent or environment.interchangeable:
        return sides.home
    assert sides.away is not None
    return sides.away


def require_same_reading(
    who: str, job: Job, is_opponent: bool, trained: TeamSpec, team: TeamSpec
) -> None:
    """Refuse a team that sees other things than a policy was trained on.

    Args:
        who: Whose policy it is, for people.
        job: Its job.
        is_opponent: Whether it learned beside the learner.
        trained: The team that it was trained for.
        team: The team that it is to play.

    Raises:
        SwarmfieldError: The views or the features differ, or the policy knows its own team's
            agents one by one and this team is of another size.
    """
    ours, theirs = (team.view, team.features), (trained.view, trained.features)
    if ours != theirs:
        raise SwarmfieldError(
            f"{who} reads views {theirs[0]} and {theirs[1]} features, but here agents see "
            f"views {ours[0]} and {ours[1]} features; choose the --env options of observation "
            "that it was trained with."
        )
    if team.num_agents != trained.num_agents and _sizes(job, team) != _sizes(job, trained):
        raise SwarmfieldError(
            f"{who} knows each of its {trained.num_agents} agents, so that it cannot play a "
            f"team of {team.num_agents}; keep the size, or train with "
            f"{OPPONENTS if is_opponent else '--algo.'}identity none."
        )


def _sizes(job: Job, team: TeamSpec) -> PyTree:
    """Shapes of the parameters that a job's algorithm would act with, for some team."""
    algorithm = build_algorithm(job, build_environment(job), team)
    return jax.tree.map(jnp.shape, _policy_shapes(algorithm))


def policy_shapes(job: Job) -> PyTree:
    """The parameters one seed of a job acts with, as shapes."""
    environment = build_environment(job)
    return _policy_shapes(build_algorithm(job, environment, team_of(job, environment, False)))


def _policy_shapes(algorithm: Algorithm) -> PyTree:
    return jax.eval_shape(lambda: algorithm.policy(algorithm.init(jax.random.key(0))))
