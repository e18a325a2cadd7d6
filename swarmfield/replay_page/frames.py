"""The images of a film, drawn as colour indices.

Every frame is an image of palette indices: 16 shades from background to ink for the caption,
one for walls, 8 shades of each colour, then 8 fainter ones of teams' colours for the density of
crowds. A GIF keeps them as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8

from swarmfield.replay_page.colours import (
    LIGHT,
    ON_LIGHT,
    channels,
    faintest_of,
    shades,
    team_palette,
)
from swarmfield.replay_page.density import DENSEST, crowds_of, densities_of
from swarmfield.replay_page.legend import (
    ColourBy,
    Shape,
    entries_of,
    entry_index,
    legend,
    team_shapes,
)
from swarmfield.replay_page.recording import Recording

LONGEST_SIDE = 720
LINE_HEIGHT, CAPTION_PADDING = 20, 16
MARGIN = 12
SWATCH, STEP_WIDTH = 11, 110
INKS, SHADES = 16, 8
BACKGROUND, INK, WALL = "#ffffff", "#1d2329", "#c9ced4"
WALL_INDEX, FIRST_COLOUR = INKS, INKS + 1
FIRST_DENSITY = FIRST_COLOUR + len(LIGHT) * SHADES
SMALLEST_EDGED = 7
"""Pixels of a side from which a body has an edge."""


class _Key(NamedTuple):
    """A mark of the caption and what it stands for."""

    colour: int
    shape: Shape
    words: str


class _Line(NamedTuple):
    """A line of the caption; the heading may be empty."""

    heading: str
    keys: list[_Key]


class _Looks(NamedTuple):
    """How bodies look at one instant, and the lines that explain it."""

    colour: Integer[np.ndarray, " M"]
    lines: list[_Line]


def film_frames(recording: Recording, colour_by: ColourBy) -> Iterator[UInt8[np.ndarray, "Y X"]]:
    """Every instant as an image of palette indices, of even height and width."""
    looks = _by_group(recording) if colour_by == "group" else _by_team(recording)
    shapes: list[Shape] | None = team_shapes(recording) if colour_by == "group" else None
    scale = _pixels_per_unit(recording.extent)
    for instant, look in enumerate(looks):
        top = CAPTION_PADDING + LINE_HEIGHT * len(look.lines)
        frame = _background(recording, scale, top)
        field = frame[top:-MARGIN, MARGIN:-MARGIN]
        if crowds_of(recording):
            _draw_density(field, recording, instant, scale)
        _draw_bodies(field, recording, instant, scale, look, shapes)
        _write_caption(frame, look.lines, f"step {instant} / {recording.num_instants - 1}")
        yield frame


def film_palette() -> UInt8[np.ndarray, "256 3"]:
    """Colours of the indices that frames are made of; unused ones are black."""
    colours = [
        shades(INK, BACKGROUND, INKS),
        channels(WALL)[None],
        *(shades(colour, BACKGROUND, SHADES, faintest_of(i)) for i, colour in enumerate(LIGHT)),
        *(shades(colour, BACKGROUND, SHADES, 0.0, DENSEST) for colour in ON_LIGHT),
    ]
    colours[0][0] = channels(BACKGROUND)
    used = np.concatenate(colours)
    return np.concatenate([used, np.zeros((256 - len(used), 3), np.uint8)])


def _by_team(recording: Recording) -> Iterator[_Looks]:
    palette = team_palette(recording.team_names)
    colour = np.asarray(palette)[recording.team_of]
    for counts in recording.alive_counts():
        named = zip(recording.team_names, palette, counts, strict=True)
        keys = [_Key(index, "square", f"{name} {count}") for name, index, count in named]
        yield _Looks(colour, [_Line("", keys)])


def _by_group(recording: Recording) -> Iterator[_Looks]:
    """A line a team: its name, then each group with its living members."""
    entries, shapes = legend(recording), team_shapes(recording)
    index = entry_index(recording, entries)
    colours = np.asarray([entry.colour for entry in entries])
    for instant in range(recording.num_instants):
        place = entries_of(recording, instant, index)
        counts = np.bincount(place[recording.alive[instant]], minlength=len(entries))
        lines = [_Line(f"{name} groups", []) for name in recording.team_names]
        for entry, count in zip(entries, counts, strict=True):
            name = "none" if entry.group < 0 else entry.group
            key = _Key(entry.colour, shapes[entry.team], f"{name}: {count}")
            lines[entry.team].keys.append(key)
        yield _Looks(colours[place], lines)


def _pixels_per_unit(extent: tuple[float, float]) -> float:
    """Whole pixels a cell where there is room, so that all cells look alike."""
    scale = LONGEST_SIDE / max(extent)
    return float(np.floor(scale)) if scale >= 1 and max(extent) >= 8 else scale


def _pixels_of_world(recording: Recording, scale: float) -> tuple[int, int]:
    """Width and height."""
    width, height = (max(2, round(side * scale)) for side in recording.extent)
    return width, height


def _background(recording: Recording, scale: float, top: int) -> UInt8[np.ndarray, "Y X"]:
    width, height = _pixels_of_world(recording, scale)
    frame = np.zeros((height + top + MARGIN, width + 2 * MARGIN), np.uint8)
    # Video codecs want even sides.
    frame = np.pad(frame, [(0, side % 2) for side in frame.shape])
    border = frame[top - 1 : top + height + 1, MARGIN - 1 : MARGIN + width + 1]
    border[:] = WALL_INDEX
    field = border[1:-1, 1:-1]
    field[:] = 0
    if recording.walls is not None:
        rows, columns = (
            np.minimum((np.arange(pixels) / scale).astype(int), cells - 1)
            for pixels, cells in zip(field.shape, recording.walls.shape, strict=True)
        )
        field[recording.walls[np.ix_(rows, columns)]] = WALL_INDEX
    return frame


def _draw_density(
    field: UInt8[np.ndarray, "Y X"], recording: Recording, instant: int, scale: float
) -> None:
    """Shade the bare ground by whose crowd is densest, as far as it is half a shade."""
    from PIL import Image

    size = width, height = _pixels_of_world(recording, scale)
    images = [Image.fromarray(x.astype(np.float32)) for x in densities_of(recording, instant)]
    smooth = np.stack([np.asarray(x.resize(size, Image.Resampling.BILINEAR)) for x in images])
    shade = np.rint(smooth.max(axis=0) * (SHADES - 1)).astype(int)
    palette = np.asarray(team_palette(recording.team_names))[crowds_of(recording)]
    index = FIRST_DENSITY + palette[smooth.argmax(axis=0)] * SHADES + shade
    ground = field[:height, :width]
    seen = (shade > 0) & (ground == 0)
    ground[seen] = index[seen]


def _draw_bodies(
    field: UInt8[np.ndarray, "Y X"],
    recording: Recording,
    instant: int,
    scale: float,
    look: _Looks,
    shapes: list[Shape] | None,
) -> None:
    """Draw each living body, those of one size and shape all at once.

    Without shapes bodies have no edges, and are squares on a grid, circles in a plane.
    """
    usual: Shape = "circle" if recording.continuous else "square"
    level: Float[np.ndarray, " M"] = recording.level[instant]
    shade = np.rint(level * (SHADES - 1)).astype(int)
    colour = (FIRST_COLOUR + look.colour * SHADES + shade).astype(np.uint8)
    alive = np.flatnonzero(recording.alive[instant])
    kinds = np.stack([recording.size, recording.team_of * (shapes is not None)], axis=1)[alive]
    for size, team in np.unique(kinds, axis=0):
        side, shift = _side_and_shift(recording, int(size), scale)
        bodies = alive[(kinds == (size, team)).all(axis=1)]
        left_top = np.rint(recording.position[instant, bodies] * scale - shift).astype(int)
        _stamp(field, left_top, colour[bodies], mask_of(shapes[team] if shapes else usual, side))
        if shapes and side >= SMALLEST_EDGED:
            ink = np.full(len(bodies), INKS - 1, np.uint8)
            _stamp(field, left_top, ink, edge_of(shapes[team], side))


def _stamp(
    field: UInt8[np.ndarray, "Y X"],
    left_top: Integer[np.ndarray, "B 2"],
    colour: UInt8[np.ndarray, " B"],
    mask: Bool[np.ndarray, "side side"],
) -> None:
    """Colour a mask's pixels at many places, as far as they are inside of the field."""
    down, across = np.nonzero(mask)
    rows, columns = left_top[:, 1, None] + down, left_top[:, 0, None] + across
    height, width = field.shape
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    field[rows[inside], columns[inside]] = np.broadcast_to(colour[:, None], rows.shape)[inside]


