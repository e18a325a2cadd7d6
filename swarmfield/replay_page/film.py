"""Episodes as GIF and MP4: each instant one frame, drawn as colour indices.

Every frame is an image of palette indices: 16 shades from background to ink for the caption,
one for walls, then 8 shades of each team's (or group's) colour. A GIF keeps them as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
from jaxtyping import Float, Integer, UInt8

from swarmfield.replay_page.colours import ON_LIGHT, channels, shades, team_palette
from swarmfield.replay_page.files import finished_file
from swarmfield.replay_page.recording import Recording
from swarmfield.types import SwarmfieldError

LONGEST_SIDE = 720
CAPTION_HEIGHT = 36
MARGIN = 12
INKS, SHADES = 16, 8
BACKGROUND, INK, WALL = "#ffffff", "#1d2329", "#c9ced4"
WALL_INDEX, FIRST_COLOUR = INKS, INKS + 1
FRAMES_PER_SECOND = 10


def write_gif(recording: Recording, path: str | Path) -> None:
    """Write an episode as an animated GIF, ten steps a second.

    Args:
        recording: The episode.
        path: Where to write; an existing file is replaced once the new one is complete.

    Raises:
        SwarmfieldError: The file cannot be written.
    """
    from PIL import Image

    images = [Image.fromarray(frame) for frame in film_frames(recording)]
    for image in images:
        image.putpalette(film_palette().tobytes())
    with finished_file(path) as temporary:
        images[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=images[1:],
            duration=1000 // FRAMES_PER_SECOND,
            loop=0,
        )


def write_mp4(recording: Recording, path: str | Path) -> None:
    """Write an episode as an MP4 film (H.264), ten steps a second.

    Args:
        recording: The episode.
        path: Where to write; an existing file is replaced once the new one is complete.

    Raises:
        SwarmfieldError: The `video` extra is not installed, or the file cannot be written.
    """
    writer_of = _video_library().get_writer
    palette = film_palette()
    with (
        finished_file(path) as temporary,
        writer_of(
            temporary,
            format="FFMPEG",
            fps=FRAMES_PER_SECOND,
            quality=8,
            macro_block_size=2,
        ) as writer,
    ):
        for frame in film_frames(recording):
            writer.append_data(palette[frame])


def film_frames(recording: Recording) -> Iterator[UInt8[np.ndarray, "Y X"]]:
    """Every instant as an image of palette indices, of even height and width."""
    scale = _pixels_per_unit(recording.extent)
    background = _background(recording, scale)
    counts = recording.alive_counts()
    for instant in range(recording.num_instants):
        frame = background.copy()
        field = frame[CAPTION_HEIGHT:-MARGIN, MARGIN:-MARGIN]
        _draw_bodies(field, recording, instant, scale)
        _write_caption(frame, recording, instant, counts[instant])
        yield frame


def film_palette() -> UInt8[np.ndarray, "256 3"]:
    """Colours of the indices that frames are made of; unused ones are black."""
    colours = [
        shades(INK, BACKGROUND, INKS),
        channels(WALL)[None],
        *(shades(colour, BACKGROUND, SHADES) for colour in ON_LIGHT),
    ]
    colours[0][0] = channels(BACKGROUND)
    used = np.concatenate(colours)
    return np.concatenate([used, np.zeros((256 - len(used), 3), np.uint8)])


def _video_library() -> ModuleType:
    try:
        import imageio.v2
        import imageio_ffmpeg
    except ImportError:
        raise SwarmfieldError(
            "An MP4 film needs the video extra, which is not installed; run "
            "pip install 'swarmfield[video]', or write a GIF or an HTML page instead."
        ) from None
    del imageio_ffmpeg
    # Starts ffmpeg without code between fork and exec, which can hang beside JAX's threads.
    os.environ.setdefault("IMAGEIO_FFMPEG_NO_PREVENT_SIGINT", "1")
    return imageio.v2


def _pixels_per_unit(extent: tuple[float, float]) -> float:
    """Whole pixels a cell where there is room, so that all cells look alike."""
    scale = LONGEST_SIDE / max(extent)
    return float(np.floor(scale)) if scale >= 1 and max(extent) >= 8 else scale


def _background(recording: Recording, scale: float) -> UInt8[np.ndarray, "Y X"]:
    width, height = (max(2, round(side * scale)) for side in recording.extent)
    frame = np.zeros((height + CAPTION_HEIGHT + MARGIN, width + 2 * MARGIN), np.uint8)
    # Video codecs want even sides.
    frame = np.pad(frame, [(0, side % 2) for side in frame.shape])
    border = frame[
        CAPTION_HEIGHT - 1 : CAPTION_HEIGHT + height + 1, MARGIN - 1 : MARGIN + width + 1
    ]
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


def _draw_bodies(
    field: UInt8[np.ndarray, "Y X"], recording: Recording, instant: int, scale: float
) -> None:
    """Fill each living body's square, those of one size all at once."""
    limits = np.asarray(field.shape)[::-1]
    alive = np.flatnonzero(recording.alive[instant])
    colour = _colour_index(recording, instant)
    for size in np.unique(recording.size[alive]):
        side, shift = _side_and_shift(recording, int(size), scale)
        bodies = alive[recording.size[alive] == size]
        left_top = np.rint(recording.position[instant, bodies] * scale - shift).astype(int)
        seen = ((left_top > -side) & (left_top < limits)).all(axis=-1)
        # A square that reaches over the edge is cut there.
        pixels = (left_top[seen, :, None] + np.arange(side)).clip(0, limits[:, None] - 1)
        columns, rows = pixels[:, 0, None, :], pixels[:, 1, :, None]
        field[rows, columns] = colour[bodies[seen], None, None]


