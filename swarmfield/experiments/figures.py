"""Curves of many methods side by side."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from swarmfield.curves import FEWEST_FOR_IQM, Curve, Row, curve
from swarmfield.plots import draw_curve, engineering, new_figure, save, style
from swarmfield.replay_page.colours import ON_LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DASHES = ("-", "--", ":")
_SETTLED = 1 / 3
"""From this share of the run on, all is shown; what lies far off before it is cut."""


def sizes(
    scores: Mapping[str, Mapping[int, tuple[float, float, float]]], title: str, path: Path
) -> None:
    """Draw scores of many methods against how many agents there are.

    Args:
        scores: From each method to the middle and both ends of its score, by number of agents.
        title: What the scores are.
        path: The picture to write.
    """
    with style():
        figure = new_figure(6.0, 4.4)
        axes = figure.subplots()
        looks = itertools.product(DASHES, ON_LIGHT)
        for (name, by_size), (dashes, colour) in zip(scores.items(), looks, strict=False):
            number = sorted(by_size)
            middle, low, high = np.array([by_size[n] for n in number]).T
            axes.plot(number, middle, dashes, color=colour, marker="o", label=name)
            axes.fill_between(number, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set_title(title, fontsize=9.5)
        axes.set_xlabel("agents that learn")
        axes.set_xscale("log")
        shown = sorted({number for by_size in scores.values() for number in by_size})
        axes.set_xticks(shown, [str(number) for number in shown])
        axes.minorticks_off()
        figure.legend(loc="outside upper left", ncols=3)
        save(figure, path)


def comparison(runs: Mapping[str, Sequence[Row]], measures: Mapping[str, str], path: Path) -> None:
    """Draw measures of many methods against environment steps, a panel a measure.

    Args:
        runs: From each method to its rows of `metrics.jsonl`.
        measures: From each panel's title to the rows' key.
        path: The picture to write.
    """
    from matplotlib.lines import Line2D

    colours = itertools.product(DASHES, ON_LIGHT)
    looks = dict(zip(runs, colours, strict=False))
    with style():
        figure = new_figure(4.4 * len(measures), 4.4)
        panels = figure.subplots(1, len(measures), squeeze=False)[0]
        for axes, (title, measure) in zip(panels, measures.items(), strict=True):
            curves = {name: curve(rows, measure) for name, rows in runs.items()}
            _draw(axes, title, curves, looks)
        handles = [Line2D([], [], color=c, linestyle=d) for d, c in looks.values()]
        figure.legend(handles, list(looks), loc="outside upper left", ncols=5)
        save(figure, path)


def _draw(
    axes: Axes, title: str, curves: Mapping[str, Curve], looks: Mapping[str, tuple[str, str]]
) -> None:
    seeds = {each.num_seeds for each in curves.values()}
    for name, each in curves.items():
        dashes, colour = looks[name]
        draw_curve(axes, each, colour, dashes)
    what = "IQM, 95 % interval" if min(seeds) >= FEWEST_FOR_IQM else "mean, range"
    axes.set_title(f"{title} ({what} of {min(seeds)} seeds)", fontsize=9.5)
    axes.set_xlabel("environment steps")
    axes.xaxis.set_major_formatter(engineering())
    shown = [_settled(each) for each in curves.values()]
    low, high = np.min([s[0] for s in shown]), np.max([s[1] for s in shown])
    if np.isfinite([low, high]).all() and high > low:
        axes.set_ylim(low - 0.15 * (high - low), high + 0.05 * (high - low))


def _settled(each: Curve) -> tuple[float, float]:
    """The lowest and highest that a curve is once the run is well under way."""
    late = each.env_steps >= _SETTLED * np.max(each.env_steps, initial=0.0)
    low, high = each.low[late], each.high[late]
    return float(np.min(low, initial=np.inf)), float(np.max(high, initial=-np.inf))
