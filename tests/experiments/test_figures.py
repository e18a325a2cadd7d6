"""Curves of many methods: told apart, and readable whatever happened at the start."""

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from swarmfield.curves import curve
from swarmfield.experiments import figures

matplotlib.use("agg")


def rows(level: float, seeds: int = 5) -> list[dict]:
    """A disaster at first, then a level."""
    return [
        {"env_steps": 10 * step, "seed": seed, "x": -1e6 if step == 1 else level + seed}
        for step in range(1, 11)
        for seed in range(seeds)
    ]


def test_what_is_shown_is_where_curves_settle() -> None:
    low, high = figures._settled(curve(rows(2.0), "x"))
    assert 2 <= low < 4 < high <= 6
    empty = figures._settled(curve([], "x"))
    assert empty == (np.inf, -np.inf)


def test_no_two_of_a_dozen_methods_look_alike(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, limits = {}, []

    def draw(axes, title, curves, given) -> None:
        looks.update(given)
        original(axes, title, curves, given)
        limits.append(axes.get_ylim())

    original = figures._draw
    monkeypatch.setattr(figures, "_draw", draw)
    runs = {f"method {i}": rows(float(i)) for i in range(12)}
    figures.comparison(runs, {"One": "x", "Other": "x"}, tmp_path / "curves.png")
    assert len(set(looks.values())) == 12
    assert all(-10 < low < 0 and 10 < high < 20 for low, high in limits)
    assert imread(tmp_path / "curves.png").shape[1] > 1000


def test_methods_without_a_point_are_drawn_empty(tmp_path) -> None:
    figures.comparison({"a": [], "b": []}, {"One": "x"}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").exists()
