"""One episode as arrays: what the page and the films are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer, Num

from swarmfield.types import SwarmfieldError

LARGEST_GROUP = 254
LARGEST_GRID = 65_535
MOST_TEAMS = 255


@dataclass(frozen=True)
class Recording:
    """One episode of M bodies at T instants: the reset, then one instant a step.

    Attributes:
        title: What was recorded, for people.
        extent: Width and height of the world, in cells or in the plane's units; the world
            spans 0 to width and 0 to height, with y growing downwards.
        team_names: Name of each team.
        team_of: Index of each body's team in `team_names`.
        size: Cells of a body's side.
        position: Left, top corner (x, y) of each body in cells; the centre of each body in
            a continuous world.
        alive: Bodies to draw.
        level: Health or another quantity in [0, 1], drawn as brightness.
        reward: Each team's reward for the step that led to the instant.
        walls: Cells no one may enter, row y first, or None.
        group: Group 0 ... 254 of each body, -1 for none; or None where nothing is grouped.
        continuous: Positions are points of a plane, not cells.

    Raises:
        SwarmfieldError: Shapes disagree, a number is not finite or out of range, or a living
            body of a grid stands outside of it.
    """

    title: str
    extent: tuple[float, float]
    team_names: tuple[str, ...]
    team_of: Integer[np.ndarray, " M"]
    size: Integer[np.ndarray, " M"]
    position: Num[np.ndarray, "T M 2"]
    alive: Bool[np.ndarray, "T M"]
    level: Float[np.ndarray, "T M"]
    reward: Float[np.ndarray, "T P"]
    walls: Bool[np.ndarray, "H W"] | None = None
    group: Integer[np.ndarray, "T M"] | None = None
    continuous: bool = False

    def __post_init__(self) -> None:
        _check_world(self)
        _check_shapes(self)
        _check_finite(self)
        _check_ranges(self)
        if not self.continuous:
            _check_grid(self)

    @property
    def num_instants(self) -> int:
        """T: one more than the steps of the episode."""
        return self.position.shape[0]

    @property
    def num_bodies(self) -> int:
        """M, of all teams together."""
        return self.position.shape[1]

    @property
    def mark_radius(self) -> float:
        """Radius of a body's mark in a plane, where it is a point: smaller the more there are."""
        width, height = self.extent
        room = 0.3 * np.sqrt(width * height / self.num_bodies)
        return float(min(room, 0.014 * min(width, height)))

    def alive_counts(self) -> Integer[np.ndarray, "T P"]:
        """Living bodies of each team at each instant."""
        members = self.team_of[:, None] == np.arange(len(self.team_names))
        return self.alive.astype(np.int64) @ members.astype(np.int64)


def _check_world(recording: Recording) -> None:
    extent, teams = recording.extent, recording.team_names
    if len(extent) != 2 or not all(np.isfinite(side) and side > 0 for side in extent):
        raise SwarmfieldError(
            f"extent is {extent}, but must be the world's width and height, both positive."
        )
    if not 1 <= len(teams) <= MOST_TEAMS:
        raise SwarmfieldError(f"A recording needs 1 to {MOST_TEAMS} teams, not {len(teams)}.")


def _check_shapes(recording: Recording) -> None:
    shape = np.shape(recording.position)
    if len(shape) != 3 or shape[2] != 2 or min(shape) < 1:
        raise SwarmfieldError(
            f"position has shape {shape}, but must be [T, M, 2]: x and y of at least one body "
            "at at least one instant."
        )
    instants, bodies, _ = shape
    height_width = (int(recording.extent[1]), int(recording.extent[0]))
    expected = {
        "team_of": (bodies,),
        "size": (bodies,),
        "alive": (instants, bodies),
        "level": (instants, bodies),
        "reward": (instants, len(recording.team_names)),
        "walls": height_width,
        "group": (instants, bodies),
    }
    for name, wanted in expected.items():
        value = getattr(recording, name)
        if value is not None and np.shape(value) != wanted:
            raise SwarmfieldError(
                f"{name} has shape {np.shape(value)}, but must have {wanted} to match position "
                f"{shape}, {len(recording.team_names)} team(s) and extent {recording.extent}."
            )


def _check_finite(recording: Recording) -> None:
    for name in ("position", "level", "reward"):
        bad = np.argwhere(~np.isfinite(getattr(recording, name)))
        if bad.size:
            raise SwarmfieldError(
                f"{name} holds {len(bad)} number(s) that are not finite, the first at instant "
                f"{bad[0][0]}; a recording needs finite numbers, also for the dead."
            )


def _check_ranges(recording: Recording) -> None:
    allowed = {
        "team_of": (0, len(recording.team_names) - 1),
        "size": (1, 255),
        "level": (0, 1),
        "group": (-1, LARGEST_GROUP),
    }
    for name, (lowest, highest) in allowed.items():
        value = getattr(recording, name)
        if value is not None and (value.min() < lowest or value.max() > highest):
            raise SwarmfieldError(
                f"{name} ranges from {value.min()} to {value.max()}, but must lie in "
                f"{lowest} to {highest}."
            )


def _check_grid(recording: Recording) -> None:
    if max(recording.extent) > LARGEST_GRID:
        raise SwarmfieldError(
            f"extent is {recording.extent}, but a grid can be {LARGEST_GRID} cells wide at most."
        )
    corner = recording.position
    outside = (corner < 0) | (corner + recording.size[:, None] > np.asarray(recording.extent))
    bad = np.argwhere(recording.alive & (outside | (corner != np.floor(corner))).any(-1))
    if bad.size:
        instant, body = bad[0]
        raise SwarmfieldError(
            f"Body {body} is at {tuple(corner[instant, body].tolist())} at instant {instant}, "
            f"which is no cell of the {recording.extent[0]:g} x {recording.extent[1]:g} grid; "
            "pass continuous=True for positions in a plane."
        )
