"""The command line from end to end, and every mistake told in one sentence."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import tiny

from swarmfield.algorithms import ALGORITHMS
from swarmfield.algorithms.iql import IQLConfig
from swarmfield.command_line import parse
from swarmfield.environments import ENVIRONMENTS
from swarmfield.environments.gridworld.battle import BattleConfig
from swarmfield.training.config import TrainConfig
from swarmfield.training.opponent_options import NoOptions

# 21 steps are an episode and its reset: reports at 42, 84 and 100.
BATTLE_RUN = f"{tiny.BATTLE} --env-steps 100 --evaluations 3 --checkpoints 1"
FIGURES = {"return_mean", "return_std", "return_ci95", "episodes", "kills", "win_rate"}


def battle() -> Path:
    return tiny.finished(BATTLE_RUN)


def read(path: Path) -> dict:
    return json.loads(path.read_text())


def test_a_run_leaves_what_is_promised() -> None:
    run = battle()
    for name in ("metrics.jsonl", "events", "checkpoints/best"):
        assert (run / name).exists(), name
    assert (run / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    assert "<html" in (run / "replay.html").read_text()
    config = read(run / "config.json")
    assert config["algorithm"] == "mfq"
    assert config["env"]["map_size"] == 12
    assert config["algo"]["batch_size"] == 32
    assert {"versions", "device", "env_steps", "num_envs", "seed", "opponent"} <= set(config)
    resolved = config["resolved"]
    assert (resolved["opponent"], resolved["seeds"], resolved["report_every"]) == ("self", [0], 42)
    assert "12 x 12" in resolved["environment"]
    summary = read(run / "summary.json")
    assert {"agent_steps", "wall_seconds", "compile_seconds", "peak_memory_bytes"} <= set(summary)
    assert summary["env_steps"] == 100
    for evaluation in ("evaluation", "evaluation_self"):
        assert set(summary[evaluation]) == {"learner", "opponent"}
        assert all(set(figures) >= FIGURES for figures in summary[evaluation].values())


def test_reports_hold_what_is_promised() -> None:
    rows = [json.loads(line) for line in (battle() / "metrics.jsonl").read_text().splitlines()]
    assert [row["env_steps"] for row in rows] == [42, 84, 100]
    wanted = ["env_steps", "agent_steps", "wall_seconds", "agent_steps_per_second", "seed"]
    for row in rows:
        assert list(row)[:5] == wanted
        assert {"return/learner", "return/opponent", "loss", "explore"} <= set(row)
        assert row["seed"] == 0
    assert rows[-1]["return/learner"] is None, "no episode ended in its window"
    # Two of the 50 steps only reset; nobody need have died.
    assert rows[-1]["agent_steps"] <= 2 * 2 * 48
    for row in (rows[1], rows[-1]):
        assert any(f"evaluation/learner/{name}" in row for name in FIGURES)


def test_evaluation_plays_a_hundred_episodes() -> None:
    said = tiny.swarmfield(f"evaluate {battle()}")
    assert said.code == 0, said.err
    assert "episodes 100" in said.out
    assert read(battle() / "evaluations/vs-self.json")["learner"]["episodes"] == 100


def test_evaluation_on_another_map_is_written_under_its_name() -> None:
    said = tiny.swarmfield(f"evaluate {battle()} --episodes 4 --opponent random --env.map_size 16")
    assert said.code == 0, said.err
    report = read(battle() / "evaluations/map_size=16-vs-random.json")
    assert report["env"] == {"map_size": 16}
    assert "16 x 16" in report["environment"]
    assert set(report["learner"]) >= FIGURES


def test_a_duel_names_both() -> None:
    said = tiny.swarmfield(f"duel {battle()} {battle()} --episodes 4 --which best")
    assert said.code == 0, said.err
    assert said.out.count(str(battle())) == 2
    assert said.out.count("win_rate") == 2


def test_a_film_is_made() -> None:
    said = tiny.swarmfield(f"replay {battle()} --format gif")
    assert said.code == 0, said.err
    assert Path(said.out.strip()).read_bytes().startswith(b"GIF8")


def test_runs_are_plotted_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "run").mkdir(parents=True)
        for file in ("config.json", "metrics.jsonl"):
            shutil.copy(battle() / file, tmp_path / name / "run" / file)
    said = tiny.swarmfield(f"plot {tmp_path}/a/run {tmp_path}/b/run --output {tmp_path}/all.svg")
    assert said.code == 0, said.err
    assert said.out.strip() == f"{tmp_path}/all.svg"
    assert (tmp_path / "all.svg").stat().st_size > 1000


def test_names_are_listed() -> None:
    said = tiny.swarmfield("list")
    assert said.code == 0
    for name in (*ALGORITHMS, *ENVIRONMENTS):
        assert f"  {name} " in said.out
    assert "iql" not in tiny.swarmfield("list environments").out


@pytest.mark.parametrize(
    "command",
    ["", "help", "--help", "--version", "train --help", "list -h", "train mfq battle --help"]
    + [f"{name} --help" for name in ("resume", "evaluate", "duel", "league", "replay", "plot")],
)
def test_help_is_given(command: str) -> None:
    said = tiny.swarmfield(command)
    assert said.code == 0
    assert said.out
    assert not said.err


# What is wrong, and words that the one sentence must hold.
MISTAKES = [
    ("trian mfq battle", ["'trian'", "'train'"]),
    ("train mqf battle", ["'mqf'", "'mfq'"]),
    ("train mfq batle", ["'batle'", "'battle'"]),
    ("train mfq", ["algorithm", "environment", "swarmfield train mfq battle"]),
    ("list algoritms", ["'algoritms'", "'algorithms'"]),
    ("train mfq battle --env.map-sise 12", ["--env.map-sise", "--env.map-size"]),
    ("train mfq battle --env.map-sise=12", ["--env.map-sise", "--env.map-size"]),
    ("train mfq battle --zzz", ["--zzz", "--help"]),
    ("train mfq battle extra", ["'extra'"]),
    ("train mfq battle --env-steps", ["--env-steps", "needs a value"]),
    ("train mfq battle --env.map-size 5", ["5", "12"]),
    ("train mfq battle --env.map-size x", ["--env.map-size", "'x'", "whole number"]),
    ("train mfq battle --env.num-agents 7", ["7", "even"]),
    ("train mfq battle --env.priority up", ["--env.priority", "'up'", "random, id"]),
    ("train mfq battle --env-steps -5", ["--env-steps", "-5", "at least 1"]),
    ("train mfq battle --env-steps 401 --num-envs 2", ["401", "400 or 402"]),
    ("train mfq battle --env-steps 1 --num-envs 2", ["1", "nearest", "2"]),
    ("train mfq battle --env-steps inf", ["--env-steps", "'inf'", "whole number"]),
    ("train mfq battle --env-steps nan", ["--env-steps", "'nan'", "whole number"]),
    ("train mfq battle --env-steps 1e400", ["--env-steps", "'1e400'", "whole number"]),
    ("train mfq battle --env-steps 1.5", ["--env-steps", "'1.5'", "whole number"]),
    ("train mfq battle --env-steps 1e18", ["--env-steps", "at most"]),
    ("train mfq battle --algo.learning-rate nan", ["--algo.learning-rate", "nan", "above 0"]),
    ("train mfq battle --algo.learning-rate x", ["--algo.learning-rate", "'x'", "number"]),
    ("train mfq battle --algo.trunk oak", ["--algo.trunk", "'oak'", "mfrl"]),
    ("train mfq battle --seeds 3", ["--seeds", "'3'", "0:4"]),
    ("train mfq battle --seeds 4:2", ["--seeds", "'4:2'", "0:4"]),
    ("train mfq battle --seeds ²:3", ["--seeds", "0:4"]),
    ("train mfq battle --seeds 0:999999999", ["--seeds", "at most"]),
    ("train mfq battle --seeds 0:2 --seed 1", ["--seed 1", "--seeds 0:2"]),
    ("train mfq battle --seed -1", ["-1", "from 0"]),
    ("train mfq battle --env.num-agents 1e12", ["--env.num-agents", "from 1 to"]),
    ("train mfq battle --num-envs 1e9 --env-steps 1e9", ["--num-envs", "at most"]),
    ("train mfq battle --env.num-agents 1e6 --num-envs 1000 --env-steps 1e6", ["32 bits"]),
    ("train mfq battle --env.max-steps 1e12", ["--env.max-steps", "1000000000"]),
    ("train mfq battle --algo.exploration epsilon --algo.explore-start 5", ["from 0 to 1"]),
    ("evaluate RUN --env.max-steps 1e12", ["--env.max-steps", "1000000000"]),
    ("evaluate RUN --env.map-size 1e9", ["--env.map-size", "46340"]),
    ("evaluate RUN --episodes 1e30", ["--episodes", "at most"]),
    ("train mfq battle --algo.capacity 1e11 --env-steps 1e10", ["GB", "--algo.capacity"]),
    ("train mfq battle --opponent nowhere", ["nowhere"]),
    ("train mfq adversarial_pursuit --opponent self", ["--opponent", "random"]),
    ("train mfq adversarial_pursuit --opponent RUN", ["'battle'", "same environment"]),
    ("train mfq battle --opponent RUN --env.no-minimap", ["features", "--env"]),
    ("train mfq battle --run-dir RUN", ["RUN", "not empty", "resume"]),
    ("train mfq battle --run-dir RUN/config.json/x", ["config.json/x", "--run-dir"]),
    ("evaluate", ["folder", "first"]),
    ("evaluate nowhere", ["nowhere"]),
    ("evaluate RUN/config.json", ["is a file"]),
    ("evaluate FOREIGN", ["FOREIGN", "mine.txt", "no config.json"]),
    ("evaluate TORN", ["TORN", "config.json", "damaged"]),
    ("evaluate EMPTY", ["config.json", "lacks", "algorithm"]),
    ("evaluate ALTERED", ["env_steps", "'many'"]),
    ("evaluate CUT", ["CUT", "no good checkpoint"]),
    ("evaluate RUN --episodes 0", ["--episodes", "0"]),
    ("evaluate RUN --seed 4", ["seed 4", "[0]"]),
    ("evaluate RUN --which first", ["--which", "'first'", "last, best"]),
    ("evaluate RUN --evaluation-seed -1", ["-1"]),
    ("evaluate RUN --env.no-minimap", ["features", "--env"]),
    ("evaluate RUN --env.map-size 5", ["5", "12"]),
    ("evaluate RUN --opponent nowhere", ["nowhere"]),
    ("evaluate RUN RUN", ["belongs to no option"]),
    ("duel RUN", ["2 runs"]),
    ("duel RUN nowhere", ["nowhere"]),
    ("duel RUN TOY", ["'battle'", "'toy'", "same environment"]),
    ("league", ["folder", "first"]),
    ("league RUN", ["two players", "RUN", "random"]),
    ("league random", ["needs a run's folder"]),
    ("league RUN RUN", ["RUN is named twice"]),
    ("league RUN nowhere", ["nowhere"]),
    ("league RUN TOY", ["'battle'", "'toy'", "same environment"]),
    ("league RUN random --seeds 0:4", ["--seeds", "'0:4'", "first, all"]),
    ("league RUN random --episodes 0", ["--episodes", "0"]),
    ("league RUN random --env.no-minimap", ["features", "--env"]),
    ("league RUN random --output RUN/config.json", ["Cannot write RUN/config.json/league.json"]),
    ("train battle mfq", ["algorithm comes first", "train mfq battle"]),
    ("train mfq battle --config", ["--config", "config.json"]),
    ("train mfq battle --config nowhere.json", ["nowhere.json"]),
    ("train iql battle --config RUN/config.json", ["mfq in battle", "iql in battle"]),
    ("train mfq battle --env.kill-reward 1e39", ["--env.kill-reward", "3.403e+38"]),
    ("resume nowhere", ["nowhere"]),
    ("resume TORN", ["config.json", "damaged"]),
    ("resume EMPTY", ["config.json", "lacks"]),
    ("resume RUN --env-steps 98", ["98", "100"]),
    ("resume RUN --env-steps 101", ["101", "100 or 102"]),
    ("resume RUN --env-step 200", ["--env-step", "--env-steps"]),
    ("replay nowhere", ["nowhere"]),
    ("replay CUT", ["no good checkpoint"]),
    ("replay RUN --format avi", ["--format", "'avi'", "html, gif, mp4"]),
    ("replay RUN --seed 4", ["seed 4", "[0]"]),
    ("bench --num-agents 12 many", ["--num-agents", "'many'"]),
    ("bench --num-agents", ["--num-agents", "positive whole numbers"]),
    ("bench --environment miners", ["--environment is 'miners'", "battle, adversarial_pursuit"]),
    ("bench --num-envs 0", ["--num-envs", "0", "at least 1"]),
    ("plot", ["folder", "first"]),
    ("plot RUN --output picture.xyz", [".xyz", ".png"]),
    ("plot RUN --output nowhere/x.png", ["nowhere/x.png"]),
    ("plot FOREIGN", ["no config.json"]),
]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders that are something else than a good run, beside links to good ones."""
    root = tmp_path_factory.mktemp("places")
    for name in ("FOREIGN", "TORN", "EMPTY", "ALTERED"):
        (root / name).mkdir()
    (root / "RUN").symlink_to(battle())
    (root / "TOY").symlink_to(tiny.finished(tiny.TOY_RUN))
    config = (battle() / "config.json").read_text()
    altered = config.replace('"env_steps": 100', '"env_steps": "many"')
    (root / "FOREIGN/mine.txt").write_text("mine")
    (root / "TORN/config.json").write_text(config[:100])
    (root / "EMPTY/config.json").write_text("{}")
    (root / "ALTERED/config.json").write_text(altered)
    shutil.copytree(battle(), root / "CUT")
    for manifest in (root / "CUT").rglob("manifest.json"):
        os.truncate(manifest, 50)
    return root


