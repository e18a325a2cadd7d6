"""A run while it runs: a live panel on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from io import TextIOBase
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from swarmfield.training.panel import Screen, line, panel
from swarmfield.training.progress import Progress

_WIDEST = 96
_SECONDS_BETWEEN_REFRESHES = 0.2


class Display:
    """Shows how far a run is and how well it does; to be used as a context.

    A terminal that fails never stops training: the display goes silent instead.

    Args:
        title: What is trained on what.
        total_env_steps: Where the run ends.
        start_env_steps: Where this session of it begins.
        stream: Where to write; standard output if None.
        quiet: Write nothing at all.
    """

    def __init__(
        self,
        title: str,
        total_env_steps: int,
        *,
        start_env_steps: int = 0,
        stream: TextIOBase | None = None,
        quiet: bool = False,
    ) -> None:
        self._title = title
        self._stream: Any = stream or sys.stdout
        self._quiet = quiet
        self._progress = Progress(total_env_steps, start_env_steps, time.monotonic())
        self._stopped = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._console = Console(file=self._stream, highlight=False)
        self._is_live = not quiet and can_redraw(self._console)
        # Not refreshed by rich itself: if the terminal fails, its thread prints a traceback.
        self._live = Live(console=self._console, auto_refresh=False, get_renderable=self._panel)

    def __enter__(self) -> Display:
        if not self._is_live:
            self._print(self._title)
            return self
        with suppress(Exception):
            self._live.start()
        self._ticker.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        if self._is_live:
            self._stopped.set()
            self._ticker.join()
            self._refresh()
            with suppress(Exception):
                self._live.stop()

    def update(self, env_steps: int, row: Mapping[str, Any] | None = None) -> None:
        """Tell how far the run is.

        Args:
            env_steps: Environment steps so far.
            row: The report made there, if one was. What it lacks keeps its last value.
        """
        now = time.monotonic()
        self._progress = self._progress.after(env_steps, row, now)
        if not self._is_live and row is not None:
            self._print(line(self._progress, row, now))

    def say(self, text: str) -> None:
        """Write a message; on a terminal, above the panel."""
        if not self._is_live:
            self._print(text)
            return
        with suppress(Exception):
            self._console.print(Text(text), soft_wrap=True)

    def _tick(self) -> None:
        while not self._stopped.wait(_SECONDS_BETWEEN_REFRESHES):
            self._refresh()

    def _refresh(self) -> None:
        with suppress(Exception):
            self._live.refresh()

    def _panel(self) -> RenderableType:
        screen = Screen(min(self._console.width, _WIDEST), self._console.height)
        try:
            return panel(self._title, self._progress, time.monotonic(), screen)
        except Exception:
            return Text(self._title)

    def _print(self, text: str) -> None:
        """Write a line, with what the stream can't spell replaced."""
        if self._quiet:
            return
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        # A closed pipe or file: whoever listened has gone, the run goes on.
        with suppress(OSError, ValueError):
            self._stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
            self._stream.flush()


def can_redraw(console: Console) -> bool:
    """Whether it is a terminal that can move its cursor and spells bars and arrows."""
    speaks_unicode = console.encoding.lower().startswith("utf")
    return console.is_terminal and not console.is_dumb_terminal and speaks_unicode
