"""Leagues: everyone meets everyone once, and what was played is kept."""

import contextlib
import dataclasses
import itertools
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny
from toy import Toy, ToyConfig

import swarmfield
from swarmfield import SwarmfieldError, elo, load, make
from swarmfield.training import entrants, play
from swarmfield.training import league as leagues
from swarmfield.training.evaluate import play_all
from swarmfield.training.play import opposed
from swarmfield.training.playing import Episodes
from swarmfield.training.standings import Meeting, cross_table, meeting_of, rating_table, standings

TOY = f"train iql toy --env.num-agents 3 --num-envs 2 {tiny.LEARNING}"
SEEDS = f"{TOY} --env-steps 72 --evaluations 2 --report-every 18 --seeds 0:2"
NAMES = {"a", "b seed 0", "b seed 1", "random"}
OPTIONS = "random --episodes 6 --seeds all"
FILES = {"league.json", "league.md", "league.png"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, `a`, and `b` with two seeds; and the league of all in `whole`."""
    root = tmp_path_factory.mktemp("league")
    shutil.copytree(tiny.finished(tiny.TOY_RUN), root / "a")
    shutil.copytree(tiny.finished(SEEDS), root / "b")
    said = tiny.swarmfield(f"league {root}/a {root}/b {OPTIONS} --output {root}/whole")
    assert said.code == 0, said.err
    (root / "said").write_text(said.out)
    return root


def read(folder: Path) -> dict:
    return json.loads((folder / "league.json").read_text())


def test_a_league_leaves_what_is_promised(place: Path) -> None:
    assert {file.name for file in (place / "whole").iterdir()} == FILES
    assert (place / "whole/league.png").read_bytes().startswith(b"\x89PNG")
    found, said = read(place / "whole"), (place / "said").read_text()
    assert {player["name"] for player in found["players"]} == NAMES
    assert {"versions", "device", "options", "env", "environment"} <= set(found)
    pairs = {frozenset((pair["first"], pair["second"])) for pair in found["pairs"]}
    assert pairs == {frozenset(pair) for pair in itertools.combinations(NAMES, 2)}
    assert all(pair["wins"] + pair["ties"] + pair["losses"] == 6 for pair in found["pairs"])
    markdown = (place / "whole/league.md").read_text()
    for line in found["elo"]:
        assert line["low"] <= line["elo"] <= line["high"]
        assert f"| {line['player']} | {'random' if line['player'] == 'random' else 'iql'} |" in (
            markdown
        )
    assert [line["elo"] for line in found["elo"]] == sorted(
        (line["elo"] for line in found["elo"]), reverse=True
    )
    assert "[6/6]" in said
    assert all(str(place / "whole" / name) in said for name in FILES)


def test_the_matrix_is_what_the_pairs_say(place: Path) -> None:
    found = read(place / "whole")
    matrix = found["matrix"]
    assert matrix["players"] == [line["player"] for line in found["elo"]]
    rates = np.array(matrix["win_rate"], float)
    differences = np.array(matrix["return_difference"], float)
    np.testing.assert_allclose(rates + rates.T, np.where(np.eye(4), np.nan, 1))
    np.testing.assert_allclose(differences + differences.T, np.where(np.eye(4), np.nan, 0))
    np.testing.assert_array_equal(matrix["episodes"], 6 - 6 * np.eye(4))
    for pair in found["pairs"]:
        i, j = (matrix["players"].index(pair[name]) for name in ("first", "second"))
        assert rates[i, j] == (pair["wins"] + pair["ties"] / 2) / 6
        assert differences[i, j] == pair["return_first"] - pair["return_second"]
    np.testing.assert_allclose(
        [line["win_rate"] for line in found["elo"]], np.nanmean(rates, axis=1)
    )


def test_every_pair_plays_what_its_two_would_play_alone(place: Path) -> None:
    """Though pairs of a kind share a program: with the parameters of these two."""
    found = read(place / "whole")
    number = [(pair["first"], pair["second"]) for pair in found["pairs"]].index(
        ("b seed 0", "b seed 1")
    )
    players = [load(place / "b", seed=seed, env={"num_agents": 3}) for seed in (0, 1)]
    match, _ = opposed(players[0], "self")
    key = jax.random.fold_in(jax.random.key(0), number)
    episodes = play_all(match, 6, players[0].parameters, players[1].parameters, key)
    alone = meeting_of("b seed 0", "b seed 1", episodes)
    assert Meeting(**found["pairs"][number]) == alone


def test_pairs_of_a_kind_share_a_program(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built = []
    evaluator = leagues.evaluator
    monkeypatch.setattr(leagues, "evaluator", lambda *a: built.append(a) or evaluator(*a))
    report = swarmfield.league(
        place / "b", "random", place / "a", episodes=6, seeds="all", output=tmp_path, quiet=True
    )
    assert len(built) == 2
    # In whichever order they are named.
    assert report["pairs"] == read(place / "whole")["pairs"]
    assert report["elo"] == read(place / "whole")["elo"]


def test_a_stopped_league_goes_on_where_it_was(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    played = []

    def stopping(*arguments: object) -> Episodes:
        if len(played) == 2:
            raise KeyboardInterrupt
        played.append(arguments)
        return play_one(*arguments)

    play_one = leagues.play_one
    monkeypatch.setattr(leagues, "play_one", stopping)
    command = f"league {place}/a {place}/b {OPTIONS} --output {tmp_path}/part"
    said = tiny.swarmfield(command)
    assert said.code == 130
    assert f"2 of 6 pairs in {tmp_path}/part/league.json" in said.err
    assert len(read(tmp_path / "part")["pairs"]) == 2
    monkeypatch.setattr(leagues, "play_one", lambda *a: played.append(a) or play_one(*a))
    said = tiny.swarmfield(command)
    assert said.code == 0, said.err
    assert "2 of the pairs were played before" in said.out
    assert len(played) == 6
    assert tiny.files(tmp_path / "part") == tiny.files(place / "whole")


@pytest.mark.parametrize(
    ("runs", "options", "words"),
    [
        ("a b random", "--episodes 8 --seeds all", "other options"),
        ("a b random", "--episodes 6", "other options"),
        ("a b", "--episodes 6 --seeds all", "other players"),
        ("a b random", "--episodes 6 --seeds all --env.max-steps 4", "options of the environment"),
    ],
)
def test_another_league_is_not_mixed_with_it(
    runs: str, options: str, words: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tiny.files(place / "whole")
    monkeypatch.chdir(place)
    said = tiny.swarmfield(f"league {runs} {options} --output whole")
    assert said.code == 2
    assert words in said.err
    assert "choose another --output" in said.err
    assert said.err.count("\n") == 1
    assert tiny.files(place / "whole") == before


@pytest.mark.parametrize("pairs", [None, [{"first": "a"}], ["a"]])
def test_a_damaged_league_is_refused(pairs: object, place: Path, tmp_path: Path) -> None:
    (tmp_path / "league.json").write_text(json.dumps(read(place / "whole") | {"pairs": pairs}))
    said = tiny.swarmfield(f"league {place}/a {place}/b {OPTIONS} --output {tmp_path}")
    assert said.code == 2
    assert "damaged" in said.err
    assert "choose another --output" in said.err


def test_the_next_free_name_is_taken(place: Path, tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path):
        reports = [
            swarmfield.league(place / "a", "random", episodes=2, quiet=True) for _ in range(2)
        ]
    assert [report["folder"] for report in reports] == ["league", "league-2"]
    assert tiny.files(tmp_path / "league") == tiny.files(tmp_path / "league-2")
    assert reports[0]["players"][0]["name"] == "a"


def test_runs_of_one_name_are_told_apart(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "b", tmp_path / "a")
    found, world = entrants.enter([f"{place}/a", f"{tmp_path}/a"], "last", "first", {})
    assert {each.name for each in found} == {f"{place}/a", f"{tmp_path}/a"}
    assert world == {"num_agents": 3, "max_steps": 8, "min_steps": None, "num_dead": 0}


def test_a_world_of_other_size_is_everyones(place: Path) -> None:
    found, world = entrants.enter([f"{place}/a", f"{place}/b"], "last", "first", {"num_agents": 5})
    assert world["num_agents"] == 5
    assert all(each.player and each.player.team.num_agents == 5 for each in found)


@pytest.mark.parametrize(
    ("runs", "options", "message"),
    [
        (["a"], {}, "two players or more, but a is alone"),
        (["b"], {}, "two players or more, but b is alone"),
        (["random"], {}, "needs a run's folder"),
        ([], {}, "needs a run's folder"),
        (["a", "a"], {}, "a is named twice"),
        (["a", "a/../a"], {}, "a/../a, the same as a, is named twice"),
        (["a", "random", "random"], {}, "random is named twice"),
        (["a", "nowhere"], {}, "no run folder nowhere"),
        (["a", "b"], {"episodes": 0}, "--episodes is 0"),
        (["a", "b"], {"output": "a/config.json"}, "Cannot write a/config.json/league.json"),
    ],
)
def test_what_is_no_league_is_refused(
    runs: list, options: dict, message: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    with pytest.raises(SwarmfieldError, match=message) as caught:
        swarmfield.league(*runs, **options, quiet=True)
    assert "\n" not in str(caught.value)
    assert not (place / "league").exists()


def test_one_run_with_several_seeds_is_a_league(place: Path) -> None:
    found, _ = entrants.enter([f"{place}/b"], "last", "all", None)
    assert [each.name for each in found] == ["b seed 0", "b seed 1"]


def test_sides_must_be_interchangeable() -> None:
    with pytest.raises(SwarmfieldError, match=r"not interchangeable.*cannot meet in it"):
        play.require_interchangeable(make("adversarial_pursuit", map_size=12))


class Friendly(Toy):
    """Nobody wins."""

    def _timestep(self, *arguments):
        timestep = super()._timestep(*arguments)
        return dataclasses.replace(timestep, measures={"score": timestep.reward.sum()})


def test_somebody_must_win() -> None:
    with pytest.raises(SwarmfieldError, match=r"does not tell who wins.*it has score"):
        entrants.require_winners(Friendly(ToyConfig(num_agents=3)))


def test_a_meeting_by_hand() -> None:
    won = np.array([1.0, 1.0, 0.5, 0.0])
    returns = {"learner": np.array([4.0, 2.0, 0.0, 2.0]), "opponent": np.array([1.0, 1, 1, 1])}
    measures = {"learner": {"win_rate": won}, "opponent": {"win_rate": 1 - won}}
    met = meeting_of("a", "b", Episodes(returns, measures, np.full(4, 9, np.int32)))
    # Differences 3, 1, -1, 1: mean 1, deviation sqrt(8/3), over 2, times t(0.975, 3) = 3.18245.
    assert met.return_difference_ci95 == pytest.approx(3.18245 * np.sqrt(8 / 3) / 2, rel=1e-5)
    assert (met.wins, met.ties, met.losses) == (2, 1, 1)
    assert (met.win_rate, met.return_difference, met.episodes) == (0.625, 1.0, 4)
    turned = met.turned()
    assert (turned.first, turned.win_rate, turned.return_difference) == ("b", 0.375, -1.0)
    assert turned.turned() == met


def test_tables_by_hand() -> None:
    names = ["a", "b", "random"]
    met = [
        Meeting("a", "b", 1, 2, 1, 2.0, 2.04, 0.1),
        Meeting("a", "random", 4, 0, 0, 12.34, 0.0, 0.1),
        Meeting("b", "random", 3, 1, 0, 9.0, 0.0, 0.1),
    ]
    players = [{"name": name, "algorithm": name.upper()} for name in names]
    report = {"players": players, **standings(names, met)}
    head, lines = cross_table(report)
    assert head == ["#", "player", "1", "2", "3"]
    assert lines == [
        ["1", "a", "-", "0.50 (+0.0)", "1.00 (+12.3)"],
        ["2", "b", "0.50 (+0.0)", "-", "0.88 (+9.0)"],
        ["3", "random", "0.00 (-12.3)", "0.12 (-9.0)", "-"],
    ]
    head, lines = rating_table(report)
    assert [line[:3] for line in lines] == [
        ["1", "a", "A"],
        ["2", "b", "B"],
        ["3", "random", "RANDOM"],
    ]
    assert [line[-1] for line in lines] == ["0.75", "0.69", "0.06"]


def test_standings_by_hand() -> None:
    """The second is 3 : 1 ahead of the first; with the prior 3.5 : 1.5."""
    found = standings(["a", "b"], [Meeting("a", "b", 1, 0, 3, 2.0, 5.0, None)])
    assert [line["player"] for line in found["elo"]] == ["b", "a"]
    difference = found["elo"][0]["elo"] - found["elo"][1]["elo"]
    assert difference == pytest.approx(400 * np.log10(3.5 / 1.5))
    assert found["elo"][0]["elo"] + found["elo"][1]["elo"] == pytest.approx(2 * elo.CENTRE)
    assert found["matrix"] == {
        "players": ["b", "a"],
        "win_rate": [[None, 0.75], [0.25, None]],
        "return_difference": [[None, 3.0], [-3.0, None]],
        "episodes": [[0, 4], [4, 0]],
    }