def _side_and_shift(recording: Recording, size: int, scale: float) -> tuple[int, float]:
    """Pixels of a body's side, and from its position to its left, top pixel."""
    if recording.continuous:
        side = max(2, round(2 * recording.mark_radius * size * scale))
        return side, side / 2
    whole = max(1, round(size * scale))
    # A pixel of background between neighbours, where a cell is large enough to lose one.
    return (whole - 1 if scale >= 4 else whole), 0.0


def _colour_index(recording: Recording, instant: int) -> UInt8[np.ndarray, " M"]:
    teams: Integer[np.ndarray, " P"] = np.asarray(team_palette(recording.team_names))
    label = teams[recording.team_of]
    if recording.group is not None:
        # Groups start where the teams' colours end, as on the page; no group is grey.
        group = recording.group[instant]
        label = np.where(group < 0, len(ON_LIGHT) - 1, (len(teams) + group) % len(ON_LIGHT))
    level: Float[np.ndarray, " M"] = recording.level[instant]
    shade = np.rint(level * (SHADES - 1)).astype(int)
    return (FIRST_COLOUR + label * SHADES + shade).astype(np.uint8)


def _write_caption(
    frame: UInt8[np.ndarray, "Y X"],
    recording: Recording,
    instant: int,
    counts: Integer[np.ndarray, " P"],
) -> None:
    from PIL import Image, ImageDraw, ImageFont

    width = frame.shape[1]
    strip = Image.new("L", (width, CAPTION_HEIGHT - 2), 0)
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(size=13)
    step = f"step {instant} / {recording.num_instants - 1}"
    draw.text((width - MARGIN, 17), step, fill=255, font=font, anchor="rm")
    x = float(MARGIN)
    palette = team_palette(recording.team_names)
    for name, count, colour in zip(recording.team_names, counts, palette, strict=True):
        words = f"{name} {count}"
        if x + 18 + draw.textlength(words, font=font) > width - MARGIN - 110:
            break
        swatch = FIRST_COLOUR + colour * SHADES + SHADES - 1
        frame[12:22, round(x) : round(x) + 10] = swatch
        draw.text((x + 16, 17), words, fill=255, font=font, anchor="lm")
        x += 34 + draw.textlength(words, font=font)
    inked = np.asarray(strip).astype(np.uint8) // 16
    area = frame[: CAPTION_HEIGHT - 2]
    area[inked > 0] = inked[inked > 0]
