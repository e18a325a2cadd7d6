"""What is done where a run is trained: its process, watched from start to end.

A cluster's machines are sent this file's text, so that it uses nothing but Python's own library:
what only looks after a process must not load JAX and take a device.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

INTERRUPTED = 130
REFUSED = 2
GUARDED = "swarmfield.experiments.guarded"
_SECONDS_BETWEEN_LOOKS = 0.2


def carry_out(errand: dict[str, Any]) -> dict[str, Any]:
    """Train a run on this machine, until it ends or is to stop.

    Args:
        errand: `words` of the command, the `folder` it is given in and the `environment` to add,
            the `run`'s folder, its `log`, a `note` to be written with where this is, a file `stop`
            that tells to stop, `token` as in `unseen`, and the `patience` in seconds with which
            the run's former process is waited for.

    Returns:
        The process's `code`, negative if it was killed, and what it `said` last.
    """
    refusal = unseen(errand["folder"], errand["token"])
    if refusal:
        return {"code": REFUSED, "said": refusal}
    stop = Path(errand["stop"])
    if stop.exists():
        return {"code": INTERRUPTED, "said": ""}
    Path(errand["note"]).write_text(_this_node())
    _await_former(Path(errand["run"]) / ".lock", errand["patience"])
    log = Path(errand["log"])
    process = begin(errand["words"], log, Path(errand["folder"]), errand["environment"])
    asked = False
    while process.poll() is None:
        if not asked and stop.exists():
            process.send_signal(signal.SIGINT)
            asked = True
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    process.communicate()
    code = INTERRUPTED if asked and process.returncode else process.returncode
    return {"code": code, "said": last_words(log)}


def unseen(folder: str, token: dict[str, str]) -> str:
    """What a machine does not see of the files that all must share, as a sentence.

    Args:
        folder: Where commands are given.
        token: A `file` in the folder of all runs, and the `text` in it.

    Returns:
        Nothing if it sees both.
    """
    import socket

    file = Path(token["file"])
    missing = "" if Path(folder).is_dir() else folder
    try:
        missing = missing or ("" if file.read_text() == token["text"] else str(file))
    except OSError:
        missing = str(file)
    return missing and (
        f"The machine {socket.gethostname()} does not see {missing}; put the runs (--root, or a "
        "sweep's --run-dir) and the folder this is started in where all of the cluster see them."
    )


def begin(
    words: list[str],
    log: Path,
    folder: Path | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.Popen[bytes]:
    """Start a command of `swarmfield` that ends when this process does.

    Args:
        words: Its arguments.
        log: What it says is added there.
        folder: Where it is given; here if None.
        environment: To be added to this process's.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", GUARDED, *words],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=os.environ | dict(environment),
            # A terminal's Ctrl-C is for who started it all, who then tells the others.
            start_new_session=True,
        )


def last_words(log: Path) -> str:
    """The last line that a command said."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _await_former(lock: Path, seconds: float) -> None:
    """Wait for a process that still has the run, on a machine that the cluster has given up."""
    until = time.monotonic() + seconds
    while lock.exists() and not _is_free(lock) and time.monotonic() < until:
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _is_free(lock: Path) -> bool:
    import fcntl

    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _this_node() -> str:
    import ray

    return ray.get_runtime_context().get_node_id()
