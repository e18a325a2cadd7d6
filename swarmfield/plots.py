"""Pictures of runs: learning curves over environment steps, throughput over population size.

Drawn without pyplot, so that whoever imports this keeps their own backend and open figures.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from jaxtyping import Float

from swarmfield.curves import FEWEST_FOR_IQM, Curve, Row, curve, panels_of, part_of
from swarmfield.replay_page.colours import ON_LIGHT
from swarmfield.replay_page.files import finished_file
from swarmfield.types import SwarmfieldError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
DASHES = ("-", "--", ":", "-.")
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": "#5c6670",
    "axes.edgecolor": "#c5cbd2",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": "cycler('color', [" + ", ".join(f"'{c}'" for c in ON_LIGHT) + "])",
    "grid.color": "#e6e9ed",
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.9,
    "lines.solid_capstyle": "round",
    "xtick.color": "#5c6670",
    "ytick.color": "#5c6670",
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "text.color": "#1d2329",
    "legend.frameon": False,
    "svg.hashsalt": "swarmfield",
}


def learning_curve(runs: Mapping[str, Sequence[Row]], path: str | Path) -> None:
    """Draw return, evaluation measures and losses of runs against environment steps.

    One line a run: the interquartile mean over its seeds, with the 95 % bootstrap interval
    shaded; the mean and the range of fewer than four seeds. The opponent's return is dashed.
    Values that are not finite are left out, and the picture says how many.

    Args:
        runs: From each run's label to its rows of `metrics.jsonl`.
        path: Where to write: `.png`, `.svg` or `.pdf`.

    Raises:
        SwarmfieldError: There are no rows, a row lacks `env_steps`, the suffix is unknown, or
            the file cannot be written.
    """
    check_suffix(path)
    panels = _check_rows(runs)
    columns = 1 if len(panels) <= 2 else 2
    lines = -(-len(panels) // columns)
    with style():
        figure = new_figure(1.5 + 4.5 * columns, 1.2 + 2.5 * lines)
        grid = figure.subplots(lines, columns, sharex=True, squeeze=False)
        drawn = [
            curve
            for axes, panel in zip(grid.flat, panels.items(), strict=False)
            for curve in _draw_panel(axes, panel, runs)
        ]
        _finish_grid(grid, len(panels))
        _explain(figure, drawn, panels)
        skipped = sum(curve.skipped for _, curve in drawn)
        if skipped:
            _note(figure, f"{skipped} value(s) that are not finite are left out.")
        save(figure, path)


MEASURES = {
    "agent_steps_per_second": ("Throughput", "agent steps a second"),
    "compile_seconds": ("Compile time", "seconds"),
    "megabytes": ("Memory", "MB"),
}
"""What is drawn of a benchmark's rows: the field, and its panel's title and unit."""


def benchmark(rows: Sequence[Row], path: str | Path) -> None:
    """Draw throughput, compile time and memory against the number of agents.

    Args:
        rows: One object a measurement: `label` of its series, `num_agents`,
            `agent_steps_per_second`, and where they were measured `compile_seconds` and
            `megabytes`.
        path: Where to write: `.png`, `.svg` or `.pdf`.

    Raises:
        SwarmfieldError: There is no throughput with positive, finite numbers, the suffix is
            unknown, or the file cannot be written.
    """
    check_suffix(path)
    labels = list(dict.fromkeys(row["label"] for row in rows))
    points = {name: [_points(rows, label, name) for label in labels] for name in MEASURES}
    measured = sum(len(series) for series in points["agent_steps_per_second"])
    if not measured:
        raise SwarmfieldError(
            "There is no throughput to draw: no row has a positive, finite num_agents and "
            "agent_steps_per_second; measure again."
        )
    drawn = [name for name in MEASURES if any(len(series) for series in points[name])]
    with style():
        figure = new_figure(1.0 + 4.0 * len(drawn), 4.6)
        for axes, name in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True):
            _draw_measure(axes, name, labels, points[name])
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper left", ncols=len(names))
        if len(rows) > measured:
            words = f"{len(rows) - measured} measurement(s) without a positive number are left out."
            _note(figure, words)
        save(figure, path)


def _draw_measure(
    axes: Axes, name: str, labels: Sequence[str], points: Sequence[np.ndarray]
) -> None:
    colours, markers = itertools.cycle(ON_LIGHT), itertools.cycle("osD^vP*X")
    for label, series, colour, marker in zip(labels, points, colours, markers, strict=False):
        axes.plot(*series.T, label=label, color=colour, marker=marker, markersize=5.5)
    title, unit = MEASURES[name]
    axes.set(xscale="log", title=title, xlabel="agents", ylabel=unit)
    if name == "compile_seconds":
        axes.set_ylim(bottom=0)
    else:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}" if name == "megabytes" else engineering())
    axes.xaxis.set_major_formatter(engineering())


def _draw_panel(
    axes: Axes, panel: tuple[str, list[str]], runs: Mapping[str, Sequence[Row]]
) -> list[tuple[str, Curve]]:
    """Draw one panel; the curves in it, each with its run's label."""
    title, measures = panel
    drawn = []
    for (label, rows), colour in zip(runs.items(), itertools.cycle(ON_LIGHT), strict=False):
        for measure, dashes in zip(measures, itertools.cycle(DASHES), strict=False):
            drawn.append((label, curve(rows, measure)))
            draw_curve(axes, drawn[-1][1], colour, dashes)
    axes.set_title(title)
    axes.margins(x=0.02)
    if title == "Loss" and len(measures) > 1:
        axes.legend(_grey_lines(len(measures)), [part_of(measure) for measure in measures])
    return drawn


