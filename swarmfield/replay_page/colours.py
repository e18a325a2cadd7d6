"""Colours of teams and groups that stay apart for every kind of colour vision.

Neighbours in the list also differ in lightness, so that they survive a grey printout.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

ON_LIGHT = (
    "#1467b3",
    "#d4472a",
    "#0c8a67",
    "#a33f8b",
    "#a77d00",
    "#3d9cc4",
    "#6a4cb0",
    "#5d6672",
)
ON_DARK = (
    "#58a8f5",
    "#ff7f5e",
    "#38c597",
    "#e28aca",
    "#e5c14a",
    "#8ed6f2",
    "#ab98f0",
    "#a9b3bf",
)
NAMED = {"blue": 0, "red": 1, "green": 2, "purple": 3, "yellow": 4}
"""Where in the lists a team belongs whose name is a colour."""

FAINTEST = 0.3
"""Share of its colour that a body at level 0 keeps: still to be seen."""


def team_palette(team_names: Sequence[str]) -> list[int]:
    """Index of each team's colour: a team called red is red, the others take what is left."""
    words = [set(re.findall("[a-z]+", name.lower())) for name in team_names]
    wished = [next((NAMED[word] for word in NAMED if word in found), None) for found in words]
    left = [index for index in range(len(ON_LIGHT)) if index not in wished]
    rest = itertools.cycle(left or range(len(ON_LIGHT)))
    return [next(rest) if index is None else index for index in wished]


def channels(colour: str) -> UInt8[np.ndarray, " 3"]:
    """Red, green and blue of a colour written `#rrggbb`."""
    return np.frombuffer(bytes.fromhex(colour.removeprefix("#")), np.uint8)


def shades(colour: str, background: str, levels: int) -> UInt8[np.ndarray, "L 3"]:
    """A colour from faintest to full, blended into the background.

    Args:
        colour: The full colour, `#rrggbb`.
        background: What it fades into, `#rrggbb`.
        levels: Number of shades L >= 2.
    """
    share: Float[np.ndarray, "L 1"] = np.linspace(FAINTEST, 1, levels)[:, None]
    return np.rint(share * channels(colour) + (1 - share) * channels(background)).astype(np.uint8)
