"""Replays of crowds in a plane: density under the bodies, in pages and films."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from replays import browse, in_browser, skirmish

from swarmfield.replay_page import Recording, read_page, write_gif, write_page
from swarmfield.replay_page.colours import ON_LIGHT, channels, shades
from swarmfield.replay_page.density import DENSEST, crowds_of, densities_of, raster_of

MANY, FEW = 80, 60
WHITE = [255, 255, 255]


def plane(position: np.ndarray, team_of: np.ndarray, **changes) -> Recording:
    """Bodies in a square of side 1, in teams red, blue and green, none of which ever dies."""
    instants, bodies, _ = position.shape
    names = ("red", "blue", "green")[: team_of.max() + 1]
    fields = {
        "extent": (1.0, 1.0),
        "team_names": names,
        "team_of": team_of,
        "size": np.ones(bodies, int),
        "position": position,
        "alive": np.ones((instants, bodies), bool),
        "level": np.ones((instants, bodies)),
        "reward": np.zeros((instants, len(names)), np.float32),
        "walls": None,
        "group": None,
        "continuous": True,
    }
    return skirmish(instants, bodies, **{**fields, **changes})


def crowds(**changes) -> Recording:
    """80 red and 60 blue bodies in a plane of 4 x 2, and a green one, some of them outside."""
    generator = np.random.default_rng(3)
    fields = {
        "position": generator.normal((2, 1), 0.8, (3, MANY + FEW + 1, 2)),
        "team_of": np.repeat([0, 1, 2], [MANY, FEW, 1]),
        "extent": (4.0, 2.0),
    }
    return plane(**{**fields, **changes})


def corner(**changes) -> Recording:
    """80 bodies in the middle of the left, top cell of a square."""
    fields = {"position": np.full((1, MANY, 2), 0.5 / 32), "team_of": np.zeros(MANY, int)}
    return plane(**{**fields, **changes})


def test_a_crowd_is_a_large_team_in_a_plane():
    assert crowds_of(crowds()) == [0, 1]
    assert raster_of(crowds()) == (32, 16)
    on_a_grid = crowds(position=np.zeros((3, MANY + FEW + 1, 2), int), continuous=False)
    assert crowds_of(on_a_grid) == []


def test_a_cell_is_smoothed_with_its_neighbours():
    (share,) = densities_of(corner(), 0)
    # Beyond the border all is as at it, so that three quarters of each axis stay in the corner.
    by_axis = np.array([3, 1]) / 4
    expected = np.sqrt(np.outer(by_axis, by_axis) / by_axis[0] ** 2)
    np.testing.assert_allclose(share[:2, :2], expected)
    assert share[2:].max() == share[:, 2:].max() == 0


def test_the_dead_and_those_outside_are_not_counted():
    beside = corner(position=np.full((1, MANY, 2), [1.001, 0.5]))
    assert densities_of(beside, 0).max() == 0
    at_the_border = corner(position=np.full((1, MANY, 2), [1.0, 1.0]))
    assert densities_of(at_the_border, 0)[0, -1, -1] == 1
    half = np.arange(MANY)[None] % 2 == 0
    place = np.where(half[..., None], 0.5 / 32, (0.9, 0.9))
    found = densities_of(corner(position=place, alive=half), 0)
    np.testing.assert_allclose(found, densities_of(corner(), 0))


def test_all_crowds_are_measured_by_the_fullest_cell():
    position = np.where(np.arange(MANY + FEW + 1)[:, None] < MANY, 0.5, (3.5, 1.5))
    red, blue = densities_of(crowds(position=np.tile(position, (3, 1, 1))), 0)
    assert red.max() == 1
    assert blue.max() == pytest.approx(np.sqrt(FEW / MANY))
    assert ((red > 0) & (blue > 0)).sum() == 0


def first_frame(recording: Recording, path: Path) -> np.ndarray:
    write_gif(recording, path)
    with Image.open(path) as film:
        return np.asarray(film.convert("RGB"))


def test_a_film_is_shaded_where_the_crowd_is(tmp_path):
    pixels = first_frame(corner(), tmp_path / "replay.gif")
    field = pixels[36:-12, 12:-12]
    assert field.shape == (720, 720, 3)
    fullest = shades(ON_LIGHT[1], "#ffffff", 8, 0.0, DENSEST)[-1].tolist()
    # Beside the bodies' mark, which covers the middle of its cell.
    assert field[0, 0].tolist() == fullest
    assert field[360, 360].tolist() == WHITE
    two_of_forty = corner(team_of=np.arange(MANY) % 2)
    few = first_frame(two_of_forty, tmp_path / "few.gif")
    assert few[36, 12].tolist() == WHITE


def test_around_a_crowd_a_film_has_its_colours_only(tmp_path):
    position = np.repeat([[0.2, 0.2], [0.8, 0.8]], MANY, axis=0)[None]
    recording = plane(position, np.repeat([0, 1], MANY))
    field = first_frame(recording, tmp_path / "replay.gif")[36:-12, 12:-12]
    there = field[480:, 480:].reshape(-1, 3)
    # Blue (index 0) is never redder than white is, nor red (index 1) bluer.
    assert (there[:, 2] >= there[:, 0]).all()
    assert (field[:240, :240, 0] >= field[:240, :240, 2]).all()


def watched(recording: Recording, tmp_path: Path, script: str) -> dict:
    """What a script reports that runs in the recording's page."""
    write_page(recording, tmp_path / "replay.html")
    report = browse(tmp_path / "replay.html", tmp_path, script)
    assert report["errors"] == []
    return report


