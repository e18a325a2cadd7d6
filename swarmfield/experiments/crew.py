"""Many runs at once: what is ready is started, what was lost goes on, what needs others waits."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from swarmfield.experiments.errand import INTERRUPTED
from swarmfield.experiments.plan import missing_of
from swarmfield.experiments.workers import Ending, Workers
from swarmfield.training.run_folder import RunFolder

State = Literal["waiting", "running", "finished", "failed", "stopped"]
OVER: tuple[State, ...] = ("finished", "failed", "stopped")


class Work(NamedTuple):
    """A run to be made.

    Attributes:
        path: Its folder.
        command: Arguments of `swarmfield` that make it.
        env_steps: Its environment steps.
        log: File for what the process says.
        needs: The folder of a run that has to be finished before.
    """

    path: Path
    command: list[str]
    env_steps: int
    log: Path
    needs: Path | None = None


@dataclass
class Standing:
    """How far a run is.

    Attributes:
        work: The run.
        state: What is going on with it.
        where: Where it is trained, or was.
        env_steps: Environment steps so far.
        losses: How often its process was lost.
        in_vain: How often since it last came further.
        saved: Environment steps of the newest checkpoint when it was last lost.
        reason: Why it failed.
    """

    work: Work
    state: State = "waiting"
    where: str = ""
    env_steps: int = 0
    losses: int = 0
    in_vain: int = 0
    saved: int = -1
    reason: str = ""


class Crew:
    """Has runs made by workers.

    Args:
        workers: Who make them.
        retries: How often a run is tried again whose process was lost, as long as it does not
            come further in between.

    Attributes:
        standings: How the runs stand, by folder.
        tell: Is told of every run whose state has changed.
    """

    def __init__(self, workers: Workers, retries: int) -> None:
        self.standings: dict[Path, Standing] = {}
        self._workers = workers
        self._retries = retries
        self.tell: Callable[[Standing], None] = lambda _: None
        self._given: set[Path] = set()

    @property
    def unfinished(self) -> list[Standing]:
        """What is still to be made."""
        return [one for one in self.standings.values() if one.state not in OVER]

    def add(self, work: Work) -> Standing:
        """Have a run made; what is there of it already is kept."""
        standing = self.standings[work.path] = Standing(work)
        if RunFolder(work.path).summary_file.exists():
            standing.env_steps = work.env_steps
            self._change(standing, "finished")
        return standing

    def turn(self, seconds: float) -> None:
        """Start what can be, and look after what is going on for at most so long."""
        for standing in self.unfinished:
            self._start_if_ready(standing)
        for path, where in self._workers.begun().items():
            self._begin(self.standings[path], where)
        for path, ending in self._workers.ended(seconds).items():
            self._given.discard(path)
            self._end(self.standings[path], ending)
        for standing in self.unfinished:
            if standing.state == "running":
                standing.env_steps = reported(standing.work.path)

    def stop(self, path: Path) -> None:
        """Ask a run to save and stop."""
        if path in self._given:
            self._workers.stop(path)

    def stop_all(self) -> None:
        """Stop everything, and wait until all is saved."""
        for path in self._given:
            self._workers.stop(path)
        while self._given:
            for path, ending in self._workers.ended(1.0).items():
                self._given.discard(path)
                self._end(self.standings[path], ending)

    def _start_if_ready(self, standing: Standing) -> None:
        work = standing.work
        before = None if work.needs is None else self.standings.get(work.needs)
        if work.path in self._given or (before is not None and before.state not in OVER):
            return
        if before is not None and before.state != "finished":
            standing.reason = f"needs {before.work.path}, which failed"
            self._change(standing, "failed")
            return
        self._given.add(work.path)
        self._workers.start(work.path, missing_of(work.path, work.command), work.log)

    def _begin(self, standing: Standing, where: str) -> None:
        if standing.state == "waiting":
            standing.where = where
            self._change(standing, "running")

    def _end(self, standing: Standing, ending: Ending) -> None:
        if ending.code is None:
            self._lose(standing, ending.said)
        elif ending.code == 0:
            standing.env_steps = standing.work.env_steps
            self._change(standing, "finished")
        elif ending.code == INTERRUPTED:
            self._change(standing, "stopped")
        else:
            standing.reason = (
                f"{ending.said or f'exit code {ending.code}'}; see {standing.work.log}"
            )
            self._change(standing, "failed")

    def _lose(self, standing: Standing, said: str) -> None:
        """Go on with a run whose process was lost, unless that does not help."""
        saved = newest(standing.work.path)
        standing.in_vain = 1 if saved > standing.saved else standing.in_vain + 1
        standing.saved = saved
        standing.losses += 1
        if standing.in_vain > self._retries:
            standing.reason = (
                f"lost {standing.in_vain} times without coming further: "
                f"{said or 'its process is gone'}; see {standing.work.log}"
            )
        self._change(standing, "failed" if standing.reason else "waiting")

    def _change(self, standing: Standing, state: State) -> None:
        standing.state = state
        self.tell(standing)


def reported(path: Path) -> int:
    """The environment steps of a run's last report; 0 before the first."""
    file = RunFolder(path).metrics_file
    if not file.exists():
        return 0
    with file.open("rb") as reports:
        reports.seek(max(0, file.stat().st_size - _TAIL))
        numbers = re.findall(rb'{"env_steps": (\d+),', reports.read())
    return int(numbers[-1]) if numbers else 0


def newest(path: Path) -> int:
    """The environment steps of a run's newest checkpoint; -1 before the first."""
    folder = RunFolder(path).checkpoints
    names = [each.name for each in folder.iterdir()] if folder.is_dir() else []
    return max((int(name) for name in names if name.isdigit()), default=-1)


_TAIL = 64 * 1024
"""Bytes of reports that hold the last one, whatever is measured."""
