"""The folder a run lives in: its files' names, and JSON that survives a power cut."""

from __future__ import annotations

import difflib
import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

from swarmfield.types import SwarmfieldError

JSON: TypeAlias = "str | int | float | bool | Mapping[str, JSON] | Sequence[JSON] | None"


@dataclass(frozen=True)
class RunFolder:
    """Where everything about one run is kept.

    Attributes:
        path: The folder itself.
    """

    path: Path

    @property
    def config_file(self) -> Path:
        """Every setting of the run, versions and device included."""
        return self.path / "config.json"

    @property
    def metrics_file(self) -> Path:
        """One JSON object a report."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints that the run is resumed from."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Folder of the checkpoint that did best in evaluation."""
        return self.checkpoints / "best"

    @property
    def events(self) -> Path:
        """Folder for TensorBoard."""
        return self.path / "events"

    @property
    def learning_curve(self) -> Path:
        """The picture of returns over environment steps."""
        return self.path / "learning_curve.png"

    @property
    def replay_page(self) -> Path:
        """An episode, to be watched in a browser."""
        return self.path / "replay.html"

    @property
    def summary_file(self) -> Path:
        """Totals and the final evaluation, written when a run is finished."""
        return self.path / "summary.json"

    @property
    def evaluations(self) -> Path:
        """Folder of later evaluations, such as on other map sizes."""
        return self.path / "evaluations"

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write `config.json`, all of it or nothing."""
        write_json(self.config_file, config)

    def read_config(self) -> dict[str, Any]:
        """Read `config.json`.

        Raises:
            SwarmfieldError: It is missing or not what `write_config` wrote.
        """
        return read_object(self.config_file)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`, all of it or nothing."""
        write_json(self.summary_file, summary)

    def read_summary(self) -> dict[str, Any] | None:
        """Read `summary.json`, or None before the run is finished.

        Raises:
            SwarmfieldError: It is there, but not what `write_summary` wrote.
        """
        return read_object(self.summary_file) if self.summary_file.exists() else None

    def write_evaluation(self, name: str, report: Mapping[str, Any]) -> Path:
        """Write an evaluation under a name, with a number where it would replace another result.

        Returns:
            The file.
        """
        report, file, number = to_json(report), self.evaluations / f"{name}.json", 1
        while file.exists() and read_object(file) != report:
            number += 1
            file = self.evaluations / f"{name}-{number}.json"
        write_json(file, report)
        return file

    def read_metrics(self) -> list[dict[str, Any]]:
        """Read all reports so far; none before the first.

        A last line without its end is left out: it was being written when the run died.

        Raises:
            SwarmfieldError: A complete line is not a JSON object.
        """
        if not self.metrics_file.exists():
            return []
        complete_lines = self.metrics_file.read_bytes().split(b"\n")[:-1]
        return [self._parse_row(number, line) for number, line in enumerate(complete_lines, 1)]

    def _parse_row(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise SwarmfieldError(
                f"Line {number} of {self.metrics_file} is not a JSON object: "
                "the file was altered; restore it from a copy or delete that line."
            )
        return row


def create(path: Path) -> RunFolder:
    """Make the folder of a new run.

    Args:
        path: A folder that does not exist yet or is empty.

    Raises:
        SwarmfieldError: Something is there already, or it cannot be written.
    """
    folder = RunFolder(Path(path))
    if folder.path.is_dir() and any(folder.path.iterdir()):
        raise SwarmfieldError(
            f"Run folder {folder.path} already exists and is not empty: choose another "
            f"--run-dir, or go on with that run by `swarmfield resume {folder.path}`."
        )
    try:
        folder.checkpoints.mkdir(parents=True)
    except OSError as error:
        raise SwarmfieldError(
            f"Cannot create run folder {folder.path}: {_reason(error)}; "
            "choose a --run-dir in a folder you can write to."
        ) from None
    return folder


def open_existing(path: Path) -> RunFolder:
    """Open the folder of a run that was started before.

    Raises:
        SwarmfieldError: There is no folder, or no run in it.
    """
    folder = RunFolder(Path(path))
    if not folder.path.exists():
        raise SwarmfieldError(f"There is no run folder {folder.path}{_nearest(folder.path)}.")
    if not folder.path.is_dir():
        raise SwarmfieldError(
            f"{folder.path} is a file, not a run folder: give the folder that holds config.json."
        )
    if not folder.config_file.is_file():
        raise SwarmfieldError(
            f"{folder.path} is not a run folder: it holds {_contents(folder.path)}, "
            "but no config.json; give a folder that `swarmfield train` made."
        )
    return folder


def default_path(
    algorithm: str, environment: str, seed: int | str, root: Path = Path("runs")
) -> Path:
    """Name a new run, such as `runs/mfq-battle-seed0-20260102-030405`.

    Args:
        algorithm: Its name.
        environment: Its name.
        seed: The seed, or seeds as `a:b`.
        root: Where runs are kept.

    Returns:
        A path that nothing uses yet.
    """
    seeds = f"seed{seed}".replace("seed", "seeds", ":" in str(seed)).replace(":", "to")
    stem = f"{algorithm}-{environment}-{seeds}-{datetime.now():%Y%m%d-%H%M%S}"
    path, number = root / stem, 1
    while path.exists():
        number += 1
        path = root / f"{stem}-{number}"
    return path


def to_json(value: Any) -> Any:
    """Turn a value into what JSON can hold.

    Scalars and arrays of NumPy and JAX become numbers and lists. JSON has no word for
    numbers that are not finite, so they become null, which every parser reads.
    """
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "tolist"):
        return to_json(value.tolist())
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a file by a JSON object, so that a power cut leaves the old or the new one.

    Raises:
        SwarmfieldError: The disk is full or the folder cannot be written.
    """
    text = json.dumps(to_json(value), indent=2, allow_nan=False) + "\n"
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(text.encode())
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise SwarmfieldError(
            f"Cannot write {path}: {_reason(error)}; free space or make the folder writable."
        ) from None


def sync(path: Path) -> None:
    """Wait until the disk has a file, or a folder's list of names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_object(path: Path) -> dict[str, Any]:
    """Read a file that holds a JSON object.

    Raises:
        SwarmfieldError: It cannot be read or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SwarmfieldError(f"Cannot read {path}: {_reason(error)}.") from None
    except ValueError as error:
        value = f"not JSON ({error})"
    if not isinstance(value, dict):
        found = value if isinstance(value, str) else f"a {type(value).__name__}"
        raise SwarmfieldError(
            f"{path} is damaged: it should hold a JSON object and is {found}; "
            "restore it from a copy, or train anew with another --run-dir."
        )
    return value


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _nearest(path: Path) -> str:
    parent = path.parent
    names = [entry.name for entry in parent.iterdir()] if parent.is_dir() else []
    close = difflib.get_close_matches(path.name, sorted(names), n=1)
    return f"; did you mean {parent / close[0]}?" if close else ": check the path"


def _contents(path: Path) -> str:
    names = sorted(entry.name for entry in path.iterdir())
    shown = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
    return shown or "nothing"
