"""Who has which colour and shape when bodies are coloured by group.

A colour is a group's, and groups of different teams have different ones as long as there are
enough; a shape is a team's.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Int, Integer

from swarmfield.replay_page.colours import FIRST_GROUP, GROUPS_ON_LIGHT, NEUTRAL
from swarmfield.replay_page.recording import LARGEST_GROUP, Recording
from swarmfield.types import SwarmfieldError

ColourBy = Literal["group", "team"]
Shape = Literal["square", "circle", "diamond", "triangle"]


class Entry(NamedTuple):
    """A line of the legend.

    Attributes:
        team: Index of the team.
        group: Group of that team, -1 for the members without one.
        colour: Index of its colour.
    """

    team: int
    group: int
    colour: int


def legend(recording: Recording) -> list[Entry]:
    """Every team's groups that a living body is ever in; nothing where nobody is in any."""
    if not has_groups(recording):
        return []
    assert recording.group is not None
    entries: list[Entry] = []
    first = 0
    for team in range(len(recording.team_names)):
        members = recording.team_of == team
        seen = recording.group[:, members][recording.alive[:, members]]
        count = int(seen.max(initial=-1)) + 1
        entries += [Entry(team, group, group_colour(first + group)) for group in range(count)]
        entries += [Entry(team, -1, NEUTRAL)] * bool((seen < 0).any())
        first += count
    return entries


def group_colour(place: int) -> int:
    """Index of the colour of one of all teams' groups; after eight they come again."""
    return FIRST_GROUP + place % len(GROUPS_ON_LIGHT)


def has_groups(recording: Recording) -> bool:
    """Whether any living body is ever in a group."""
    return recording.group is not None and bool((recording.group[recording.alive] >= 0).any())


def chosen(recording: Recording, colour_by: ColourBy | None) -> ColourBy:
    """How to colour bodies: by group where there are groups, unless something is asked for.

    Raises:
        SwarmfieldError: It is not allowed, or `group` where nobody is in a group.
    """
    if colour_by is not None and colour_by not in get_args(ColourBy):
        allowed = ", ".join(get_args(ColourBy))
        raise SwarmfieldError(f"colour_by is {colour_by!r}, but must be one of: {allowed}.")
    grouped = has_groups(recording)
    if colour_by == "group" and not grouped:
        raise SwarmfieldError(
            "colour_by is 'group', but nobody in this recording is in a group; choose 'team'."
        )
    return colour_by or ("group" if grouped else "team")


def entry_index(recording: Recording, entries: list[Entry]) -> Int[np.ndarray, "P G"]:
    """Place in the legend of each team's groups, those without a group first; -1 for nobody's."""
    table = np.full((len(recording.team_names), LARGEST_GROUP + 2), -1)
    for place, entry in enumerate(entries):
        table[entry.team, entry.group + 1] = place
    return table


def entries_of(
    recording: Recording, instant: int, index: Integer[np.ndarray, "P G"]
) -> Integer[np.ndarray, " M"]:
    """Place in the legend of each body, from `entry_index`."""
    assert recording.group is not None
    return index[recording.team_of, recording.group[instant] + 1]


def team_shapes(recording: Recording) -> list[Shape]:
    """Each team's shape; the first has that of bodies coloured by team."""
    first, second, *others = get_args(Shape)
    order = [second, first, *others] if recording.continuous else [first, second, *others]
    return [order[team % len(order)] for team in range(len(recording.team_names))]
