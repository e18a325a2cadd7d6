"""The folder a run lives in: its files' names, and what is read from them and written."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from swarmfield.training import hosts
from swarmfield.training.archive import unpacked
from swarmfield.training.json_files import read_object, reason_of, to_json, write_json
from swarmfield.training.player_names import OPPONENT, named
from swarmfield.types import SwarmfieldError


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
    def is_archived(self) -> bool:
        """Whether the best policies are all that there is of it to load."""
        there = list(self.checkpoints.iterdir()) if self.best.is_dir() else []
        return bool(there) and not any(each.name.isdigit() for each in there)

    @property
    def events(self) -> Path:
        """Folder for TensorBoard."""
        return self.path / "events"

    @property
    def learning_curve(self) -> Path:
        """The picture of returns over environment steps."""
        return self.path / "learning_curve.png"

    @property
    def comparison(self) -> Path:
        """The same with the curves of other runs."""
        return self.path / "comparison.png"

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

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training this run at the same time.

        Raises:
            SwarmfieldError: One does.
        """
        import fcntl

        def lock() -> None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SwarmfieldError(
                    f"{self.path} is being trained by another process; wait until it has ended."
                ) from None

        with (self.path / ".lock").open("a") as file:
            hosts.decided(lock)
            yield

    def set_aside(self) -> Path:
        """Move reports and checkpoints out of the way of a new beginning, into a new folder."""
        number = 1
        while (aside := self.path / f"before-restart-{number}").exists():
            number += 1
        aside.mkdir()
        for path in (self.metrics_file, self.checkpoints, self.summary_file):
            if path.exists():
                os.rename(path, aside / path.name)
        return aside

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write `config.json`, all of it or nothing; the first process does."""
        hosts.decided(lambda: write_json(self.config_file, config))

    def read_config(self) -> dict[str, Any]:
        """Read `config.json`.

        Raises:
            SwarmfieldError: It is missing or not what `write_config` wrote.
        """
        return read_object(self.config_file)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`, all of it or nothing; the first process does."""
        hosts.decided(lambda: write_json(self.summary_file, summary))

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
                "the file was altered; restore it from a copy."
            )
        return row


def create(path: Path) -> RunFolder:
    """Make the folder of a new run.

    Args:
        path: A folder that does not exist yet or is empty; one that a kill left before anything
            was written into it counts as empty.

    Raises:
        SwarmfieldError: Something is there already, or it cannot be written.
    """
    folder = RunFolder(Path(path))
    if named(path)[1]:
        raise SwarmfieldError(
            f"--run-dir is {path}, but names that end in {OPPONENT} are those of runs' opponents; "
            "choose another."
        )
    if _is_used(folder):
        is_run = folder.config_file.exists()
        raise SwarmfieldError(
            f"Run folder {folder.path} already exists and is not empty: choose another "
            + (f"--run-dir, or `swarmfield resume {folder.path}`." if is_run else "--run-dir.")
        )
    try:
        folder.checkpoints.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SwarmfieldError(
            f"Cannot create run folder {folder.path}: {reason_of(error)}; "
            "choose a --run-dir in a folder you can write to."
        ) from None
    return folder


def _is_used(folder: RunFolder) -> bool:
    if not folder.path.is_dir():
        return False
    left_by_a_kill = (folder.checkpoints, folder.path / ".lock", folder.path / ".config.json.tmp")
    return any(path not in left_by_a_kill for path in folder.path.rglob("*"))


def open_existing(path: Path) -> RunFolder:
    """Open the folder of a run that was started before, or what an archive of it is unpacked to.

    Raises:
        SwarmfieldError: There is no folder, or no run in it.
    """
    folder = RunFolder(unpacked(Path(path)))
    run, is_opponent = named(path)
    if is_opponent:
        raise SwarmfieldError(
            f"{folder.path} is one player of a run; give the run's folder, {run}."
        )
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
    world = re.sub(r"[^\w.-]", "-", environment)
    stem = f"{algorithm}-{world}-{seeds}-{datetime.now():%Y%m%d-%H%M%S}"
    return unused(root / stem)


def unused(path: Path) -> Path:
    """A path, with a number behind it where something is there already."""
    free, number = path, 1
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def _nearest(path: Path) -> str:
    parent = path.parent
    names = [entry.name for entry in parent.iterdir()] if parent.is_dir() else []
    close = difflib.get_close_matches(path.name, sorted(names), n=1)
    return f"; did you mean {parent / close[0]}?" if close else ": check the path"


def _contents(path: Path) -> str:
    names = sorted(entry.name for entry in path.iterdir())
    shown = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
    return shown or "nothing"