@in_browser
def test_pages_count_as_films_do(tmp_path):
    report = watched(
        crowds(),
        tmp_path,
        """
        const episode = await loadEpisode();
        const density = new Density(episode);
        const at = (axis) => (body) => episode.place(1, body)[axis];
        report.cells = density.measure(() => true, at(0), at(1)).map((cells) => [...cells]);
        """,
    )
    both = np.asarray(report["cells"]).reshape(2, 16, 32)
    expected = densities_of(read_page(tmp_path / "replay.html"), 1)
    np.testing.assert_allclose(np.sqrt(both / both.max()), expected, atol=1e-6)


@in_browser
def test_density_can_be_switched_off(tmp_path):
    report = watched(
        corner(),
        tmp_path,
        """
        const canvas = document.getElementById("field");
        const ratio = canvas.width / canvas.clientWidth;
        const side = Math.min(canvas.clientWidth - 128, canvas.clientHeight - 24);
        const pixel = () => {
          const x = canvas.clientWidth / 2 - side / 2 + side / 32 - 2;
          const y = canvas.clientHeight / 2 - side / 2 + 2;
          const { data } = canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1);
          return [...data.slice(0, 3)];
        };
        const look = async () => {
          await settle();
          return [pixel(), document.getElementById("dense").checked];
        };
        report.looks = [await look()];
        press("d"); report.looks.push(await look());
        click("dense"); report.looks.push(await look());
        """,
    )
    (shaded, on), (plain, off), again = report["looks"]
    assert (on, off) == (True, False)
    assert plain == WHITE
    red, _, blue = channels(ON_LIGHT[1]).tolist()
    assert shaded[0] > shaded[2]
    assert red < shaded[0] <= 255
    assert blue < shaded[2] < 255
    assert again == [shaded, True]


@in_browser
@pytest.mark.parametrize("mortal", [True, False])
def test_where_nobody_dies_life_is_not_spoken_of(mortal, tmp_path):
    alive = np.ones((3, MANY + FEW + 1), bool)
    alive[2, 0] = not mortal
    report = watched(
        crowds(alive=alive),
        tmp_path,
        """
        await settle();
        report.number = text("#number");
        report.count = document.querySelector("#teams tbody tr").cells[1].textContent;
        report.hidden = document.getElementById("living").hidden;
        document.getElementById("follow").value = 3;
        document.getElementById("follow").dispatchEvent(new Event("change"));
        await settle();
        report.body = text("#agent");
        """,
    )
    assert report["hidden"] is not mortal
    assert (report["number"], report["count"]) == (
        ("Alive", "80 / 80") if mortal else ("Number", "80")
    )
    assert ("health" in report["body"]) is mortal
