"""Arrays on disk, by orbax: the one file that knows its interface."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path
from typing import Any

import jax
import numpy as np


def write(path: Path, arrays: Sequence[np.ndarray]) -> None:
    """Write arrays into a new folder; none where there are no arrays.

    Raises:
        OSError: Whatever stopped it; orbax wraps a full disk in exceptions of many types.
    """
    if not arrays:
        return
    _check_space(path.parent, sum(array.nbytes for array in arrays))
    try:
        with _quiet(), _checkpointer() as checkpointer:
            checkpointer.save(path.absolute(), _numbered(arrays))
    except Exception as error:
        reason = str(error).partition("\n")[0]
        full = os.strerror(ENOSPC)
        raise OSError(full if full in reason else reason) from error


def read(path: Path, number: int) -> list[np.ndarray]:
    """Read all the arrays of a folder, in the order they were written."""
    if number == 0:
        return []
    import orbax.checkpoint as ocp

    kinds = _numbered([ocp.RestoreArgs(restore_type=np.ndarray)] * number)
    with _quiet(), _checkpointer() as checkpointer:
        arrays = checkpointer.restore(path.absolute(), restore_args=kinds)
    return [arrays[name] for name in kinds]


def _checkpointer() -> Any:
    """Orbax's, of this process alone: among several it would wait for all of them to write."""
    import orbax.checkpoint as ocp

    if jax.process_count() == 1:
        return ocp.PyTreeCheckpointer()
    this = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=this, active_processes={this}, barrier_sync_key_prefix=f"process-{this}"
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


def _check_space(folder: Path, needed: int) -> None:
    """Refuse before orbax starts: its pending writes print tracebacks when a disk fills up.

    Raises:
        OSError: Fewer than `needed` bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        full = os.strerror(ENOSPC)
        raise OSError(f"{full} ({needed / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free)")


def _numbered(items: Sequence[Any]) -> dict[str, Any]:
    """Keys that any storage takes, whatever the arrays are called."""
    return {f"{index:06d}": item for index, item in enumerate(items)}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep orbax's log out of the live display."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
