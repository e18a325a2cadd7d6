"""Replays coloured by group: colours and shapes, the legend, pages and films."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from replays import browse, in_browser, skirmish

from swarmfield.replay_page import Recording, read_page, write_gif, write_page
from swarmfield.replay_page.colours import (
    DARK,
    FIRST_GROUP,
    GROUPS_ON_DARK,
    GROUPS_ON_LIGHT,
    LIGHT,
    NEUTRAL,
    channels,
)
from swarmfield.replay_page.encoding import decode, encode
from swarmfield.replay_page.frames import INK, edge_of, mask_of
from swarmfield.replay_page.legend import Entry, legend, team_shapes
from swarmfield.types import SwarmfieldError

SHAPES = ("square", "circle", "diamond", "triangle")


def four(**changes) -> Recording:
    """Red on (1, 1) and (3, 1) in groups 0 and 1, blue on (1, 3) in group 0 and (3, 3) in none.

    The second red is dead at the last of three instants, and the first has joined it before.
    """
    fields = {
        "team_of": np.array([0, 0, 1, 1]),
        "extent": (8.0, 8.0),
        "size": np.ones(4, int),
        "position": np.tile(np.array([[1, 1], [3, 1], [1, 3], [3, 3]]), (3, 1, 1)),
        "alive": np.array([[True] * 4, [True] * 4, [True, False, True, True]]),
        "level": np.ones((3, 4)),
        "reward": np.zeros((3, 2), np.float32),
        "walls": None,
        "group": np.array([[0, 1, 0, -1], [1, 1, 0, -1], [1, 1, 0, -1]]),
    }
    return skirmish(3, 4, **{**fields, **changes})


def rgb(colours: tuple[str, ...], index: int) -> list[int]:
    return channels(colours[index]).tolist()


def test_groups_of_different_teams_have_different_colours_and_their_team_a_shape():
    first = FIRST_GROUP
    assert legend(four()) == [
        Entry(0, 0, first),
        Entry(0, 1, first + 1),
        Entry(1, 0, first + 2),
        Entry(1, -1, NEUTRAL),
    ]
    assert team_shapes(four()) == ["square", "circle"]
    assert team_shapes(four(continuous=True)) == ["circle", "square"]


def test_a_group_in_which_nobody_ever_lives_is_not_explained():
    group = np.where(np.arange(4) == 3, 7, four().group)
    alive = four().alive & (np.arange(4) < 3)
    assert [entry.group for entry in legend(four(group=group, alive=alive))] == [0, 1, 0]


@pytest.mark.parametrize("group", [None, np.full((3, 4), -1)])
def test_without_groups_there_is_nothing_to_explain(group, tmp_path):
    recording = four(group=group)
    assert legend(recording) == []
    for write in (write_page, write_gif):
        with pytest.raises(SwarmfieldError, match="nobody in this recording is in a group"):
            write(recording, tmp_path / "replay", "group")
    assert list(tmp_path.iterdir()) == []


def test_more_groups_than_colours_use_them_again():
    group = np.tile(np.arange(20), (3, 1))
    recording = skirmish(
        3, 20, group=group, team_of=np.zeros(20, int), alive=np.ones_like(group) > 0
    )
    colours = [entry.colour for entry in legend(recording)]
    assert colours == [FIRST_GROUP + place % len(GROUPS_ON_LIGHT) for place in range(20)]


# Red, green and blue light as people without one kind of cone see it, all of it missing:
# Machado, Oliveira and Fernandes 2009.
VISIONS = {
    "protan": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.052]],
    "deutan": [[0.3673, 0.8606, -0.228], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "tritan": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}
XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]


def perceived(colour: str, vision: list[list[float]]) -> np.ndarray:
    """A colour in CIE Lab as it is seen."""
    share = channels(colour) / 255
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    x, y, z = np.array(XYZ) @ np.clip(np.array(vision) @ light, 0, 1) / [0.9505, 1, 1.089]
    x, y, z = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISIONS.values(), ids=VISIONS)
@pytest.mark.parametrize("colours", [GROUPS_ON_LIGHT, GROUPS_ON_DARK], ids=["light", "dark"])
def test_groups_stay_apart_for_every_kind_of_colour_vision(colours, vision):
    seen = [perceived(colour, vision) for colour in colours]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 15


def test_groups_that_rarely_change_cost_little():
    rounds = np.random.default_rng(0).integers(0, 4, (8, 1000))
    recording = skirmish(
        400, 1000, position=np.zeros((400, 1000, 2), int), alive=np.ones((400, 1000), bool),
        level=np.ones((400, 1000)), group=np.repeat(rounds, 50, axis=0),
    )  # fmt: skip
    _, grouped = encode(recording)
    _, plain = encode(dataclasses.replace(recording, group=None))
    assert len(grouped) - len(plain) < 0.03 * recording.group.size
    np.testing.assert_array_equal(decode(*encode(recording)).group, recording.group)


def first_frame(recording: Recording, path: Path, *colour_by: str) -> np.ndarray:
    write_gif(recording, path, *colour_by)
    with Image.open(path) as film:
        return np.asarray(film.convert("RGB"))


def test_a_film_has_the_colours_of_groups_and_the_shapes_of_teams(tmp_path):
    pixels = first_frame(four(), tmp_path / "replay.gif")
    assert pixels.shape == (56 + 8 * 90 + 12, 12 + 8 * 90 + 12, 3)
    # 90 pixels a cell, below two lines of caption and right of the margin.
    at = {(x, y): pixels[56 + 90 * y :, 12 + 90 * x :] for x in (1, 3) for y in (1, 3)}
    for place, colour in zip([(1, 1), (3, 1), (1, 3), (3, 3)], [8, 9, 10, NEUTRAL], strict=True):
        assert at[place][45, 45].tolist() == rgb(LIGHT, colour)
    corners = [at[place][2, 2].tolist() for place in [(1, 1), (1, 3)]]
    assert corners == [rgb(LIGHT, 8), [255, 255, 255]]
    assert at[1, 1][0, 0].tolist() == channels(INK).tolist()


def test_a_film_can_have_the_colours_of_teams(tmp_path):
    pixels = first_frame(four(), tmp_path / "replay.gif", "team")
    assert pixels.shape[0] == 36 + 8 * 90 + 12
    assert pixels[36 + 90 + 2, 12 + 90 + 2].tolist() == rgb(LIGHT, 1)
    plain = first_frame(four(group=None), tmp_path / "plain.gif")
    np.testing.assert_array_equal(pixels, plain)


def test_a_caption_without_room_says_so(tmp_path):
    group = np.tile(np.arange(40), (2, 1))
    recording = skirmish(2, 40, group=group, alive=np.ones((2, 40), bool), walls=None)
    assert first_frame(recording, tmp_path / "replay.gif").shape[1] == 20 * 36 + 24


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_symmetric_and_have_an_edge(shape):
    for side in range(1, 30):
        mask, edge = mask_of(shape, side), edge_of(shape, side)
        np.testing.assert_array_equal(mask, mask[:, ::-1])
        assert mask.any(axis=1).all()
        assert (edge <= mask).all()
        assert edge.any()


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("groups") / "replay.html"
    write_page(four(), path)
    return path


# What stands in the legend, and whether it is shown.
EXPLAINED = """
  const pressed = (id) => document.getElementById(id).getAttribute("aria-pressed");
  const explained = () => ({
    entries: [...document.querySelectorAll("#groups li")].map((item) => item.textContent),
    hidden: document.getElementById("groups").hidden,
    pressed: [pressed("by-group"), pressed("by-team")],
  });
