"""The picture of a league."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from swarmfield.heat_map import win_rates
from swarmfield.types import SwarmfieldError

NAN = float("nan")


@pytest.mark.parametrize("count", [2, 20])
def test_every_pair_has_its_number(count: int, tmp_path: Path) -> None:
    rates = np.arange(count * count).reshape(count, count) / count**2
    np.fill_diagonal(rates, NAN)
    names = [f"runs/somewhere/in/a/deep/folder/of/runs/player{i}" for i in range(count)]
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        win_rates(names, rates, tmp_path / "league.svg")
    words = (tmp_path / "league.svg").read_text()
    for rate in rates[np.isfinite(rates)]:
        assert f">{rate:.2f}<" in words
    assert "nan" not in words
    assert f">…{names[1][-39:]}  2<" in words


def test_winning_is_blue_and_losing_red(tmp_path: Path) -> None:
    win_rates(["a", "b"], np.array([[NAN, 1.0], [0.0, NAN]]), tmp_path / "league.png")
    with Image.open(tmp_path / "league.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    corners = {}
    for name, colour in (("win", [0x14, 0x67, 0xB3]), ("loss", [0xD4, 0x47, 0x2A])):
        y, x = np.nonzero((pixels == colour).all(axis=-1))
        assert len(x) > 10_000
        corners[name] = (np.median(x), np.median(y))
    assert corners["win"][0] > corners["loss"][0]
    assert corners["win"][1] < corners["loss"][1]


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SwarmfieldError, match=r"ends in \.txt"):
        win_rates(["a", "b"], np.full((2, 2), 0.5), tmp_path / "league.txt")
