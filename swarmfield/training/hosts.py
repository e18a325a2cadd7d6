"""One run in several processes, on one machine or many: what they must agree on, and who writes.

All processes run the same program, and each computes what its own devices have of it. What
depends on a clock, a disk or a user is found out by the first process, which tells the others.
With a single process, which is its own first, nothing here costs anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import PyTree

from swarmfield.command_line import take
from swarmfield.types import SwarmfieldError

Found = TypeVar("Found")


OPTIONS = ("--coordinator", "--num-processes", "--process-id")
"""Of commands that several processes can carry out together."""


def joined(arguments: list[str]) -> list[str]:
    """Become one of the processes of a run if the command line says so; its other arguments.

    Raises:
        SwarmfieldError: As `join`.
    """
    taken: list[str | None] = []
    for option in OPTIONS:
        value, arguments = take(option, arguments)
        taken.append(value)
    if any(value is not None for value in taken):
        join(*taken)
    return arguments


def join(coordinator: str | None, num_processes: str | None, process_id: str | None) -> None:
    """Become one of the processes of a run; before JAX is asked for its devices.

    Args:
        coordinator: Where the first process listens, as `HOST:PORT`, or `auto`: Slurm, Open MPI
            or Kubernetes say that and the rest.
        num_processes: How many there are; a number as it was typed.
        process_id: Which this is, from 0.

    Raises:
        SwarmfieldError: Something is missing or not possible, or the others cannot be reached.
    """
    if coordinator is None:
        raise SwarmfieldError(
            "Several processes need --coordinator: the address of the first one as HOST:PORT, or "
            "auto where a cluster says it."
        )
    if coordinator == "auto":
        _initialize()
        return
    if re.fullmatch(r".+:\d+", coordinator) is None:
        raise SwarmfieldError(
            f"--coordinator is {coordinator!r}, but must be HOST:PORT, such as 10.0.0.1:1234, or "
            "auto."
        )
    number = _whole("--num-processes", num_processes, 1)
    number_of_this = _whole("--process-id", process_id, 0)
    if number_of_this >= number:
        raise SwarmfieldError(
            f"--process-id is {number_of_this}, but must be below --num-processes, {number}."
        )
    _initialize(coordinator, number, number_of_this)


def _whole(option: str, typed: str | None, least: int) -> int:
    if typed is None or not typed.isdecimal() or int(typed) < least:
        said = "missing" if typed is None else repr(typed)
        raise SwarmfieldError(
            f"{option} is {said}, but must be a whole number of at least {least}, unless "
            "--coordinator is auto."
        )
    return int(typed)


def _initialize(*joining: Any) -> None:
    try:
        jax.distributed.initialize(*joining)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SwarmfieldError(
            f"The processes of --coordinator cannot be joined ({reason}); start all of them with "
            "the address of the first one and a free port there."
        ) from None


def num_processes() -> int:
    """How many processes compute this run."""
    return jax.process_count()


def is_first() -> bool:
    """Whether this process is the one that writes and shows what becomes of a run."""
    return jax.process_index() == 0


def decided(function: Callable[[], Found]) -> Found:
    """What the first process finds, in every process; the others do not look.

    Args:
        function: Returns what JSON can hold.

    Raises:
        SwarmfieldError: It was refused there; in every process.
    """
    if num_processes() == 1:
        return function()
    said: dict[str, Any] = {}
    if is_first():
        try:
            said = {"found": function()}
        except SwarmfieldError as error:
            said = {"refused": str(error)}
    said = json.loads(_told(json.dumps(said).encode()))
    if "refused" in said:
        raise SwarmfieldError(said["refused"])
    return said["found"]


def paced(steps: int, stopped: bool) -> tuple[int, bool]:
    """How far to go before looking up, as the first process says, and whether any shall stop."""
    if num_processes() == 1:
        return steps, stopped
    from jax.experimental import multihost_utils

    said = np.asarray(multihost_utils.process_allgather(np.asarray([steps, stopped], np.int32)))
    return int(said[0, 0]), bool(said[:, 1].any())


def fetched(tree: PyTree) -> PyTree:
    """Whole arrays on every host, wherever their parts are."""

    def fetch(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array):
            return leaf
        if leaf.is_fully_addressable or leaf.is_fully_replicated:
            return np.asarray(leaf)
        from jax.experimental import multihost_utils

        return np.asarray(multihost_utils.process_allgather(leaf, tiled=True))

    return jax.tree.map(fetch, tree)


def _told(said: bytes) -> bytes:
    """What the first process says, in every process."""
    from jax.experimental import multihost_utils

    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(said))))
    text = np.zeros(length, np.uint8)
    if is_first():
        text[:] = np.frombuffer(said, np.uint8)
    return np.asarray(multihost_utils.broadcast_one_to_all(text)).tobytes()
