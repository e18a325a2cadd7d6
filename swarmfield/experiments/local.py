"""Runs are trained on this machine, one after the other."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias

from swarmfield.experiments.errand import INTERRUPTED
from swarmfield.experiments.plan import PlannedRun, missing_of, needs_of
from swarmfield.training.run_folder import RunFolder

Backend: TypeAlias = Callable[[Sequence[PlannedRun], Callable[[str], None]], list[str]]
"""What trains all of some runs, in an order in which they can be, and tells of it: the folders of
those that failed. Stopped, it raises KeyboardInterrupt."""


def train_here(planned: Sequence[PlannedRun], say: Callable[[str], None]) -> list[str]:
    """Train runs one after the other; each is a process of its own, which has the terminal.

    Args:
        planned: Opponents before those who need them.
        say: Is told what is being done.

    Returns:
        The folders of those that failed.
    """
    failed = []
    needs = needs_of(planned)
    for number, one in enumerate(planned, 1):
        say(f"[{number}/{len(planned)}] {one.path}")
        if str(needs.get(one.path)) in failed:
            say(f"  needs {needs[one.path]}, which failed")
            failed.append(str(one.path))
        elif not _train(one, say):
            failed.append(str(one.path))
    return failed


def _train(one: PlannedRun, say: Callable[[str], None]) -> bool:
    """Make a run, or what is missing of it; whether it is finished then."""
    if RunFolder(one.path).summary_file.exists():
        say("  is there already")
        return True
    command = missing_of(one.path, one.command)
    say(f"  swarmfield {shlex.join(command)}")
    code = _call([sys.executable, "-m", "swarmfield", *command])
    if code == INTERRUPTED:
        raise KeyboardInterrupt("stopped; the same command goes on where this one was.")
    return code == 0


def _call(command: list[str]) -> int:
    """A command's exit code; when interrupted, it may save before it stops."""
    process = subprocess.Popen(command)
    try:
        return process.wait()
    except KeyboardInterrupt:
        # The terminal has told the process too.
        process.wait()
        return INTERRUPTED
