"""Experiments run as documented: each run once, gone on with after a stop, never mixed up."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import tiny

from swarmfield.experiments import EXPERIMENTS, find, local, runner
from swarmfield.experiments.bmf_tasks import AC, COST
from swarmfield.experiments.plan import runs_of
from swarmfield.experiments.runner import plan, reports_of
from swarmfield.training import checkpoint
from swarmfield.training.config import to_dict
from swarmfield.training.json_files import read_object, write_json
from swarmfield.types import SwarmfieldError

TRANSFER = "bmf/transfer"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that would have been started; they leave what a finished run does."""
    commands: list[list[str]] = []

    def call(command: list[str]) -> int:
        commands.append(command[command.index("swarmfield") + 1 :])
        return code_of(commands[-1])

    monkeypatch.setattr(local, "_call", call)
    return commands


def code_of(command: list[str]) -> int:
    return {"mfq": 130, "ac": 2}.get(command[1], 0)


def go(name: str, root: Path, **options) -> list[str]:
    said: list[str] = []
    runner.run(find(name), "smoke", root, say=said.append, **options)
    return said


def test_runs_are_started_one_after_the_other(started: list, tmp_path: Path) -> None:
    said = go("bmf/cost", tmp_path)
    assert [one.command for one in plan(find("bmf/cost"), "smoke", tmp_path)] == started
    assert said[0] == f"[1/4] {tmp_path}/smoke/firefighter-cost/gatmf/seed0"
    assert said[1].startswith("  swarmfield train gatmf firefighter --env.num-agents 8")


def test_seeds_can_be_chosen(started: list, tmp_path: Path) -> None:
    go("bmf/cost", tmp_path, seeds="0:3")
    assert len(started) == 6
    go("bmf/groups", tmp_path, seeds="5:7")
    assert all(command[command.index("--seeds") + 1] == "5:7" for command in started[6:])
    with pytest.raises(SwarmfieldError, match="--seeds is '3', but must be a range"):
        go("bmf/cost", tmp_path, seeds="3")


def test_seeds_are_not_put_beside_others(started: list, tmp_path: Path) -> None:
    """A report would take them together."""
    go("bmf/cost", tmp_path, seeds="0:3")
    for command in started:
        Path(command[command.index("--run-dir") + 1]).mkdir(parents=True)
    with pytest.raises(SwarmfieldError, match="gatmf/seed0 is there already, but that seed is not"):
        go("bmf/cost", tmp_path, seeds="5:7")
    go("bmf/cost", tmp_path, seeds="0:4")