@pytest.mark.parametrize(("command", "words"), MISTAKES, ids=[c for c, _ in MISTAKES])
def test_a_mistake_is_told_in_one_sentence(
    command: str, words: list[str], places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(places)
    before = tiny.files(battle())
    said = tiny.swarmfield(command)
    assert said.code == 2
    assert not said.out
    assert said.err.startswith("swarmfield: ")
    assert said.err.count("\n") == 1
    assert said.err.endswith((".\n", "?\n"))
    assert not re.search(r"[╭╮╰╯│─]|----|Traceback|Error|\{None\}", said.err)
    assert [word for word in words if word not in said.err] == []
    assert tiny.files(battle()) == before
    assert not (places / "runs").exists()
    assert not (places / "league").exists()


def test_a_config_file_is_trained_anew_with_what_is_typed_besides(tmp_path: Path) -> None:
    first = tiny.finished(tiny.TOY_RUN)
    command = f"train iql toy --config {first / 'config.json'} --evaluation-episodes 3"
    said = tiny.swarmfield(command, "--run-dir", tmp_path / "again")
    assert said.code == 0, said.err
    assert read(tmp_path / "again/summary.json")["evaluation"]["learner"]["episodes"] == 3
    old, new = (read(run / "config.json") for run in (first, tmp_path / "again"))
    changed = {name for name in old if old[name] != new[name]}
    assert changed == {"run_dir", "evaluation_episodes"}


@pytest.mark.parametrize(
    "limit", ["replay_page.page.MOST_BODY_INSTANTS", "training.recording.MOST_BODY_STEPS"]
)
def test_an_episode_too_large_for_a_page_costs_only_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(f"swarmfield.{limit}", 10)
    said = tiny.swarmfield(tiny.TOY_RUN, "--run-dir", tmp_path / "run")
    assert said.code == 0, said.err
    assert "no replay page: " in said.err
    assert "replay.html" not in said.out
    assert read(tmp_path / "run/summary.json")["env_steps"] == 240
    assert (tmp_path / "run/learning_curve.png").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder no one may write")
def test_a_folder_that_cannot_be_written_is_refused() -> None:
    said = tiny.swarmfield("train mfq battle --run-dir /proc/x")
    assert said.code == 2
    assert "Cannot create run folder /proc/x" in said.err


def test_a_process_ends_with_the_code_and_the_sentence() -> None:
    process = tiny.start("train mfq battle --env-steps -5")
    out, err = process.communicate()
    assert process.returncode == 2
    assert not out
    assert err == "swarmfield: --env-steps is -5, but must be a whole number of at least 1.\n"


def test_numbers_and_switches_as_people_write_them() -> None:
    words = "--env-steps 1e5 --num-envs 2_0 --algo.capacity 2.5e3 --algo.learning-rate 1e-3"
    words += " --env.map-size 2e1 --env.no-minimap --env.id-bits --env.num_agents None --seed=7"
    options = TrainConfig[BattleConfig, IQLConfig, NoOptions]
    config = parse(options, words.split(), "swarmfield train")
    assert (config.env_steps, config.num_envs, config.seed) == (100_000, 20, 7)
    assert (config.algo.capacity, config.algo.learning_rate) == (2500, 1e-3)
    assert config.env == BattleConfig(map_size=20, minimap=False, id_bits=True)
    assert type(config.env.map_size) is int


def _mount(path: Path, size: str) -> bool:
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if shutil.which("mount") is None:
        return False
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("size", ["16k", "200k", "500k"])
def test_a_full_disk_loses_nothing(tmp_path: Path, size: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not _mount(disk, size):
        pytest.skip("needs the right to mount a small disk")
    try:
        said = tiny.swarmfield(tiny.TOY_RUN, "--run-dir", disk / "run")
        assert said.code == 2
        assert said.err.count("\n") == 1
        assert "No space left" in said.err
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        if (disk / "run/config.json").exists():
            said = tiny.swarmfield(f"resume {disk / 'run'}")
            assert said.code == 0, said.err
            assert tiny.rows(disk / "run") == tiny.rows(tiny.finished(tiny.TOY_RUN))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
