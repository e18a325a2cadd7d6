"""What the command line does, done from Python."""

import contextlib
import inspect
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny

import swarmfield
from swarmfield import SwarmfieldError
from swarmfield.command_options import EvaluateOptions, LeagueOptions, PlayOptions
from swarmfield.training.config import TrainConfig

ALGO = {"batch_size": 32, "warmup": 0, "capacity": 2000}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> swarmfield.Run:
    """`tiny.TOY_RUN`, made from Python, in a folder of its own choice."""
    root = tmp_path_factory.mktemp("api")
    with contextlib.chdir(root):
        run = swarmfield.train(
            "iql",
            "toy",
            env={"num_agents": 3},
            algo=ALGO,
            num_envs=2,
            env_steps=2.4e2,
            opponent="random",
            evaluation_episodes=np.int64(2),
            evaluations=4,
            checkpoints=99,
            quiet=True,
        )
    assert re.fullmatch(r"runs/iql-toy-seed0-\d{8}-\d{6}", str(run.path))
    return replace(run, path=root / run.path)


def test_training_is_the_same_from_both_sides(run: swarmfield.Run) -> None:
    command = tiny.finished(tiny.TOY_RUN)
    assert tiny.rows(run.path) == tiny.rows(command)
    assert tiny.newest_arrays(run.path / "checkpoints") == tiny.newest_arrays(
        command / "checkpoints"
    )
    configs = [json.loads((path / "config.json").read_text()) for path in (run.path, command)]
    assert configs[0] | {"run_dir": None} == configs[1] | {"run_dir": None}
    assert run.summary["env_steps"] == 240
    assert type(configs[0]["env_steps"]) is int


def test_nothing_is_shown_when_quiet(run: swarmfield.Run, capsys: pytest.CaptureFixture) -> None:
    assert swarmfield.resume(run.path, quiet=True).summary == json.loads(
        (run.path / "summary.json").read_text()
    )
    assert capsys.readouterr().out == ""


def test_evaluation_is_the_same_from_both_sides(run: swarmfield.Run) -> None:
    report = swarmfield.evaluate(run.path, episodes=6, evaluation_seed=3)
    said = tiny.swarmfield(f"evaluate {run.path} --episodes 6 --evaluation-seed 3")
    assert said.code == 0, said.err
    written = json.loads((run.path / "evaluations/vs-random.json").read_text())
    assert {name: report[name] for name in written} == written
    assert (report["env_steps"], report["evaluation_seed"]) == (240, 3)
    other = swarmfield.evaluate(run.path, episodes=6, evaluation_seed=4)
    assert other["opponent"]["return_mean"] != report["opponent"]["return_mean"]


def test_no_evaluation_replaces_another(run: swarmfield.Run) -> None:
    reports = [swarmfield.evaluate(run.path, episodes=2, evaluation_seed=n) for n in (7, 8, 7)]
    assert reports[0] == reports[2]
    assert reports[0]["file"] != reports[1]["file"]
    for report in reports:
        assert json.loads(Path(report["file"]).read_text()) | {"file": report["file"]} == report


def test_a_loaded_policy_acts(run: swarmfield.Run) -> None:
    player = swarmfield.load(run.path)
    key = jax.random.key(0)
    state, timesteps = player.environment.reset(key)
    memory = player.begin(timesteps[player.team.name], key)
    for _ in range(2):
        actions, memory = player.act(timesteps[player.team.name], memory, key)
        assert actions.shape == (3,)
        assert ((actions >= 0) & (actions < 4)).all()
        joint = dict.fromkeys(timesteps, actions)
        state, timesteps = player.environment.step(key, state, joint)
    again, _ = player.act(timesteps[player.team.name], memory, key)
    assert (again == player.act(timesteps[player.team.name], memory, jax.random.key(1))[0]).all()


def test_a_loaded_policy_refuses_what_it_cannot_read(run: swarmfield.Run) -> None:
    player, key = swarmfield.load(run.path), jax.random.key(0)
    environment = swarmfield.load(run.path, env={"num_agents": 5}).environment
    timestep = environment.reset(key)[1][player.team.name]
    with pytest.raises(swarmfield.SwarmfieldError, match=r"not of .*, where the player acts"):
        player.act(timestep, None, key)


