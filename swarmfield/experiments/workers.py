"""Who trains runs: what is asked of them, and processes of this machine that do it."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple, Protocol

from swarmfield.experiments import errand

_SECONDS_BETWEEN_LOOKS = 0.1


class Ending(NamedTuple):
    """How a process ended.

    Attributes:
        code: Its exit code; None if it was lost, with its machine or without.
        said: Its last words.
    """

    code: int | None
    said: str = ""


class Workers(Protocol):
    """Who carries out commands, several at once. A run is known by its folder."""

    @property
    def slots(self) -> int:
        """How many can be carried out at once, as things stand."""
        ...

    def start(self, run: Path, words: list[str], log: Path) -> None:
        """Have a command carried out as soon as there is room; what it says goes to a file."""
        ...

    def begun(self) -> dict[Path, str]:
        """What is being carried out, and where."""
        ...

    def ended(self, seconds: float) -> dict[Path, Ending]:
        """What has ended since the last call, which waits at most so long for some."""
        ...

    def stop(self, run: Path) -> None:
        """Ask a command to save and stop; it then ends as interrupted."""
        ...


class LocalWorkers:
    """Processes of this machine; to be used as a context, at whose end none is left.

    Args:
        slots: How many at once.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._going: dict[Path, tuple[subprocess.Popen[bytes], Path]] = {}
        self._asked: set[Path] = set()

    def __enter__(self) -> LocalWorkers:
        return self

    def __exit__(self, *_raised: object) -> None:
        for process, _ in self._going.values():
            process.kill()
            process.communicate()

    @property
    def slots(self) -> int:
        """How many at once."""
        return self._slots

    def start(self, run: Path, words: list[str], log: Path) -> None:
        """Start a process."""
        self._asked.discard(run)
        self._going[run] = (errand.begin(words, log), log)

    def begun(self) -> dict[Path, str]:
        """All that was started."""
        return dict.fromkeys(self._going, "here")

    def ended(self, seconds: float) -> dict[Path, Ending]:
        """See `Workers`."""
        until = time.monotonic() + seconds
        while not any(process.poll() is not None for process, _ in self._going.values()):
            if time.monotonic() >= until:
                return {}
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        over = [run for run, (process, _) in self._going.items() if process.poll() is not None]
        return {run: self._ending(run) for run in over}

    def _ending(self, run: Path) -> Ending:
        process, log = self._going.pop(run)
        process.communicate()
        return ending(process.returncode, errand.last_words(log), asked=run in self._asked)

    def stop(self, run: Path) -> None:
        """See `Workers`."""
        self._asked.add(run)
        if run in self._going:
            self._going[run][0].send_signal(signal.SIGINT)


def ending(code: int, said: str, *, asked: bool) -> Ending:
    """How a process ended that was asked to stop, or was not.

    One that was killed, or told by somebody else to stop, such as a queue that needs its machine,
    counts as lost: it has not failed, and can go on.
    """
    if asked and code != 0:
        return Ending(errand.INTERRUPTED, said)
    return Ending(None if code < 0 or code == errand.INTERRUPTED else code, said)
