"""Where crowds are dense: what a plane is shaded with, under its bodies.

`density.js` counts alike, between instants too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from swarmfield.replay_page.recording import Recording

CROWD = 50
"""Bodies of a team from which on it is a crowd."""
CELLS = 32
"""Along the longer side of the world."""
BORDER = 0.01
"""Cells beyond the world that still belong to it: places at its border are rounded."""
DENSEST = 0.45
"""Share of its colour where a crowd is densest; its bodies still stand out from it."""


def crowds_of(recording: Recording) -> list[int]:
    """Teams whose density is shown: large ones in a plane; on a grid all can be told apart."""
    members = np.bincount(recording.team_of, minlength=len(recording.team_names))
    return np.flatnonzero(members >= CROWD).tolist() if recording.continuous else []


def raster_of(recording: Recording) -> tuple[int, int]:
    """Number of cells across and down, each about as wide as high."""
    across, down = (
        max(1, round(CELLS * side / max(recording.extent))) for side in recording.extent
    )
    return across, down


def density_header(recording: Recording) -> dict[str, Any] | None:
    """What `density.js` has to know, or None where there are no crowds."""
    crowds = crowds_of(recording)
    if not crowds:
        return None
    return {"crowds": crowds, "raster": raster_of(recording), "border": BORDER, "densest": DENSEST}


def densities_of(recording: Recording, instant: int) -> Float[np.ndarray, "C H W"]:
    """How dense each crowd is in each cell, row y first, in [0, 1].

    It is the root of its living bodies, each cell smoothed with its neighbours by 1, 2, 1, by
    those of the fullest cell of all crowds: where some thousand meet, few are still to be seen.
    """
    crowds, (across, down) = crowds_of(recording), raster_of(recording)
    place = recording.position[instant] * ((across, down) / np.asarray(recording.extent))
    cell = np.clip(np.floor(place).astype(int), 0, (across - 1, down - 1))
    inside = (place >= -BORDER) & (place <= np.array([across, down]) + BORDER)
    inside = inside.all(axis=1) & recording.alive[instant]
    counts = np.zeros((len(crowds), down, across))
    for crowd, team in enumerate(crowds):
        column, row = cell[inside & (recording.team_of == team)].T
        np.add.at(counts[crowd], (row, column), 1)
    smooth = _smoothed(_smoothed(counts, 1), 2)
    return np.sqrt(smooth / (smooth.max(initial=0) or 1.0))


def _smoothed(counts: Float[np.ndarray, "C H W"], axis: int) -> Float[np.ndarray, "C H W"]:
    """Along an axis; beyond the border all is as at it."""
    padded = np.pad(counts, [(int(axis == i),) * 2 for i in range(3)], mode="edge")
    before, after = np.delete(padded, [-2, -1], axis), np.delete(padded, [0, 1], axis)
    return (before + 2 * counts + after) / 4