WRONG_TYPES = """
import sys, swarmfield as sf
for call in (
    lambda: sf.load(sys.argv[1], which="first"),
    lambda: sf.evaluate(sys.argv[1], episodes=2.5),
    lambda: sf.evaluate(sys.argv[1], evaluation_seed=1.5),
    lambda: sf.league(sys.argv[1], "random", which="first"),
    lambda: sf.league(sys.argv[1], "random", seeds="some"),
    lambda: sf.make(3),
    lambda: sf.train(None, "battle"),
):
    try:
        call()
    except sf.SwarmfieldError as error:
        print(error)
"""


def test_arguments_of_other_types_are_refused() -> None:
    """In a process where annotations are not enforced, as a user's are not."""
    path = tiny.finished(tiny.BATTLE + " --env-steps 100 --evaluations 3 --checkpoints 1")
    words = [sys.executable, "-c", WRONG_TYPES, str(path)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    wanted = ["which is 'first'", "is 2.5", "is 1.5", "which is 'first'", "first, all"]
    wanted += ["named 3", "named None"]
    assert len(said) == len(wanted)
    assert all(each in line for each, line in zip(wanted, said, strict=True)), said


def test_a_run_can_be_moved(run: swarmfield.Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "moved")
    assert swarmfield.load(tmp_path / "moved").path == tmp_path / "moved"


def test_every_option_of_the_command_line_is_an_argument() -> None:
    def arguments(function: object) -> set[str]:
        return set(inspect.signature(function).parameters)

    assert set(vars(EvaluateOptions())) <= arguments(swarmfield.evaluate)
    assert set(vars(PlayOptions())) <= arguments(swarmfield.duel)
    assert set(vars(LeagueOptions())) <= arguments(swarmfield.league)
    assert {"run_dir", "env", "algo"} <= arguments(swarmfield.train)


def test_environments_are_made_by_name() -> None:
    environment = swarmfield.make("battle", map_size=12.0, minimap=False)
    assert environment.extent == (12, 12)


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (("mqf", "battle"), {}, "did you mean 'mfq'"),
        (("mfq", "batle"), {}, "did you mean 'battle'"),
        (("mfq", "battle"), {"step": 3}, "no option step"),
        (("mfq", "battle"), {"env_step": 3}, "did you mean 'env_steps'"),
        (("mfq", "battle"), {"env": {"map_sise": 3}}, r"env\.map_sise; did you mean 'map_size'"),
        (("mfq", "battle"), {"env": {"map_size": "3"}}, r"env\.map_size is '3'.*whole number"),
        (("mfq", "battle"), {"env": {"map_size": True}}, r"env\.map_size is True.*whole number"),
        (("mfq", "battle"), {"env": {"minimap": 1}}, r"env\.minimap is 1.*True or False"),
        (("mfq", "battle"), {"env": {"priority": "up"}}, r"env\.priority is 'up'.*random, id"),
        (("mfq", "battle"), {"algo": {"trunk": "oak"}}, r"algo\.trunk is 'oak'.*mfrl"),
        (("mfq", "battle"), {"algo": {"gamma": "x"}}, r"algo\.gamma is 'x'.*number"),
        (("mfq", "battle"), {"algo": {"gamma": float("nan")}}, "gamma is nan"),
        (("mfq", "battle"), {"env_steps": 1.5}, r"env_steps is 1\.5.*whole number"),
        (("mfq", "battle"), {"env_steps": None}, "env_steps is None.*whole number"),
        (("mfq", "battle"), {"env_steps": float("inf")}, "env_steps is inf.*whole number"),
        (("mfq", "battle"), {"env_steps": 3, "num_envs": 2}, "nearest they can is 2 or 4"),
        (("mfq", "battle"), {"opponent": 3}, "opponent is 3.*text"),
    ],
)
def test_mistakes_are_told(
    names: tuple[str, str],
    options: dict,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # where no run was ever made
    with pytest.raises(SwarmfieldError, match=message) as caught:
        swarmfield.train(*names, **options)
    assert "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())


def test_options_have_the_types_they_declare() -> None:
    config = TrainConfig(None, None, None)
    assert isinstance(config.env_steps, int)
    with pytest.raises(SwarmfieldError, match=r"env\.map_size is '12'"):
        swarmfield.make("battle", map_size="12")
