"""Colours of teams and groups that stay apart for every kind of colour vision.

Neighbours in the lists of teams also differ in lightness, so that they survive a grey printout.
Groups have the eight colours of Okabe and Ito (Color Universal Design, 2008), whose simulated
appearances stay apart for every kind of colour vision. Some are pale: bodies in them have an edge.
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
GROUPS_ON_LIGHT = (
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#cc79a7",
    "#0072b2",
    "#d55e00",
    "#f0e442",
    "#000000",
)
GROUPS_ON_DARK = (*GROUPS_ON_LIGHT[:-1], "#ffffff")
NEUTRAL_ON_LIGHT, NEUTRAL_ON_DARK = "#7f8891", "#7d8894"
"""Of bodies without a group, among bodies that have one."""

LIGHT = (*ON_LIGHT, *GROUPS_ON_LIGHT, NEUTRAL_ON_LIGHT)
DARK = (*ON_DARK, *GROUPS_ON_DARK, NEUTRAL_ON_DARK)
"""Colours by index: teams', then groups', then the neutral one."""
FIRST_GROUP, NEUTRAL = len(ON_LIGHT), len(LIGHT) - 1

NAMED = {"blue": 0, "red": 1, "green": 2, "purple": 3, "yellow": 4}
"""Where in the lists a team belongs whose name is a colour."""

FAINTEST, FAINTEST_OF_GROUPS = 0.3, 0.55
"""Shares of its colour that a body at level 0 keeps: still to be seen, and told from others."""


def team_palette(team_names: Sequence[str]) -> list[int]:
    """Index of each team's colour: a team called red is red, the others take what is left."""
    words = [set(re.findall("[a-z]+", name.lower())) for name in team_names]
    wished = [next((NAMED[word] for word in NAMED if word in found), None) for found in words]
    left = [index for index in range(len(ON_LIGHT)) if index not in wished]
    rest = itertools.cycle(left or range(len(ON_LIGHT)))
    return [next(rest) if index is None else index for index in wished]


def faintest_of(index: int) -> float:
    """Share of its colour that a body at level 0 keeps, by the colour's index."""
    return FAINTEST if index < FIRST_GROUP else FAINTEST_OF_GROUPS


def channels(colour: str) -> UInt8[np.ndarray, " 3"]:
    """Red, green and blue of a colour written `#rrggbb`."""
    return np.frombuffer(bytes.fromhex(colour.removeprefix("#")), np.uint8)


def shades(
    colour: str, background: str, levels: int, faintest: float = FAINTEST, fullest: float = 1.0
) -> UInt8[np.ndarray, "L 3"]:
    """A colour from faintest to fullest, blended into the background.

    Args:
        colour: The full colour, `#rrggbb`.
        background: What it fades into, `#rrggbb`.
        levels: Number of shades L >= 2.
        faintest: Share of the colour in the first of them.
        fullest: And in the last.
    """
    share: Float[np.ndarray, "L 1"] = np.linspace(faintest, fullest, levels)[:, None]
    return np.rint(share * channels(colour) + (1 - share) * channels(background)).astype(np.uint8)