@functools.cache
def mask_of(shape: Shape, side: int) -> Bool[np.ndarray, "side side"]:
    """Pixels of a shape in its square."""
    row = 2 * np.arange(side) + 1
    # In halves of a pixel, so that ties are exact and the same as in shapes.js.
    reach = {
        "square": np.full(side, side),
        "circle": np.sqrt(side**2 - (row - side) ** 2),
        "diamond": side - abs(row - side),
        "triangle": row / 2,
    }[shape]
    # Of every row something is left, however small the shape.
    inset = np.ceil((side - 1 - np.maximum(reach, 1)) / 2)
    column = np.arange(side)
    return (column >= inset[:, None]) & (column < side - inset[:, None])


@functools.cache
def edge_of(shape: Shape, side: int) -> Bool[np.ndarray, "side side"]:
    """Pixels of a shape that have a neighbour outside of it."""
    mask = mask_of(shape, side)
    padded = np.pad(mask, 1)
    within = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~within


def _side_and_shift(recording: Recording, size: int, scale: float) -> tuple[int, float]:
    """Pixels of a body's side, and from its position to its left, top pixel."""
    if recording.continuous:
        side = max(2, round(2 * recording.mark_radius * size * scale))
        return side, side / 2
    whole = max(1, round(size * scale))
    # A pixel of background between neighbours, where a cell is large enough to lose one.
    return (whole - 1 if scale >= 4 else whole), 0.0


