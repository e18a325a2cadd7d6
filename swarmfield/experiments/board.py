"""Many runs in one live table; where there is no terminal, a line for each change."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from swarmfield.console import teller
from swarmfield.experiments.crew import Standing, State
from swarmfield.training.display import can_redraw

_ORDER: tuple[State, ...] = ("failed", "running", "stopped", "waiting", "finished")
_STYLES: dict[State, str] = {"failed": "bold red", "running": "cyan", "finished": "green"}
_LINES_AROUND = 5


class Board:
    """Shows how all runs stand; to be used as a context.

    Args:
        title: What the runs are for.
        standings: The runs by folder; more may be added.
        say: Is told of every change where there is no terminal.
    """

    def __init__(
        self, title: str, standings: Mapping[Path, Standing], say: Callable[[str], None]
    ) -> None:
        self._title = title
        self._standings = standings
        # At once, also where output is kept back, as in a file that somebody watches.
        self._say = teller(quiet=False) if say is print else say
        self._console = Console(highlight=False)
        self._is_live = say is print and can_redraw(self._console)
        self._live = Live(console=self._console, auto_refresh=False, get_renderable=self._table)

    def __enter__(self) -> Board:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        if self._is_live:
            self.refresh()
            self._live.stop()

    def refresh(self) -> None:
        """Draw it anew. A terminal that fails must not stop the runs."""
        if self._is_live:
            with suppress(OSError, ValueError):
                self._live.refresh()

    def tell(self, standing: Standing) -> None:
        """Tell of a run whose state has changed."""
        if not self._is_live:
            self._say(f"{standing.work.path}: {told(standing)}")

    def _table(self) -> Table:
        standings = list(self._standings.values())
        return table(self._title, standings, self._console.height - _LINES_AROUND)


def told(standing: Standing) -> str:
    """How a run stands, in a few words."""
    match standing.state:
        case "running":
            again = f", again ({standing.losses})" if standing.losses else ""
            return f"running on {standing.where}{again}"
        case "waiting" if standing.losses:
            return f"lost on {standing.where or 'its way'}; goes on from its last checkpoint"
        case "failed":
            return f"failed: {standing.reason}"
    return standing.state


def table(title: str, standings: list[Standing], most: int) -> Table:
    """Runs, those first that one looks for; as many as there is room for, and counts of all.

    Args:
        title: What they are for.
        standings: All of them.
        most: Rows that there is room for.
    """
    counts = Counter(one.state for one in standings)
    heading = ", ".join(f"{counts[state]} {state}" for state in reversed(_ORDER) if counts[state])
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=f"{title}: {heading}")
    grid.title_justify = "left"
    for name in ("run", "where", "state"):
        grid.add_column(name, overflow="ellipsis", no_wrap=True)
    grid.add_column("env steps", justify="right", no_wrap=True)
    above = common_folder(standings)
    shown = sorted(standings, key=lambda one: _ORDER.index(one.state))
    if len(shown) > most:
        shown = shown[: max(1, most - 1)]
    for one in shown:
        grid.add_row(
            str(one.work.path.relative_to(above)),
            one.where,
            Text(_state(one), _STYLES.get(one.state, "")),
            f"{one.env_steps:,} / {one.work.env_steps:,}",
        )
    if len(shown) < len(standings):
        grid.add_row(f"and {len(standings) - len(shown)} more", "", "", "")
    return grid


def common_folder(standings: list[Standing]) -> Path:
    """The folder that all runs lie in."""
    folders = [str(one.work.path.parent) for one in standings]
    return Path(os.path.commonpath(folders)) if folders else Path()


def _state(standing: Standing) -> str:
    if standing.state == "failed":
        return told(standing)
    return standing.state + (f", lost {standing.losses} times" if standing.losses else "")
