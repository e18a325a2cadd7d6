"""Tables hold every cell, on a terminal and in Markdown."""

from __future__ import annotations

import pytest

from swarmfield.tables import markdown, print_table

HEAD = ["#", "player", "win rate"]


def test_markdown_by_hand() -> None:
    assert markdown(HEAD, [["1", "a|b", "0.50"]]) == "\n".join(
        ["| # | player | win rate |", "| --- | --- | --- |", r"| 1 | a\|b | 0.50 |"]
    )


def test_no_cell_is_cut_or_taken_for_markup(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    long = "runs/" + 60 * "x"
    print_table([*HEAD, "more"], [["1", long, "0.50", "-"], ["10", "[red]mfq", "1.00", "-1.0"]])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["1", long, "0.50", "-"] in lines
    assert ["10", "[red]mfq", "1.00", "-1.0"] in lines
