"""Curves by hand numbers, and pictures that say what they show."""

from __future__ import annotations

import sys

import matplotlib
import numpy as np
import pytest
from PIL import Image

from swarmfield import plots
from swarmfield.curves import curve, panels_of, part_of
from swarmfield.types import SwarmfieldError


def rows_of(num_seeds: int = 2, reports: int = 3, **changes) -> list[dict]:
    """Reports whose return is the seed number plus the report's number."""
    return [
        {
            "env_steps": 1000 * (report + 1),
            "seed": seed,
            "agent_steps_per_second": 5.0,
            "return/learner": float(seed + report),
            "return/opponent": -1.0,
            "loss": 1.0 / (report + 1),
            **changes,
        }
        for seed in range(num_seeds)
        for report in range(reports)
    ]


def words_in(path) -> str:
    """An SVG, whose letters are text."""
    return path.read_text()


@pytest.fixture
def text_in_svg():
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        yield


def test_few_seeds_are_a_mean_and_their_range():
    drawn = curve(rows_of(num_seeds=3), "return/learner")
    np.testing.assert_array_equal(drawn.env_steps, [1000, 2000, 3000])
    np.testing.assert_array_equal(drawn.middle, [1, 2, 3])
    np.testing.assert_array_equal(drawn.low, [0, 1, 2])
    np.testing.assert_array_equal(drawn.high, [2, 3, 4])
    assert (drawn.num_seeds, drawn.skipped) == (3, 0)


def test_many_seeds_are_an_interquartile_mean_in_its_interval():
    rows = rows_of(num_seeds=8, reports=1)
    rows[7]["return/learner"] = 1000.0
    drawn = curve(rows, "return/learner")
    assert drawn.middle[0] == 3.5
    assert 0 < drawn.low[0] < 3.5 < drawn.high[0]
    again = curve(rows, "return/learner")
    np.testing.assert_array_equal(drawn.low, again.low)


def test_values_that_are_not_finite_are_counted_and_left_out():
    rows = rows_of(num_seeds=2)
    rows[1]["return/learner"] = float("nan")
    rows[4]["return/learner"] = float("inf")
    rows[5]["return/learner"] = None
    drawn = curve(rows, "return/learner")
    # Nothing is left at 2,000 steps; at 3,000 the first seed alone.
    np.testing.assert_array_equal(drawn.env_steps, [1000, 3000])
    np.testing.assert_array_equal(drawn.middle, [0.5, 2])
    assert drawn.skipped == 2


@pytest.mark.parametrize(("last", "drawn"), [(400, False), (500, True), (1000, True)])
def test_returns_of_a_short_last_report_are_left_out(last: int, drawn: bool) -> None:
    """Only episodes that were over early end in it."""
    rows = [{**row, "reward/learner": 1.0} for row in rows_of()]
    for row in rows:
        row["env_steps"] = min(row["env_steps"], 2000 + last)
    expected = [1000, 2000] + [2000 + last] * drawn
    np.testing.assert_array_equal(curve(rows, "return/learner").env_steps, expected)
    np.testing.assert_array_equal(
        curve(rows, "reward/learner").env_steps, [1000, 2000, 2000 + last]
    )


def test_panels_hold_returns_evaluations_and_losses():
    evaluation = {
        f"evaluation/{player}/{name}": 1.0
        for player in ("learner", "opponent")
        for name in ("return_mean", "return_std", "return_ci95", "episodes", "kills")
    }
    panels = panels_of({"mfq": rows_of(), "iql": rows_of(**evaluation, wall_seconds=3.0)})
    assert panels == {
        "Return": ["return/learner", "return/opponent"],
        "Greedy evaluation: return": [
            "evaluation/learner/return_mean",
            "evaluation/opponent/return_mean",
        ],
        "Greedy evaluation: kills": ["evaluation/learner/kills", "evaluation/opponent/kills"],
        "Loss": ["loss"],
    }
    assert [part_of(m) for m in panels["Greedy evaluation: kills"]] == ["learner", "opponent"]
    assert part_of("return/learner") == "learner"