def test_an_interrupted_run_stops_the_experiment(started: list, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        go("bmf/pursuit", tmp_path)
    assert [command[1] for command in started] == ["iql", "mfq"]


def test_a_failed_run_does_not_stop_the_others(
    started: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "code_of", lambda command: 2 * (command[1] in ("ac", "mfq")))
    with pytest.raises(RuntimeError, match=r"pursuit/mfq, .*pursuit/ac could not be trained"):
        go("bmf/pursuit", tmp_path)
    assert started[-1][1] == "bmf_ac"


def test_what_was_stopped_is_resumed_and_what_is_done_is_kept(
    started: list, tmp_path: Path
) -> None:
    first, second, *_ = plan(find("bmf/cost"), "smoke", tmp_path)
    words = "train ac firefighter --env.num-agents 4 --env-steps 16 --run-dir"
    tiny.swarmfield(words, first.path)
    shutil.copytree(first.path, second.path)
    for one in (first, second):
        keep_config(one)
    (second.path / "summary.json").unlink()
    said = go("bmf/cost", tmp_path)
    assert said[1] == "  is there already"
    assert started[0] == ["resume", str(second.path)]
    assert len(started) == 3


def keep_config(one) -> None:
    """Give a run the planned options, as if it had been trained with them."""
    file = one.path / "config.json"
    planned = to_dict(one.job) | {"target_env_steps": one.job.config.env_steps}
    file.write_text(json.dumps(read_object(file) | planned))


def test_a_folder_of_another_run_is_refused_before_anything_starts(
    started: list, tmp_path: Path
) -> None:
    *_, last = plan(find("bmf/cost"), "smoke", tmp_path)
    tiny.swarmfield(f"train ac firefighter --env.num-agents 4 --env-steps 16 --run-dir {last.path}")
    with pytest.raises(SwarmfieldError, match=r"was trained with algorithm ac, but .* --root"):
        go("bmf/cost", tmp_path)
    assert not started


def test_runs_against_a_frozen_enemy_are_gone_on_with(started: list, tmp_path: Path) -> None:
    """They have written down whom they fight, which is not known before it is trained."""
    enemy, *others = plan(find("hmf/groups-battle"), "smoke", tmp_path)
    file = others[0].path / "config.json"
    trained = to_dict(others[0].job) | {"frozen": to_dict(enemy.job), "target_env_steps": 160}
    write_json(file, trained)
    said = go("hmf/groups-battle", tmp_path)
    assert f"  swarmfield resume {others[0].path}" in said
    write_json(file, read_object(file) | {"opponent": "random"})
    with pytest.raises(SwarmfieldError, match=r"was trained with opponent random, but .* is"):
        go("hmf/groups-battle", tmp_path)


def test_an_experiment_from_start_to_report(tmp_path: Path, monkeypatch) -> None:
    """One method for real, in its own process, by the command line."""
    experiment = find("bmf/cost")[0]._replace(arms=(AC,), claims=(), reported={})
    monkeypatch.setattr("swarmfield.experiments.find", lambda _: (experiment,))
    said = tiny.swarmfield(f"experiment bmf/cost --scale smoke --seeds 0:1 --root {tmp_path}")
    assert said.code == 0, said.err
    assert f"swarmfield report bmf/cost --scale smoke --root {tmp_path}" in said.out
    (one,) = runs_of(COST, AC, "smoke", tmp_path, "0:1")
    assert read_object(one.path / "summary.json")["env_steps"] == 160
    again = tiny.swarmfield(f"experiment bmf/cost --scale smoke --seeds 0:1 --root {tmp_path}")
    assert "is there already" in again.out
    said = tiny.swarmfield(f"report bmf/cost --scale smoke --root {tmp_path}")
    report = Path(said.out.strip())
    assert report == tmp_path / "smoke" / "report" / "bmf" / "cost" / "report.md"
    assert "| `ac` | 1 |" in report.read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("experiment", "needs a name first"),
        ("experiment --scale smoke", "needs a name first"),
        ("experiment bmf/batle", "did you mean 'bmf/battle'"),
        ("experiment bmf --scale huge", "--scale is 'huge', but must be one of"),
        ("experiment bmf/cost --seeds 3 --root /nowhere", "--seeds is '3', but must be a range"),
        ("experiment bmf/battle --seeds 5:5 --root /nowhere", "--seeds is '5:5'"),
        (
            "report bmf --root /nowhere",
            "There is no finished run of bmf at scale laptop in /nowhere",
        ),
    ],
)
def test_mistakes_are_told_in_a_sentence(words: str, sentence: str) -> None:
    said = tiny.swarmfield(words)
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1


@pytest.mark.slow
def test_an_interrupted_experiment_saves_and_goes_on(tmp_path: Path) -> None:
    """As a terminal does it: everybody hears of it."""
    words = f"experiment bmf/firefighter --scale laptop --seeds 0:1 --root {tmp_path}"
    going = tiny.start(words, start_new_session=True)
    metrics = tmp_path / "laptop/firefighter/iql/metrics.jsonl"
    deadline = time.monotonic() + 300
    while not (metrics.exists() and metrics.read_bytes()) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(going.pid, signal.SIGINT)
    _, said = going.communicate()
    assert going.returncode == 130
    assert "the same command goes on where this one was" in said
    newest, _ = checkpoint.newest_good(metrics.parent / "checkpoints")
    assert newest is not None
    assert int(newest.name) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_every_experiment_runs_at_the_smallest_scale(name: str) -> None:
    root = tiny.SCRATCH / "experiments"  # shared, as experiments share runs
    going = tiny.start(f"experiment {name} --scale smoke --root {root}")
    _, said = going.communicate()
    assert going.returncode == 0, said
    (experiment,) = find(name)
    for trial in experiment.trials_at("smoke"):
        for arm in experiment.arms:
            (one,) = runs_of(experiment.task, arm, "smoke", root)
            assert set(reports_of(one.path, trial)) == {0, 1}
    said = tiny.swarmfield(f"report {name} --scale smoke --root {root} --output {root / name}")
    assert said.code == 0, said.err
    text = (root / name / "report.md").read_text()
    assert not any(word in text for word in ("Not finished", "Nothing of these"))
