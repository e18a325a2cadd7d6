"""What the live display looks like: a panel for terminals, a line for files and pipes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from swarmfield.training.notation import count, duration, figure, sparkline, trend
from swarmfield.training.progress import Progress

_SPEED = "agent_steps_per_second"
# Sections in this order, others after them; numbers without a section are about learning.
_UNNAMED = "learning"
_SECTIONS = ("return", "evaluation", "reward", _UNNAMED)
# Shown elsewhere, or only of use to programs.
_HIDDEN = ("env_steps", "agent_steps", "seed", "episodes")
_HIDDEN_ENDINGS = ("_std", "_ci95", "second", "seconds")
# Whose evaluation a section is about without saying so, and whose would only mirror it.
_PLAYER, _MIRRORED = "learner/", "opponent/"
_COLOURS = {"return": "cyan", "evaluation": "green", "reward": "blue"}
_ARROWS = {"up": "↗", "level": "→", "down": "↘", None: ""}
# Border, bar, totals and the space around them.
_LINES_WITHOUT_FIGURES = 8
# Columns from which sections have a column of their own.
_WIDE = 56
_LONGEST_CURVE = 30


class Screen(NamedTuple):
    """What a terminal can show.

    Attributes:
        width: Columns.
        height: Lines.
    """

    width: int
    height: int


class Figure(NamedTuple):
    """One number of the reports.

    Attributes:
        section: What it is about.
        name: What it is.
        values: Its last values.
    """

    section: str
    name: str
    values: tuple[float, ...]

    @property
    def full_name(self) -> str:
        """Its name where no section stands beside it."""
        return self.name if self.section == _UNNAMED else f"{self.section} {self.name}"


def panel(title: str, progress: Progress, now: float, screen: Screen) -> RenderableType:
    """Draw a run.

    Args:
        title: What is trained on what.
        progress: How far it is.
        now: The clock, in seconds.
        screen: The room there is.
    """
    bar = Table.grid(expand=True, padding=(0, 1))
    bar.add_column(ratio=1)
    bar.add_column(justify="right", no_wrap=True)
    is_waiting = not progress.arrivals
    bar.add_row(
        ProgressBar(100, 100 * progress.fraction, pulse=is_waiting, complete_style="green"),
        Text(f"{progress.fraction:.1%}", "bold"),
    )
    parts = [bar, _totals(progress, now, screen)]
    if progress.history:
        parts += [Text(), _figures(progress, screen)]
    return Panel(
        Group(*parts),
        title=Text(title, "bold", overflow="ellipsis", no_wrap=True),
        title_align="left",
        border_style="green" if progress.is_over else "bright_black",
        padding=(0, 1),
        width=screen.width,
    )


def line(progress: Progress, row: Mapping[str, Any], now: float) -> str:
    """Write a run's latest report as one line.

    Args:
        progress: How far it is, the report included.
        row: The report.
        now: The clock, in seconds.
    """
    reported = {name: values for name, values in progress.history.items() if name in row}
    sections: dict[str, list[str]] = {}
    for section, name, values in known_figures(reported):
        sections.setdefault(section, []).append(f"{name} {figure(values[-1])}")
    parts = [f"{progress.fraction:6.1%}", _steps(progress)]
    parts += [f"{section}: {', '.join(figures)}" for section, figures in sections.items()]
    return "  ".join([*parts, *_speed(progress), *_times(progress, now)])


def _totals(progress: Progress, now: float, screen: Screen) -> RenderableType:
    """Steps and speed on the left, times on the right, or below where it is narrow."""
    done = [_steps(progress), *_speed(progress)]
    left, times = " · ".join(done), " · ".join(_times(progress, now))
    if len(left) + len(times) + 6 > screen.width:
        return Text("\n".join([*done, times]), "bright_black", no_wrap=True, overflow="ellipsis")
    sides = Table.grid(expand=True)
    sides.add_column()
    sides.add_column(justify="right")
    sides.add_row(Text(left, "bright_black"), Text(times, "bright_black"))
    return sides


def _steps(progress: Progress) -> str:
    return f"{progress.env_steps:,}/{progress.total:,} env-steps"


def _speed(progress: Progress) -> list[str]:
    speeds = progress.history.get(_SPEED, ())
    return [f"{count(speeds[-1])} agent-steps/s"] if speeds else []


def _times(progress: Progress, now: float) -> list[str]:
    """Elapsed and remaining time, as far as they are known."""
    elapsed = f"{duration(progress.elapsed(now))} elapsed"
    if not progress.arrivals:
        return ["compiling", elapsed]
    remaining = progress.remaining(now)
    if remaining is None or progress.is_over:
        return [elapsed]
    return [elapsed, f"{duration(remaining)} left"]


def _figures(progress: Progress, screen: Screen) -> RenderableType:
    """As many numbers as there are lines for; the narrower the screen, the less of each."""
    shown = known_figures(progress.history)[: max(screen.height - _LINES_WITHOUT_FIGURES, 1)]
    is_wide = screen.width >= _WIDE
    names = [f.name if is_wide else f.full_name for f in shown]
    value_width = max((len(figure(f.values[-1])) for f in shown), default=0)
    taken = 11 + 12 * is_wide + max(map(len, names), default=0) + value_width
    curve = min(max(screen.width - taken, 0), _LONGEST_CURVE)
    table = Table.grid(padding=(0, 2, 0, 0))
    if is_wide:
        table.add_column(min_width=10)
    table.add_column(no_wrap=True, max_width=max(screen.width - value_width - 8, 4))
    table.add_column(justify="right", no_wrap=True, min_width=value_width)
    above = None
    for (section, _, values), name in zip(shown, names, strict=True):
        heading = [Text("" if section == above else section, _colour(section))] * is_wide
        bars = sparkline(values[-curve:])
        trends = [Text(_ARROWS[trend(values)]), Text(bars, _colour(section))] * (curve > 0)
        table.add_row(*heading, Text(name, overflow="ellipsis"), _value(values[-1]), *trends)
        above = section
    return table


def _colour(section: str) -> str:
    return _COLOURS.get(section, "bright_black")


def _value(value: float) -> Text:
    return Text(figure(value), "bold" if math.isfinite(value) else "bold red")


def known_figures(named: Mapping[str, tuple[float, ...]]) -> list[Figure]:
    """What there is to show, section by section, in the order it was reported."""
    figures = [_figure(key, values) for key, values in named.items() if not _is_hidden(key)]
    sections = [*_SECTIONS, *dict.fromkeys(f.section for f in figures)]
    return sorted(figures, key=lambda f: sections.index(f.section))


def _figure(key: str, values: tuple[float, ...]) -> Figure:
    section, _, name = key.partition("/") if "/" in key else (_UNNAMED, "", key)
    return Figure(section, name.removeprefix(_PLAYER).replace("_", " "), values)


def _is_hidden(key: str) -> bool:
    section, _, name = key.partition("/")
    last = key.rpartition("/")[2]
    is_mirror = section == "evaluation" and name.startswith(_MIRRORED)
    return is_mirror or last in _HIDDEN or last.endswith(_HIDDEN_ENDINGS)
