"""Episodes as GIF and MP4: each instant one frame."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from swarmfield.replay_page.files import finished_file
from swarmfield.replay_page.frames import film_frames, film_palette
from swarmfield.replay_page.legend import ColourBy, chosen
from swarmfield.replay_page.recording import Recording
from swarmfield.types import SwarmfieldError

FRAMES_PER_SECOND = 10


def write_gif(recording: Recording, path: str | Path, colour_by: ColourBy | None = None) -> None:
    """Write an episode as an animated GIF, ten steps a second.

    Args:
        recording: The episode.
        path: Where to write; an existing file is replaced once the new one is complete.
        colour_by: Its colours, `group` or `team`; of groups where there are some if not given.

    Raises:
        SwarmfieldError: The file cannot be written, or there are no groups to colour by.
    """
    from PIL import Image

    frames = film_frames(recording, chosen(recording, colour_by))
    images = [Image.fromarray(frame) for frame in frames]
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


def write_mp4(recording: Recording, path: str | Path, colour_by: ColourBy | None = None) -> None:
    """Write an episode as an MP4 film (H.264), ten steps a second.

    Args:
        recording: The episode.
        path: Where to write; an existing file is replaced once the new one is complete.
        colour_by: Its colours, `group` or `team`; of groups where there are some if not given.

    Raises:
        SwarmfieldError: The `video` extra is not installed, the file cannot be
            written, or there are no groups to colour by.
    """
    writer_of = _video_library().get_writer
    palette = film_palette()
    frames = film_frames(recording, chosen(recording, colour_by))
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
        for frame in frames:
            writer.append_data(palette[frame])


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
