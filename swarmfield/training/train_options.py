"""Options of `train` from the command line: some are there for some opponents only."""

from __future__ import annotations

import dataclasses
from typing import Any

from swarmfield.algorithms import ALGORITHMS
from swarmfield.command_line import parse, value_of, without
from swarmfield.training.config import TrainConfig
from swarmfield.training.opponent_options import OPPONENTS, NoOptions, told_of_opponent
from swarmfield.types import SwarmfieldError


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
