"""Who wins against whom, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from swarmfield.plots import check_suffix, new_figure, save, style
from swarmfield.replay_page.colours import ON_LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _RED, _EVEN, _NOBODY = ON_LIGHT[0], ON_LIGHT[1], "#f7f8fa", "#d9dde2"
_LONGEST_NAME = 40
_INCHES_A_CELL, _INCHES_A_LETTER = 0.5, 0.085
_DARK = 0.36
"""How far from even a win rate's colour is so dark that its number is white."""


def win_rates(names: Sequence[str], rates: Float[np.ndarray, "n n"], path: str | Path) -> None:
    """Draw how often the row's player wins against the column's.

    Args:
        names: Of the players, best first; columns have the same order.
        rates: In [0, 1], NaN for who has not met.
        path: Where to write: `.png`, `.svg` or `.pdf`.

    Raises:
        SwarmfieldError: The suffix is unknown, or the file cannot be written.
    """
    from matplotlib.colors import LinearSegmentedColormap

    check_suffix(path)
    ranks = [str(rank) for rank in range(1, len(names) + 1)]
    labels = [f"{_short(name)}  {rank}" for name, rank in zip(names, ranks, strict=True)]
    beside = 1.6 + _INCHES_A_LETTER * max(map(len, labels))
    side = max(_INCHES_A_CELL * len(names), 2.0)
    colours = LinearSegmentedColormap.from_list("win rate", [_RED, _EVEN, _BLUE])
    with style():
        figure = new_figure(beside + side, 1.2 + side)
        axes = figure.subplots()
        axes.set_facecolor(_NOBODY)
        image = axes.imshow(np.ma.masked_invalid(rates), cmap=colours, vmin=0, vmax=1)
        _write_numbers(axes, rates)
        axes.set_yticks(range(len(names)), labels, color="#1d2329")
        axes.set_xticks(range(len(names)), ranks, color="#1d2329")
        axes.xaxis.tick_top()
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set_title("Win rate of the row against the column", pad=10)
        bar = figure.colorbar(image, ax=axes, fraction=0.04, ticks=[0, 0.25, 0.5, 0.75, 1])
        bar.outline.set_visible(False)
        save(figure, path)


def _write_numbers(axes: Axes, rates: Float[np.ndarray, "n n"]) -> None:
    for row, column in np.argwhere(np.isfinite(rates)):
        rate = rates[row, column]
        colour = "white" if abs(rate - 0.5) > _DARK else "#1d2329"
        look: dict[str, Any] = {"ha": "center", "va": "center", "color": colour, "fontsize": 9.0}
        axes.text(column, row, f"{rate:.2f}", **look)


def _short(name: str) -> str:
    """A name with its beginning left out where it is long: paths differ at their ends."""
    return name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}"
