"""Reports on disk: one JSON object a line, and the same numbers for TensorBoard."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from errno import ENOSPC
from io import FileIO
from pathlib import Path
from typing import Any

from swarmfield.training.json_files import to_json
from swarmfield.training.run_folder import RunFolder
from swarmfield.types import SwarmfieldError

# What a reader looks for comes first; the rest follows in alphabetical order.
_FIRST = ("env_steps", "agent_steps", "wall_seconds", "agent_steps_per_second", "seed")
_NO_CURVE = ("env_steps", "seed")
_SECONDS_BETWEEN_FLUSHES = 10.0


class MetricsLog:
    """Appends reports to a run's `metrics.jsonl` and mirrors them as TensorBoard events.

    A report is in the file when `write` returns. After a kill the last one may be cut off;
    reading leaves it out, and resuming cuts it away.

    Args:
        folder: The run.
        position: Where the file ended when the checkpoint to go on from was made: what came
            later is cut off, and TensorBoard told to forget it. 0 for a new run.

    Raises:
        SwarmfieldError: The file cannot be written, or is not the one that was left.
    """

    def __init__(self, folder: RunFolder, position: int) -> None:
        self._path = folder.metrics_file
        self._folder = folder.events
        self._events: dict[int | None, Events] = {}
        with _named(self._path):
            self._file = _open_at(self._path, position)
        kept = folder.read_metrics()
        reached = kept[-1]["env_steps"] if kept else -1
        self._purge_from = reached + 1 if self._folder.exists() else None

    @property
    def position(self) -> int:
        """Bytes written so far: to be kept in a checkpoint, after `sync`."""
        return self._file.tell()

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a report.

        Args:
            row: Scalars by name: `env_steps`, and `seed` where there are several. Those that
                are not finite become null.

        Raises:
            SwarmfieldError: The disk is full.
        """
        first = [key for key in _FIRST if key in row]
        rest = sorted(key for key in row if key not in _FIRST)
        report = to_json({key: row[key] for key in [*first, *rest]})
        with _named(self._path):
            _write_all(self._file, json.dumps(report, allow_nan=False).encode() + b"\n")
            self._events_of(report.get("seed")).write(report)

    def sync(self) -> None:
        """Wait until the disk has every report.

        Raises:
            SwarmfieldError: The disk is full.
        """
        with _named(self._path):
            os.fsync(self._file.fileno())
            for events in self._events.values():
                events.flush()

    def close(self) -> None:
        """Close the files.

        Raises:
            SwarmfieldError: The disk is full.
        """
        with _named(self._path):
            self._file.close()
            for events in self._events.values():
                events.close()

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def _events_of(self, seed: int | None) -> Events:
        """The curves of one seed; TensorBoard shows each folder as a run of its own."""
        if seed not in self._events:
            folder = self._folder if seed is None else self._folder / f"seed-{seed}"
            self._events[seed] = Events(folder, self._purge_from)
        return self._events[seed]


class NoLog:
    """The reports of a process that leaves them to the first one."""

    position = 0

    def write(self, row: Mapping[str, Any]) -> None:
        """Leave a report to the first process."""

    def sync(self) -> None:
        """Nothing was written."""

    def __enter__(self) -> NoLog:
        return self

    def __exit__(self, *_raised: object) -> None:
        pass


Log = MetricsLog | NoLog


class Events:
    """One file of TensorBoard events.

    Written at once: the usual writer of tensorboardX leaves that to a thread, and when a full
    disk has ended the thread, the run waits for it for ever.

    Args:
        folder: Holds the file; made if missing.
        purge_from: TensorBoard forgets what earlier files say of this step and later ones.
    """

    def __init__(self, folder: Path, purge_from: int | None) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog  # pyright: ignore

        folder.mkdir(parents=True, exist_ok=True)
        # Files of the same second would overwrite each other without the number.
        number = sum(1 for _ in folder.iterdir())
        self._writer = EventsWriter(str(folder / "events"), f".{number:04d}")
        if purge_from is not None:
            start = SessionLog(status=SessionLog.START)
            self._write_event(purge_from, session_log=start)
        self.flush()

    def write(self, report: Mapping[str, Any]) -> None:
        """Add the numbers of a report to their curves, at its `env_steps`."""
        from tensorboardX.summary import scalar

        for name, value in report.items():
            if name not in _NO_CURVE and isinstance(value, int | float):
                self._write_event(report["env_steps"], summary=scalar(name, value))
        if time.monotonic() - self._flushed_at > _SECONDS_BETWEEN_FLUSHES:
            self.flush()

    def flush(self) -> None:
        """Wait until the disk has every event."""
        self._writer.flush()
        self._flushed_at = time.monotonic()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def _write_event(self, step: int, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event  # pyright: ignore

        self._writer.write_event(Event(wall_time=time.time(), step=step, **content))


def _open_at(path: Path, position: int) -> FileIO:
    """Open a file to be continued from `position`, without a buffer.

    Raises:
        SwarmfieldError: No line ends there.
    """
    file = FileIO(path, "r+" if path.exists() else "w+")
    file.seek(max(position - 1, 0))
    if position > 0 and file.read(1) != b"\n":
        file.close()
        raise SwarmfieldError(
            f"{path} does not hold the reports up to byte {position} that the checkpoint counts "
            "on: restore it from a copy, or train anew with another --run-dir."
        )
    file.seek(position)
    file.truncate()
    return file


def _write_all(file: FileIO, line: bytes) -> None:
    """Write a line.

    Raises:
        OSError: Only part of it found room.
    """
    if file.write(line) != len(line):
        raise OSError(ENOSPC, os.strerror(ENOSPC))


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Tell the user which file the system refused to write."""
    try:
        yield
    except OSError as error:
        raise SwarmfieldError(
            f"Cannot write {path}: {error.strerror or error}; free space or make the folder "
            "writable, then resume."
        ) from None
