"""Options of an opponent's algorithm, where the opponent learns too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from swarmfield.algorithms import ALGORITHMS
from swarmfield.registry import configure
from swarmfield.types import SwarmfieldError

OPPONENTS = "--opponent-algo."
"""What these options begin with on the command line."""


@dataclass(frozen=True)
class NoOptions:
    """Those of an opponent that does not learn by a method of its own."""


def opponent_config(opponent: str | None, options: Mapping[str, Any]) -> Any:
    """An opponent's options, if it is an algorithm.

    Raises:
        SwarmfieldError: It is none and has options all the same, or they are not allowed.
    """
    if opponent is not None and opponent in ALGORITHMS:
        if ALGORITHMS[opponent].controls:
            raise SwarmfieldError(
                f"The opponent is {opponent!r}, which controls crowds of minor agents by rules; "
                "choose another one."
            )
        with told_of_opponent():
            return configure(ALGORITHMS[opponent], options, "opponent_algo")
    if options:
        raise SwarmfieldError(
            f"Options of the opponent's algorithm are {options!r}, but the opponent is "
            f"{opponent!r}, which is no algorithm; leave them out, or name one."
        )
    return NoOptions()


@contextmanager
def told_of_opponent() -> Iterator[None]:
    """Refusals of an algorithm's options are of the opponent's: they do not know whose they are."""
    try:
        yield
    except SwarmfieldError as error:
        raise SwarmfieldError(str(error).replace("--algo.", OPPONENTS)) from None