def _write_caption(frame: UInt8[np.ndarray, "Y X"], lines: list[_Line], step: str) -> None:
    """What colours mean, as much as there is room for, and the step."""
    from PIL import Image, ImageDraw, ImageFont

    width = frame.shape[1]
    area = frame[: CAPTION_PADDING + LINE_HEIGHT * len(lines) - 2]
    strip = Image.new("L", (width, area.shape[0]), 0)
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(size=13)
    draw.text((width - MARGIN, 17), step, fill=255, font=font, anchor="rm")
    marks: list[tuple[int, int, _Key]] = []
    for number, line in enumerate(lines):
        y, room = 17 + LINE_HEIGHT * number, width - MARGIN - (0 if number else STEP_WIDTH)
        marks += [(x, y, key) for x, key in _write_line(draw, font, line, y, room)]
    inked = np.asarray(strip).astype(np.uint8) // 16
    area[inked > 0] = inked[inked > 0]
    for x, y, key in marks:
        full = np.full(1, FIRST_COLOUR + key.colour * SHADES + SHADES - 1, np.uint8)
        _stamp(area, np.asarray([[x, y - SWATCH // 2]]), full, mask_of(key.shape, SWATCH))


def _write_line(draw: Any, font: Any, line: _Line, y: int, room: int) -> list[tuple[int, _Key]]:
    """Write the words that there is room for, and tell where their marks go."""
    marks: list[tuple[int, _Key]] = []
    draw.text((MARGIN, y), line.heading, fill=255, font=font, anchor="lm")
    x = MARGIN + (draw.textlength(line.heading, font=font) + 16 if line.heading else 0)
    for key in line.keys:
        wide = 16 + draw.textlength(key.words, font=font)
        if x + wide > room - 16 * (key is not line.keys[-1]):
            draw.text((x, y), "…", fill=255, font=font, anchor="lm")
            break
        draw.text((x + 16, y), key.words, fill=255, font=font, anchor="lm")
        marks.append((round(x), key))
        x += wide + 16
    return marks
