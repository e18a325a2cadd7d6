"""Solving mean-field games by name."""

import json

import pytest
import tiny

from swarmfield import SwarmfieldError, solve


def test_a_game_is_solved_and_reported(tmp_path):
    said = tiny.swarmfield(
        "game left_right --iterations 400 --step-size 0.1 --output", tmp_path / "game"
    )
    assert said.code == 0, said.err
    assert "An agent that learned from experience gains 0.25 of 0.25" in said.out
    assert "left     0.6667" in said.out
    report = json.loads((tmp_path / "game" / "game.json").read_text())
    assert len(report["exploitability"]) == 401
    assert report["exploitability"][0] == pytest.approx(0.25)
    assert report["exploitability"][-1] < 1e-3
    assert "| 400 |" in (tmp_path / "game" / "game.md").read_text()
    assert (tmp_path / "game" / "game.png").stat().st_size > 10_000


def test_without_one_who_learns(tmp_path):
    report = solve(
        "rock_paper_scissors",
        method="fictitious_play",
        iterations=3,
        learned=False,
        output=tmp_path / "a",
    )
    assert report["learned_exploitability"] is None
    assert report["step_size"] is None
    assert len(report["flow"]) == 2


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("left_rihgt", {}, "no game named 'left_rihgt'; did you mean 'left_right'"),
        ("beach", {"iterations": 0}, "--iterations is 0, but must be at least 1"),
        ("beach", {"step_size": 0.0}, "--step-size is 0.0, but must be above 0"),
    ],
)
def test_mistakes_are_told(name, options, message):
    with pytest.raises(SwarmfieldError, match=message):
        solve(name, **options)


def test_the_command_without_a_name():
    assert "game needs the name of one first: left_right" in tiny.swarmfield("game").err
