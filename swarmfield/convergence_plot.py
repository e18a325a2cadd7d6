"""How something comes near its limit, as a picture: numbers of agents, or policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swarmfield.plots import check_suffix, engineering, new_figure, save, style
from swarmfield.replay_page.colours import ON_LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GREY = "#5c6670"


def draw_convergence(report: Mapping[str, Any], path: str | Path) -> None:
    """Draw returns and their gaps against the number of agents, and distances against time.

    Args:
        report: `limit`, `lines`, `times` and `rate`, as `chaos` returns them.
        path: Where to write: `.png`, `.svg` or `.pdf`.

    Raises:
        SwarmfieldError: The suffix is unknown, or the file cannot be written.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    check_suffix(path)
    ways = _ways(report["lines"])
    with style():
        figure = new_figure(13.0, 4.4)
        returns, gaps, distances = figure.subplots(1, 3)
        _draw_against_number(returns, report["lines"], "shared_return")
        # The gap of those who draw a rule each need not vanish.
        led = [line for line in report["lines"] if line["execution"] != "decentralised"]
        _draw_against_number(gaps, led, "gap")
        _finish_returns(returns, report["limit"])
        _finish_gaps(gaps, report["rate"], led)
        first = [line for line in report["lines"] if line["execution"] == ways[0]]
        _draw_distances(distances, first, report["times"])
        for axes in (returns, gaps):
            axes.set(xscale="log", xlabel="minor agents")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter(engineering())
            axes.xaxis.set_minor_formatter(NullFormatter())
        save(figure, path)


def draw_exploitability(report: Mapping[str, Any], path: str | Path) -> None:
    """Draw what one agent could gain by leaving the policy, against iterations.

    Args:
        report: `game`, `method` and `exploitability`, as `solve` returns them.
        path: Where to write: `.png`, `.svg` or `.pdf`.

    Raises:
        SwarmfieldError: The suffix is unknown, or the file cannot be written.
    """
    check_suffix(path)
    with style():
        figure = new_figure(6.0, 4.2)
        axes = figure.subplots()
        gains = np.array(report["exploitability"])
        iterations = 1 + np.arange(len(gains))
        axes.plot(iterations[gains > 0], gains[gains > 0], color=ON_LIGHT[0])
        title = f"{report['game']}: {report['method'].replace('_', ' ')}"
        axes.set(title=title, xlabel="1 + iterations", ylabel="exploitability")
        axes.set(xscale="log", yscale="log")
        axes.xaxis.set_major_formatter(engineering())
        save(figure, path)


def _draw_against_number(axes: Axes, lines: Sequence[Mapping[str, Any]], name: str) -> None:
    """One line for each way of execution."""
    for way, colour in zip(_ways(lines), ON_LIGHT, strict=False):
        own = [line for line in lines if line["execution"] == way]
        middle = np.array([line[name] for line in own])
        spread = np.array([line[f"{name}_ci95"] for line in own])
        if name == "gap":  # an axis of logarithms ends above zero
            middle = np.abs(middle)
            spread = np.stack([np.minimum(spread, middle * 0.9), spread])
        look: dict[str, Any] = {"color": colour, "marker": "o", "markersize": 4.5, "capsize": 2.5}
        numbers = [line["num_agents"] for line in own]
        axes.errorbar(numbers, middle, spread, label=way or "N agents", **look)


def _ways(lines: Sequence[Mapping[str, Any]]) -> list[str | None]:
    return list(dict.fromkeys(line["execution"] for line in lines))


def _finish_returns(axes: Axes, limit: Mapping[str, Any]) -> None:
    of = "exact limit" if limit["agents"] is None else f"{limit['agents']:,} agents"
    axes.axhline(limit["shared_return"], color=_GREY, linestyle="--", linewidth=1.4, label=of)
    axes.set(title="Return that all share", ylabel="J_N")
    axes.legend(loc="best")


def _finish_gaps(
    axes: Axes, rate: Mapping[str, Any] | None, lines: Sequence[Mapping[str, Any]]
) -> None:
    axes.set(yscale="log", title="Distance from the limit", ylabel="|J_N - J|")
    if rate is None:
        return
    used = [line for line in lines if line["num_agents"] in rate["used"]]
    x = np.log([line["num_agents"] for line in used])
    y = np.log(np.abs([line["gap"] for line in used]))
    weight = np.array([(line["gap"] / line["gap_ci95"]) ** 2 for line in used])
    height = np.average(y - rate["slope"] * x, weights=weight)
    fitted, label = np.exp(height + rate["slope"] * x), f"N^{rate['slope']:.2f}"
    axes.plot(np.exp(x), fitted, color=_GREY, linestyle="--", linewidth=1.4, label=label)
    axes.legend(loc="best")


def _draw_distances(axes: Axes, lines: Sequence[Mapping[str, Any]], times: Sequence[int]) -> None:
    from matplotlib import colormaps

    shades = colormaps["viridis"](np.linspace(0.05, 0.9, len(lines)))
    for line, shade in zip(lines, shades, strict=True):
        axes.plot(times, line["distance"], color=shade, label=f"{line['num_agents']:,}")
    axes.set(title="W1 between the crowds", xlabel="step", yscale="log")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="minor agents")
