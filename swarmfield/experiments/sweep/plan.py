"""From what is typed to a sweep: checked before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import jax

from swarmfield.command_options import SweepOptions
from swarmfield.experiments.sweep.design import Sweep
from swarmfield.experiments.sweep.space import PREFIX, Searched, read
from swarmfield.options import suggest
from swarmfield.training.config import Job
from swarmfield.training.matchup import sides_of
from swarmfield.training.setup import build_environment
from swarmfield.training.train_options import job_of
from swarmfield.types import SwarmfieldError

_MOST_COMBINATIONS = 1000


def planned(
    algorithm: str,
    environment: str,
    words: list[str],
    given: Mapping[str, str],
    options: SweepOptions,
) -> Sweep:
    """A sweep.

    Args:
        algorithm: What is trained.
        environment: Where.
        words: Options of training, as they are typed.
        given: What is searched over as it was typed, by option.
        options: How is searched.

    Raises:
        SwarmfieldError: A name, an option or a value is not known or not allowed.
    """
    job = job_of([algorithm, environment, *words])
    if not given:
        raise SwarmfieldError(
            f"Nothing is searched over; add options such as {PREFIX}algo.learning-rate "
            "1e-4:1e-2:log."
        )
    searched = tuple(read(name, x, algorithm, environment, words) for name, x in given.items())
    _require_grid(searched, options)
    _require_metric(job, options)
    if options.pruner != "none" and job.config.evaluations == 0:
        raise SwarmfieldError(
            f"--pruner is {options.pruner}, but --evaluations is 0, so that there is nothing to "
            "judge trials by on the way; leave one of them out."
        )
    folder = options.run_dir or Path("sweeps", f"{algorithm}-{environment.replace(':', '-')}")
    config = job.config
    return Sweep(
        algorithm,
        environment,
        words,
        searched,
        config.seed_list,
        config.env_steps,
        config.evaluations,
        options,
        folder,
    )


def _require_grid(searched: tuple[Searched, ...], options: SweepOptions) -> None:
    """A grid has a last combination; all combinations of it are written down beforehand."""
    if options.sampler != "grid":
        return
    for one in searched:
        if not one.choices:
            raise SwarmfieldError(
                f"{PREFIX}{one.name} is a range, but --sampler grid needs values such as "
                "0.9,0.95,0.99; give values, or choose --sampler tpe or random."
            )
    number = math.prod(len(one.choices) for one in searched)
    if number > _MOST_COMBINATIONS:
        raise SwarmfieldError(
            f"The grid has {number} combinations, but may have at most {_MOST_COMBINATIONS}; give "
            "fewer values, or choose --sampler tpe or random."
        )


def _require_metric(job: Job, options: SweepOptions) -> None:
    """Refuse a figure that evaluations will not have."""
    environment = build_environment(job)
    sides = sides_of(environment, job.config.team)
    timesteps = jax.eval_shape(lambda: environment.reset(jax.random.key(0))[1])
    teams = {"learner": sides.home, "opponent": sides.away}
    known = [
        f"evaluation/{player}/{figure}"
        for player, team in teams.items()
        if team is not None
        for figure in ("return_mean", *timesteps[team.name].measures)
    ]
    if options.metric not in known:
        raise SwarmfieldError(f"--metric is {options.metric!r}; {suggest(options.metric, known)}.")
