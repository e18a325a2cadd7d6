"""The replay page: its encoding, its films, and the player in a real headless browser."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageSequence
from replays import browse, in_browser, skirmish

from swarmfield.replay_page import Recording, read_page, write_gif, write_mp4, write_page
from swarmfield.replay_page.colours import ON_DARK, ON_LIGHT, channels, shades, team_palette
from swarmfield.replay_page.encoding import decode, encode
from swarmfield.types import SwarmfieldError


def flock(instants: int = 30, bodies: int = 7) -> Recording:
    """Points that drift over a plane and out of it."""
    generator = np.random.default_rng(1)
    position = generator.normal(0, 0.1, (instants, bodies, 2)).cumsum(axis=0) + 1
    return skirmish(
        instants,
        bodies,
        extent=(2.0, 2.0),
        position=position,
        walls=None,
        group=None,
        continuous=True,
    )


def assert_same(ours: Recording, theirs: Recording, tolerance: float) -> None:
    """Equal where it shows: of the dead nothing but their death is kept."""
    seen = theirs.alive
    np.testing.assert_array_equal(ours.alive, seen)
    for name in ("team_of", "size", "reward", "walls"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    np.testing.assert_allclose(ours.position[seen], theirs.position[seen], atol=tolerance)
    np.testing.assert_allclose(ours.level[seen], theirs.level[seen], atol=1e-6)
    if theirs.group is not None:
        np.testing.assert_array_equal(ours.group[seen], theirs.group[seen])
    for name in ("title", "extent", "team_names", "continuous"):
        assert getattr(ours, name) == getattr(theirs, name)


@pytest.mark.parametrize("seed", range(5))
def test_a_grid_survives_encoding_exactly(seed):
    recording = skirmish(seed=seed, bodies=3 + seed)
    assert_same(decode(*encode(recording)), recording, tolerance=0)


def test_bodies_that_appear_late_survive_encoding():
    alive = np.zeros((12, 9), bool)
    alive[5:8, 0] = alive[::2, 1] = True
    recording = skirmish(alive=alive)
    assert_same(decode(*encode(recording)), recording, tolerance=0)


def test_a_plane_survives_encoding_up_to_its_unit():
    recording = flock()
    spread = np.ptp(recording.position[recording.alive], axis=0).max()
    assert_same(decode(*encode(recording)), recording, tolerance=max(spread, 4) / 65_535)


def test_a_still_world_costs_almost_nothing():
    still = np.broadcast_to(np.array([3, 4]), (400, 1000, 2))
    recording = skirmish(
        400, 1000, position=still, alive=np.ones((400, 1000), bool), level=np.ones((400, 1000)),
        group=None, reward=np.zeros((400, 2), np.float32),
    )  # fmt: skip
    assert len(encode(recording)[1]) < 10_000


def test_a_page_can_be_read_back_and_loads_nothing(tmp_path):
    recording = skirmish()
    write_page(recording, tmp_path / "replay.html")
    assert_same(read_page(tmp_path / "replay.html"), recording, tolerance=0)
    page = (tmp_path / "replay.html").read_text()
    assert re.findall(r"(?:src|href)=|https?://|@import|\bfetch\(", page) == []
    assert page.count("</script>") == 3
    assert "{{" not in page
    assert [path.name for path in tmp_path.iterdir()] == ["replay.html"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extent": (20.0, 0.0)}, r"extent is \(20.0, 0.0\)"),
        ({"team_names": ()}, "1 to 255 teams, not 0"),
        ({"position": np.zeros((12, 9, 3))}, r"position has shape \(12, 9, 3\)"),
        ({"alive": np.ones((12, 8), bool)}, r"alive has shape \(12, 8\), but must have \(12, 9\)"),
        ({"reward": np.zeros((12, 3), np.float32)}, r"reward has shape \(12, 3\)"),
        ({"walls": np.zeros((20, 10), bool)}, r"walls has shape \(20, 10\).* \(10, 20\)"),
        ({"position": np.full((12, 9, 2), np.nan)}, "position holds 216 number"),
        ({"reward": np.full((12, 2), np.inf, np.float32)}, "reward holds 24 number"),
        ({"level": np.full((12, 9), 1.5)}, "level ranges from 1.5 to 1.5"),
        ({"team_of": np.full(9, 2)}, "team_of ranges from 2 to 2"),
        ({"size": np.zeros(9, int)}, "size ranges from 0 to 0"),
        ({"group": np.full((12, 9), 255)}, "group ranges from 255 to 255"),
        ({"position": np.full((12, 9, 2), 9)}, r"Body 1 is at \(9, 9\) at instant 0"),
        ({"position": np.full((12, 9, 2), 0.5)}, r"Body 0 is at \(0.5, 0.5\).*continuous=True"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(changes, message):
    # Changed behind the constructor, whose annotated shapes the tests would check first.
    recording = skirmish()
    for name, value in changes.items():
        object.__setattr__(recording, name, value)
    with pytest.raises(SwarmfieldError, match=message) as refusal:
        recording.__post_init__()
    assert "\n" not in str(refusal.value)


def test_too_much_for_a_browser_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("swarmfield.replay_page.page.MOST_BODY_INSTANTS", 90)
    with pytest.raises(SwarmfieldError, match="record at most 10 instants"):
        write_page(skirmish(), tmp_path / "replay.html")


@pytest.mark.parametrize("write", [write_page, write_gif])
def test_a_missing_folder_is_refused_and_nothing_is_left(write, tmp_path):
    with pytest.raises(SwarmfieldError, match=r"Cannot write .*nowhere"):
        write(skirmish(), tmp_path / "nowhere" / "replay")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"), [("<html></html>", "not a complete replay page"), (None, "Cannot read")]
)
def test_a_foreign_page_is_refused(text, message, tmp_path):
    path = tmp_path / "page.html"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SwarmfieldError, match=message):
        read_page(path)


def test_a_gif_shows_every_step_in_the_teams_colours(tmp_path):
    recording = skirmish(instants=4, group=None, alive=np.ones((4, 9), bool), walls=None)
    recording = dataclasses.replace(recording, level=np.ones((4, 9)))
    write_gif(recording, tmp_path / "replay.gif")
    with Image.open(tmp_path / "replay.gif") as film:
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
    assert len(frames) == 4
    for instant, pixels in enumerate(frames):
        x, y = recording.position[instant, 8]
        # 36 pixels a cell, below the caption and right of the margin; the last is drawn last
        # of its size, but a larger one may lie on it.
        colour = tuple(pixels[36 + 36 * y + 1, 12 + 36 * x + 1].tolist())
        assert colour in {tuple(channels(ON_LIGHT[index]).tolist()) for index in (0, 1)}
        sides = {*np.unique(pixels.reshape(-1, 3), axis=0).astype(int).sum(-1).tolist()}
        assert int(channels(ON_LIGHT[1]).astype(int).sum()) in sides


def test_an_mp4_has_every_step(tmp_path):
    pytest.importorskip("imageio", reason="the video extra is not installed")
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="the video extra is not installed")
    jax.block_until_ready(jnp.zeros(1))  # JAX warns of forks once it runs: there must be none
    write_mp4(skirmish(instants=7), tmp_path / "replay.mp4")
    assert ffmpeg.count_frames_and_secs(str(tmp_path / "replay.mp4"))[0] == 7


def test_a_missing_video_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(SwarmfieldError, match=re.escape("pip install 'swarmfield[video]'")):
        write_mp4(skirmish(), tmp_path / "replay.mp4")
    assert list(tmp_path.iterdir()) == []


def test_teams_named_after_colours_have_them():
    assert team_palette(["red", "blue"]) == [1, 0]
    assert team_palette(["predators", "prey"]) == [0, 1]
    assert team_palette(["left", "blue (random)", "right"]) == [1, 0, 2]
    assert len(set(team_palette([str(n) for n in range(8)]))) == 8


@pytest.mark.parametrize(("colours", "background"), [(ON_LIGHT, "#ffffff"), (ON_DARK, "#12161b")])
def test_colours_stand_out_from_their_background(colours, background):
    for colour in colours:
        assert contrast(colour, background) >= 3
    assert shades(colours[0], background, 8)[-1].tolist() == channels(colours[0]).tolist()


def contrast(colour: str, background: str) -> float:
    """WCAG 2 contrast ratio; 3 is asked of graphics."""
    brighter, darker = sorted((luminance(colour), luminance(background)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    share = channels(colour) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "replay.html"
    write_page(skirmish(instants=41), path)
    return path


@in_browser
def test_the_browser_unpacks_the_same_episode(page, tmp_path):
    recording = read_page(page)
    report = browse(
        page,
        tmp_path,
        """
        const episode = await loadEpisode();
        for (const name of ["x", "y", "alive", "level", "group", "reward", "teamOf", "size"]) {
          report[name] = Array.from(episode[name]);
        }
        report.walls = Array.from({ length: 200 },
          (_, i) => episode.wall(i % 20, Math.floor(i / 20)));
        report.counts = Array.from(episode.aliveCount);
        """,
    )
    assert report["errors"] == []
    seen = recording.alive.ravel()
    np.testing.assert_array_equal(report["alive"], seen)
    for axis, name in enumerate(("x", "y")):
        np.testing.assert_array_equal(report[name], recording.position[..., axis].ravel())
    np.testing.assert_array_equal(report["level"], np.rint(recording.level.ravel() * 255))
    np.testing.assert_array_equal(report["group"], recording.group.ravel() % 256)
    np.testing.assert_allclose(report["reward"], recording.reward.ravel())
    np.testing.assert_array_equal(report["walls"], recording.walls.ravel())
    np.testing.assert_array_equal(report["counts"], recording.alive_counts().ravel())
    np.testing.assert_array_equal(report["teamOf"], recording.team_of)
    np.testing.assert_array_equal(report["size"], recording.size)


@in_browser
def test_the_player_shows_names_counts_and_returns(page, tmp_path):
    recording = read_page(page)
    report = browse(
        page,
        tmp_path,
        """
        await settle();
        report.heading = text("h1");
        report.summary = text("#summary");
        report.teams = [...document.querySelectorAll("#teams tbody tr")].map((row) =>
          [...row.cells].map((cell) => cell.textContent));
        report.step_text = text("#step");
        click("total"); click("each"); await settle();
        report.reward_label = document.getElementById("reward").getAttribute("aria-label");
        """,
        "#step=30",
    )
    counts, total = recording.alive_counts()[30], recording.reward[:31].sum(axis=0)
    assert report["errors"] == []
    assert report["state"] == "ready"
    assert report["heading"] == recording.title
    assert report["summary"] == "9 bodies · 20 \N{MULTIPLICATION SIGN} 10 · 40 steps"
    assert report["step_text"] == "30 / 40"
    for row, name, count, members, returned in zip(
        report["teams"], ("red", "blue"), counts, (5, 4), total, strict=True
    ):
        assert row[:2] == [name, f"{count} / {members}"]
        assert float(row[2].replace("\N{MINUS SIGN}", "-")) == pytest.approx(returned, abs=0.051)
    assert f"in this step: red {recording.reward[30, 0]:.2f}" in report["reward_label"]


@in_browser
def test_keys_and_buttons_move_through_the_episode(page, tmp_path):
    report = browse(
        page,
        tmp_path,
        """
        const steps = [];
        const note = async () => { await settle(); steps.push(Number(state.step)); };
        press("ArrowRight"); await note();
        press("ArrowRight", { shiftKey: true }); await note();
        press("ArrowLeft"); await note();
        click("forward"); await note();
        press("End"); await note();
        press("ArrowRight"); await note();
        press("Home"); await note();
        document.getElementById("scrub").value = 17;
        document.getElementById("scrub").dispatchEvent(new Event("input")); await note();
        report.steps = steps;
        press("]"); press("]"); report.fast = state.speed;
        for (let i = 0; i < 9; i++) press("[");
        report.slow = state.speed;
        press("+"); await settle(); report.closer = Number(state.zoom);
        press("0"); await settle(); report.whole = Number(state.zoom);
        document.getElementById("field").dispatchEvent(new WheelEvent("wheel", { deltaY: -400 }));
        await settle(); report.wheel = Number(state.zoom);
        """,
    )
    assert report["errors"] == []
    assert report["steps"] == [1, 11, 10, 11, 40, 40, 0, 17]
    assert (report["fast"], report["slow"]) == ("4", "0.25")
    assert (report["closer"], report["whole"]) == (1.5, 1.0)
    assert report["wheel"] > 1.5


@in_browser
def test_it_plays_to_the_end_and_again(page, tmp_path):
    report = browse(
        page,
        tmp_path,
        """
        const label = () => document.getElementById("play").getAttribute("aria-label");
        for (let i = 0; i < 3; i++) press("]");
        press(" "); report.while_playing = [state.playing, label()];
        let frames = 0;
        while (state.playing === "true" && frames++ < 2000) await settle();
        report.at_end = [state.playing, label(), state.step];
        click("play"); await settle(); click("play"); await settle();
        report.again = [state.playing, Number(state.step) < 40];
        """,
    )
    assert report["errors"] == []
    assert report["while_playing"] == ["true", "Pause"]
    assert report["at_end"] == ["false", "Play", "40"]
    assert report["again"] == ["false", True]


@in_browser
def test_pointing_names_the_agent_and_its_pixel_has_the_teams_colour(tmp_path):
    # A single blue body on (2, 1) of 4 x 4 cells.
    recording = skirmish(
        2,
        1,
        extent=(4.0, 4.0),
        team_names=("blue",),
        position=np.full((2, 1, 2), [2, 1]),
        alive=np.array([[True], [False]]),
        level=np.ones((2, 1)),
        reward=np.zeros((2, 1), np.float32),
        walls=None,
        group=None,
    )
    write_page(recording, tmp_path / "replay.html")
    report = browse(
        tmp_path / "replay.html",
        tmp_path,
        """
        await settle();
        const field = document.getElementById("field");
        const box = field.getBoundingClientRect();
        const side = Math.min(box.width - 128, box.height - 24) / 4;
        const x = box.width / 2 + 0.5 * side, y = box.height / 2 - 0.5 * side;
        const where = { clientX: box.left + x, clientY: box.top + y, pointerId: 1, bubbles: true };
        field.dispatchEvent(new PointerEvent("pointermove", where)); await settle();
        report.tip = document.getElementById("tip").textContent;
        const ratio = field.width / box.width;
        const pixel = (x, y) =>
          [...field.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data.slice(0, 3)];
        report.body = pixel(x, y);
        report.beside = pixel(x - side, y);
        press("ArrowRight"); await settle();
        report.after_death = pixel(x, y);
        """,
    )
    assert report["errors"] == []
    assert report["tip"] == "Body 0 · blue\nhealth 100 %\nposition 2, 1"
    assert report["body"] == channels(ON_LIGHT[0]).tolist()
    assert report["beside"] == report["after_death"] == [255, 255, 255]


@in_browser
def test_thousands_of_bodies_are_drawn_as_pixels_in_their_colours(tmp_path):
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
        group=None,
    )
    write_page(recording, tmp_path / "replay.html")
    report = browse(
        tmp_path / "replay.html",
        tmp_path,
        f"const colours = {[channels(ON_LIGHT[index]).tolist() for index in (1, 0)]};"
        """
        await settle();
        const { width, height } = document.getElementById("field");
        const context = document.getElementById("field").getContext("2d");
        const share = (left, colour) => {
          const area = context.getImageData(left, height * 0.25, width / 12, height / 2).data;
          let count = 0;
          for (let i = 0; i < area.length; i += 4) {
            count += colour.every((value, j) => area[i + j] === value);
          }
          return count / (area.length / 4);
        };
        report.shares = [width * 0.38, width * 0.54].map((left) =>
          colours.map((colour) => share(left, colour)));
        """,
    )
    assert report["errors"] == []
    (own_left, foreign_left), (foreign_right, own_right) = report["shares"]
    assert min(own_left, own_right) > 0.5
    assert foreign_left == foreign_right == 0


@in_browser
def test_following_an_agent(page, tmp_path):
    recording = read_page(page)
    report = browse(
        page,
        tmp_path,
        """
        const follow = document.getElementById("follow");
        const change = new Event("change");
        follow.value = "4"; follow.dispatchEvent(change); await settle();
        report.agent = text("#agent");
        follow.value = "99"; follow.dispatchEvent(change); await settle();
        report.nobody = text("#agent");
        """,
        "#step=1",
    )
    x, y = recording.position[1, 4].astype(int)
    alive = recording.alive[1]
    assert report["errors"] == []
    assert report["agent"].startswith("Body 4 · red")
    assert f"position {x}, {y}" in report["agent"] or not alive[4]
    assert report["nobody"] == ""


@in_browser
def test_a_plane_is_shown(tmp_path):
    write_page(flock(), tmp_path / "replay.html")
    report = browse(tmp_path / "replay.html", tmp_path, "await settle();", "#step=7")
    assert (report["errors"], report["state"], report["step"]) == ([], "ready", "7")


@in_browser
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda page: page.replace(' id="recording" type="text/plain">e', "!"), "damaged"),
        (lambda page: page[: len(page) - len("</script>\n</body>\n</html>\n") - 40], "damaged"),
        (lambda page: page[: page.index('<script id="header"')], "cut off"),
    ],
)
def test_a_damaged_page_says_so(damage, message, page, tmp_path):
    damaged = tmp_path / "damaged.html"
    damaged.write_text(damage(page.read_text()))
    report = browse(damaged, tmp_path, 'report.problem = text("#problem");')
    assert report["state"] == "error"
    assert message in report["problem"]


@in_browser
def test_an_old_browser_is_told(page, tmp_path):
    old = tmp_path / "old.html"
    old.write_text(
        page.read_text().replace("<script>", "<script>delete globalThis.DecompressionStream;", 1)
    )
    report = browse(old, tmp_path, 'report.problem = text("#problem");')
    assert report["state"] == "error"
    assert "too old" in report["problem"]