def draw_curve(axes: Axes, drawn: Curve, colour: str, dashes: str) -> None:
    """One line, with its spread shaded."""
    # A line through a single report would be invisible.
    marker = "o" if len(drawn.env_steps) == 1 else ""
    fill = colour if dashes == "-" else "white"
    look: dict[str, Any] = {"color": colour, "linestyle": dashes}
    look |= {"marker": marker, "markerfacecolor": fill}
    axes.plot(drawn.env_steps, drawn.middle, **look)
    spread = (drawn.env_steps, drawn.low, drawn.high)
    axes.fill_between(*spread, color=colour, alpha=0.16, linewidth=0)


def _finish_grid(grid: Any, num_panels: int) -> None:
    """Take away unused axes and label the lowest of each column."""
    for axes in grid.flat[num_panels:]:
        axes.remove()
    for column in range(grid.shape[1]):
        lowest = grid[(num_panels - 1 - column) // grid.shape[1], column]
        lowest.tick_params(labelbottom=True)
        lowest.set_xlabel("environment steps")
        lowest.xaxis.set_major_formatter(engineering())


def _explain(
    figure: Figure, drawn: Sequence[tuple[str, Curve]], panels: Mapping[str, Sequence[str]]
) -> None:
    """One legend for all panels: what the colours and the dashes are, and what is shaded."""
    from matplotlib.lines import Line2D

    seeds: dict[str, int] = {}
    for label, each in drawn:
        seeds[label] = max(seeds.get(label, 0), each.num_seeds)
    handles = [Line2D([], [], color=c) for c, _ in zip(itertools.cycle(ON_LIGHT), seeds)]
    labels = [f"{label} ({_meaning(count)})" for label, count in seeds.items()]
    measures = max((m for title, m in panels.items() if title != "Loss"), key=len, default=[])
    if len(measures) > 1:
        handles += _grey_lines(len(measures))
        labels += [part_of(measure) for measure in measures]
    figure.legend(handles, labels, loc="outside upper left", ncols=3 if len(labels) <= 3 else 2)


def _grey_lines(count: int) -> list[Any]:
    from matplotlib.lines import Line2D

    dashes = itertools.islice(itertools.cycle(DASHES), count)
    return [Line2D([], [], color="#5c6670", linestyle=cast(Any, each)) for each in dashes]


def _meaning(num_seeds: int) -> str:
    if num_seeds <= 1:
        return "1 seed"
    if num_seeds < FEWEST_FOR_IQM:
        return f"mean and range of {num_seeds} seeds"
    return f"IQM and 95 % interval of {num_seeds} seeds"


def _points(rows: Sequence[Row], label: str, name: str) -> Float[np.ndarray, "n 2"]:
    """Number of agents and a measure of one series, sorted; positive and finite ones only."""
    pairs = [(r["num_agents"], r.get(name)) for r in rows if r["label"] == label]
    numbers = np.array([(n, np.nan if rate is None else rate) for n, rate in pairs], np.float64)
    numbers = numbers[(np.isfinite(numbers) & (numbers > 0)).all(axis=-1)]
    return numbers[np.argsort(numbers[:, 0], kind="stable")]


def _check_rows(runs: Mapping[str, Sequence[Row]]) -> dict[str, list[str]]:
    """The panels that the runs' rows fill."""
    for label, rows in runs.items():
        if not all("env_steps" in row for row in rows):
            raise SwarmfieldError(
                f"Run {label} has a row of metrics without env_steps; it is no run's metrics.jsonl."
            )
    panels = panels_of(runs)
    if not panels:
        raise SwarmfieldError(
            f"There is nothing to draw: {', '.join(runs) or 'no run'} has no row with a return or "
            "a loss yet; train until the first report."
        )
    return panels


def check_suffix(path: str | Path) -> None:
    """Refuse a file that is no picture."""
    suffix = Path(path).suffix
    if suffix not in SUFFIXES:
        raise SwarmfieldError(
            f"{path} ends in {suffix or 'no suffix'}, but a picture can be {', '.join(SUFFIXES)}."
        )


def style() -> Any:
    """A context in which everything is drawn alike."""
    import matplotlib

    return matplotlib.rc_context(cast(Any, STYLE))


def new_figure(width: float, height: float) -> Figure:
    """An empty picture, sides in inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.1))


def engineering() -> Any:
    """Numbers as 10k and 3M."""
    from matplotlib.ticker import EngFormatter

    return EngFormatter(sep="")


def _note(figure: Figure, words: str) -> None:
    figure.supxlabel(words, fontsize=8.5, color="#b3261e", x=0.01, ha="left")


def save(figure: Figure, path: str | Path) -> None:
    """Write a picture whole or not at all."""
    with finished_file(path) as temporary:
        figure.savefig(temporary, dpi=150, bbox_inches="tight", pad_inches=0.2)
