"""Options of `train` from the command line: some are there for some opponents only."""

from __future__ import annotations

import dataclasses
from typing import Any

from swarmfield.algorithms import ALGORITHMS
from swarmfield.command_line import parse, take_config_file, value_of, without
from swarmfield.environments import find, is_known
from swarmfield.registry import lookup
from swarmfield.training.config import Job, TrainConfig, read_job
from swarmfield.training.opponent_options import OPPONENTS, NoOptions, told_of_opponent
from swarmfield.types import SwarmfieldError


def two_names(arguments: list[str], command: str = "train") -> tuple[str, str, list[str]]:
    """The algorithm and the environment, which come first, and the other arguments.

    Raises:
        SwarmfieldError: One is missing.
    """
    names = [word for word in arguments[:2] if not word.startswith("-")]
    if len(names) < 2:
        raise SwarmfieldError(
            f"{command} needs an algorithm and an environment first, such as "
            f"`swarmfield {command} mfq battle`; `swarmfield list` names them."
        )
    return names[0], names[1], arguments[2:]


def job_of(arguments: list[str]) -> Job:
    """What is asked for on the command line of `train`.

    Args:
        arguments: The algorithm, the environment, and options.

    Raises:
        SwarmfieldError: A name, an option or a value is not known or not allowed.
    """
    algorithm, environment, rest = two_names(arguments)
    if is_known(algorithm) and environment in ALGORITHMS:
        raise SwarmfieldError(
            f"The algorithm comes first: swarmfield train {environment} {algorithm}."
        )
    algo = lookup(ALGORITHMS, algorithm, "algorithm").config
    env = find(environment).config
    given, rest = take_config_file(rest)
    default = None
    if given is not None:
        job = read_job(given)
        if (job.algorithm, job.environment) != (algorithm, environment):
            raise SwarmfieldError(
                f"--config {given} is of {job.algorithm} in {job.environment}; train these or "
                f"choose a file of {algorithm} in {environment}."
            )
        default = job.config
    program = f"swarmfield train {algorithm} {environment}"
    config = parse_training(env, algo, rest, program, default)
    return Job(algorithm, environment, config)


def parse_training(env: type, algo: type, arguments: list[str], program: str, default: Any) -> Any:
    """Options of training; a refusal says whether it is of the learner's or of the opponent's.

    Args:
        env: Options of the environment.
        algo: Options of the algorithm.
        arguments: What was typed after the names.
        program: What was typed before them.
        default: Options for what was not typed; those of a new run if None.

    Raises:
        SwarmfieldError: Something is not allowed.
    """
    options, default = _with_opponent(env, algo, arguments, default)
    try:
        return parse(options, arguments, program, default)
    except SwarmfieldError as error:
        refusal = error
    # Without the opponent's options all others are allowed, or the refusal is of those.
    try:
        parse(options, without(OPPONENTS, arguments), program, default)
    except SwarmfieldError:
        raise refusal from None
    with told_of_opponent():
        raise refusal


def _with_opponent(env: type, algo: type, arguments: list[str], default: Any) -> tuple[Any, Any]:
    """The options there are, and their defaults: some belong to an opponent that learns too."""
    opponent = value_of("--opponent", arguments) or (default and default.opponent)
    kind = ALGORITHMS[opponent].config if opponent in ALGORITHMS else NoOptions
    if kind is NoOptions and without(OPPONENTS, arguments) != arguments:
        raise SwarmfieldError(
            f"--opponent-algo options are given, but the opponent is {opponent!r}, which is no "
            "algorithm; leave them out, or name one by --opponent."
        )
    if default is not None and not isinstance(default.opponent_algo, kind):
        default = dataclasses.replace(default, opponent_algo=kind())
    return TrainConfig[env, algo, kind], default