"""

# The colour at a place inside of a cell of 8 x 8, both from 0 to 1.
PIXELS = """
  const canvas = document.getElementById("field");
  const side = Math.min(canvas.clientWidth - 128, canvas.clientHeight - 24) / 8;
  const ratio = canvas.width / canvas.clientWidth;
  const pixel = (column, row, across = 0.5, down = 0.5) => {
    const x = canvas.clientWidth / 2 + (column + across - 4) * side;
    const y = canvas.clientHeight / 2 + (row + down - 4) * side;
    const { data } = canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1);
    return [...data.slice(0, 3)];
  };
"""


@in_browser
def test_the_legend_counts_the_living_members_of_each_group(page, tmp_path):
    report = browse(
        page,
        tmp_path,
        EXPLAINED
        + """
        report.steps = [];
        for (let step = 0; step < 3; step++) {
          await settle(); report.steps.push(explained().entries); press("ArrowRight");
        }
        """,
    )
    assert report["errors"] == []
    assert report["steps"] == [
        ["group 0: 1", "group 1: 1", "group 0: 1", "no group: 1"],
        ["group 0: 0", "group 1: 2", "group 0: 1", "no group: 1"],
        ["group 0: 0", "group 1: 1", "group 0: 1", "no group: 1"],
    ]


@in_browser
def test_colours_switch_between_groups_and_teams(page, tmp_path):
    report = browse(
        page,
        tmp_path,
        EXPLAINED
        + PIXELS
        + """
        const cells = [[1, 1], [3, 1], [1, 3], [3, 3]];
        const look = async () => {
          await settle();
          return { ...explained(), pixels: cells.map((cell) => pixel(...cell)),
            corners: [pixel(1, 1, 0.15, 0.15), pixel(1, 3, 0.15, 0.15)] };
        };
        report.looks = [await look()];
        click("by-team"); report.looks.push(await look());
        press("g"); report.looks.push(await look());
        """,
    )
    assert report["errors"] == []
    groups, teams, again = report["looks"]
    assert again == groups
    assert groups["pixels"] == [rgb(LIGHT, index) for index in (8, 9, 10, NEUTRAL)]
    assert teams["pixels"] == [rgb(LIGHT, index) for index in (1, 1, 0, 0)]
    white = [255, 255, 255]
    assert groups["corners"][0] != white
    assert groups["corners"][1] == white
    assert white not in teams["corners"]
    assert [groups["hidden"], teams["hidden"]] == [False, True]
    assert [groups["pressed"], teams["pressed"]] == [["true", "false"], ["false", "true"]]


@in_browser
def test_a_page_can_open_in_the_colours_of_teams(tmp_path):
    write_page(four(), tmp_path / "replay.html", "team")
    script = EXPLAINED + "await settle(); Object.assign(report, explained());"
    report = browse(tmp_path / "replay.html", tmp_path, script)
    assert (report["errors"], report["hidden"]) == ([], True)
    assert report["pressed"] == ["false", "true"]


@in_browser
def test_a_page_without_groups_offers_none(tmp_path):
    write_page(four(group=None), tmp_path / "replay.html")
    script = """
      press("g"); await settle();
      report.hidden = document.getElementById("colouring").hidden;
    """
    report = browse(tmp_path / "replay.html", tmp_path, EXPLAINED + PIXELS + script)
    assert (report["errors"], report["hidden"]) == ([], True)


@in_browser
def test_thousands_of_bodies_have_colours_of_groups_too(tmp_path):
    cells = np.stack(np.meshgrid(np.arange(100), np.arange(100)), axis=-1).reshape(-1, 2)
    recording = skirmish(
        2,
        10_000,
        extent=(100.0, 100.0),
        team_of=(cells[:, 0] >= 50).astype(int),
        size=np.ones(10_000, int),
        position=np.stack([cells, cells]),
        alive=np.ones((2, 10_000), bool),
        level=np.ones((2, 10_000)),
        walls=None,
        group=np.tile(cells[:, 1] // 50, (2, 1)),
    )
    write_page(recording, tmp_path / "replay.html")
    report = browse(
        tmp_path / "replay.html",
        tmp_path,
        """
        await settle();
        const canvas = document.getElementById("field");
        const side = Math.min(canvas.clientWidth - 128, canvas.clientHeight - 24);
        const share = (across, down, colour) => {
          const x = canvas.clientWidth / 2 + across * side;
          const y = canvas.clientHeight / 2 + down * side;
          const area = canvas.getContext("2d").getImageData(x, y, side / 5, side / 5).data;
          let count = 0;
          for (let i = 0; i < area.length; i += 4) {
            count += colour.every((value, j) => area[i + j] === value);
          }
          return count / (area.length / 4);
        };
        """
        f"const colours = {[rgb(LIGHT, FIRST_GROUP + place) for place in range(4)]};"
        """
        report.shares = [[-0.3, -0.3], [-0.3, 0.1], [0.1, -0.3], [0.1, 0.1]]
          .map(([across, down]) => colours.map((colour) => share(across, down, colour)));
        """,
    )
    assert report["errors"] == []
    shares = np.array(report["shares"])
    assert (np.diag(shares) > 0.25).all()
    assert (shares - np.diag(np.diag(shares)) == 0).all()


@in_browser
def test_shapes_are_the_same_in_pages_and_films(page, tmp_path):
    script = f"""
      report.insets = {list(SHAPES)}.map((shape) =>
        Array.from({{ length: 20 }}, (_, i) => Array.from(insetsOf(shape, i + 1))));
    """
    report = browse(page, tmp_path, script)
    for shape, sides in zip(SHAPES, report["insets"], strict=True):
        for insets in sides:
            side = len(insets)
            expected = (side - mask_of(shape, side).sum(axis=1)) // 2
            np.testing.assert_array_equal(insets, expected, err_msg=f"{shape} of {side}")


def test_the_page_holds_the_groups(page):
    recording = read_page(page)
    np.testing.assert_array_equal(recording.group[recording.alive], four().group[four().alive])


def test_colours_of_both_themes_are_told_by_the_same_numbers():
    assert len(LIGHT) == len(DARK) == NEUTRAL + 1