def test_the_legend_says_what_lines_and_shades_are(tmp_path, text_in_svg):
    runs = {"mfq": rows_of(8), "iql": rows_of(3), "vdn": rows_of(1)}
    runs["iql"][0]["loss"] = float("nan")
    plots.learning_curve(runs, tmp_path / "curve.svg")
    words = words_in(tmp_path / "curve.svg")
    for expected in (
        "mfq (IQM and 95 % interval of 8 seeds)",
        "iql (mean and range of 3 seeds)",
        "vdn (1 seed)",
        "learner",
        "opponent",
        "environment steps",
        "1 value(s) that are not finite are left out.",
        ">3k<",
    ):
        assert expected in words


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
@pytest.mark.parametrize("reports", [1, 4])
def test_pictures_come_in_every_format(suffix, reports, tmp_path):
    path = tmp_path / f"curve.{suffix}"
    plots.learning_curve({"mfq": rows_of(reports=reports)}, path)
    assert path.stat().st_size > 5000
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_lines_are_really_there(tmp_path):
    plots.learning_curve({"mfq": rows_of()}, tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    blue = (pixels == [0x14, 0x67, 0xB3]).all(axis=-1)
    assert blue.sum() > 1000
    assert pixels[0, 0].tolist() == [255, 255, 255]


def test_drawing_leaves_the_users_matplotlib_alone(tmp_path):
    backend, font = matplotlib.rcParams["backend"], matplotlib.rcParams["font.size"]
    loaded = "matplotlib.pyplot" in sys.modules
    plots.learning_curve({"mfq": rows_of()}, tmp_path / "curve.png")
    assert (matplotlib.rcParams["backend"], matplotlib.rcParams["font.size"]) == (backend, font)
    assert ("matplotlib.pyplot" in sys.modules) == loaded


@pytest.mark.parametrize(
    ("runs", "name", "message"),
    [
        ({"mfq": rows_of()}, "curve.jpg", r"ends in \.jpg, but a picture can be \.png"),
        ({"mfq": rows_of()}, "curve", "ends in no suffix"),
        ({}, "curve.png", "nothing to draw: no run"),
        ({"mfq": []}, "curve.png", "nothing to draw: mfq"),
        ({"mfq": [{"env_steps": 1, "seed": 0}]}, "curve.png", "nothing to draw"),
        ({"mfq": [{"loss": 1.0}]}, "curve.png", "Run mfq has a row of metrics without env_steps"),
        ({"mfq": rows_of()}, "nowhere/curve.png", "Cannot write"),
    ],
)
def test_what_cannot_be_drawn_is_refused(runs, name, message, tmp_path):
    with pytest.raises(SwarmfieldError, match=message) as refusal:
        plots.learning_curve(runs, tmp_path / name)
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_throughput_names_its_series_and_what_it_leaves_out(tmp_path, text_in_svg):
    rows = [
        {"label": label, "num_agents": agents, "agent_steps_per_second": rate * agents}
        for label, rate in (("swarmfield", 1000.0), ("another", 10.0))
        for agents in (100, 10_000)
    ]
    rows[0] |= {"compile_seconds": 2.0, "megabytes": 7.0}
    rows.append({"label": "another", "num_agents": 10**6, "agent_steps_per_second": None})
    plots.benchmark(rows, tmp_path / "throughput.svg")
    words = words_in(tmp_path / "throughput.svg")
    for expected in ("swarmfield", "another", "1 measurement(s) without", ">10k<", "Memory"):
        assert expected in words


@pytest.mark.parametrize(
    "rows", [[], [{"label": "x", "num_agents": 8, "agent_steps_per_second": float("nan")}]]
)
def test_throughput_without_numbers_is_refused(rows, tmp_path):
    with pytest.raises(SwarmfieldError, match="no throughput to draw"):
        plots.benchmark(rows, tmp_path / "throughput.png")
