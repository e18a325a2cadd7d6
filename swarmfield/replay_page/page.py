"""The replay page: one HTML file that holds the player and the episode, and needs no network."""

from __future__ import annotations

import base64
import html
import json
import re
from importlib import resources
from pathlib import Path

from swarmfield.replay_page.colours import DARK, LIGHT, NEUTRAL, faintest_of, team_palette
from swarmfield.replay_page.density import density_header
from swarmfield.replay_page.encoding import decode, encode
from swarmfield.replay_page.files import finished_file
from swarmfield.replay_page.legend import ColourBy, chosen, legend, team_shapes
from swarmfield.replay_page.recording import Recording
from swarmfield.types import SwarmfieldError

SCRIPTS = (
    "data.js",
    "camera.js",
    "shapes.js",
    "density.js",
    "field.js",
    "charts.js",
    "legend.js",
    "player.js",
    "controls.js",
)
MOST_BODY_INSTANTS = 50_000_000
"""Bodies times instants: about 400 MB in the browser."""


class TooLargeError(SwarmfieldError):
    """An episode of too many bodies and instants to be kept or shown."""


def write_page(recording: Recording, path: str | Path, colour_by: ColourBy | None = None) -> None:
    """Write an episode as one self-contained HTML file with a player.

    Args:
        recording: The episode.
        path: Where to write; an existing file is replaced once the new one is complete.
        colour_by: The colours it opens with, `group` or `team`; of groups where there are some
            if not given.

    Raises:
        TooLargeError: The recording is too large for a browser.
        SwarmfieldError: The file cannot be written, or there are no groups to colour by.
    """
    colour_by = chosen(recording, colour_by)
    amount = recording.num_bodies * recording.num_instants
    if amount > MOST_BODY_INSTANTS:
        raise TooLargeError(
            f"{recording.num_bodies} bodies at {recording.num_instants} instants are too much for "
            f"a browser, which can hold {MOST_BODY_INSTANTS:,} bodies times instants; record at "
            f"most {MOST_BODY_INSTANTS // recording.num_bodies} instants."
        )
    with finished_file(path) as temporary:
        temporary.write_text(_render(recording, colour_by), encoding="utf-8")


def read_page(path: str | Path) -> Recording:
    """Read the episode back from a page that `write_page` wrote, up to its quantisation.

    Args:
        path: The page.

    Raises:
        SwarmfieldError: The file cannot be read, is no replay page, or is damaged.
    """
    try:
        page = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SwarmfieldError(f"Cannot read the replay page {path}: {error}.") from error
    header, data = (_section(page, name) for name in ("header", "recording"))
    if header is None or data is None:
        raise SwarmfieldError(f"{path} is not a complete replay page; write it again.")
    return decode(json.loads(header), base64.b64decode(data))


def _render(recording: Recording, colour_by: ColourBy) -> str:
    header, compressed = encode(recording)
    header["palette"] = team_palette(recording.team_names)
    header["colours"] = {
        "light": LIGHT,
        "dark": DARK,
        "faintest": [faintest_of(index) for index in range(len(LIGHT))],
        "neutral": NEUTRAL,
    }
    header["legend"] = [entry._asdict() for entry in legend(recording)]
    header["density"] = density_header(recording)
    header["shapes"] = team_shapes(recording)
    header["colourBy"] = colour_by
    parts = {
        "title": html.escape(recording.title),
        "style": _template("style.css"),
        "script": "\n".join(_template(name) for name in SCRIPTS),
        # A title may hold "</script>"; in JSON "<" can be written so that no parser sees it.
        "header": json.dumps(header).replace("<", "\\u003c"),
        "recording": base64.b64encode(compressed).decode("ascii"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _template("page.html"))


def _template(name: str) -> str:
    return resources.files("swarmfield.replay_page").joinpath(name).read_text(encoding="utf-8")


def _section(page: str, name: str) -> str | None:
    match = re.search(rf'<script id="{name}" type="[^"]*">(.*?)</script>', page, re.DOTALL)
    return match and match[1]
