"""Several devices, simulated on a CPU: the same results, on whatever axis a run is divided."""

import json
import os
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import laid_out
import numpy as np
import pytest
import tiny
from hypothesis import given

from swarmfield.options import typed
from swarmfield.training.config import TrainConfig, make_job
from swarmfield.training.playing import places_of
from swarmfield.types import SwarmfieldError

TESTS = Path(laid_out.__file__).parent
TRAIN = f"{tiny.TOY} --num-envs 4 --env-steps 80 --evaluations 2 --evaluation-episodes 6"


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict]:
    """What came of every case, by its name."""
    paths = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, laid_out.__file__],
        env=os.environ | laid_out.MANY | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(lines) == len(laid_out.CASES), done.stderr
    # So XLA warns where it cannot divide an array as it is asked to.
    assert "rematerialization" not in done.stderr
    return {line["case"]: line for line in lines}


@pytest.mark.parametrize("case", laid_out.CASES, ids=str)
def test_several_devices_come_to_what_one_does(
    case: laid_out.Case, outcomes: dict[str, dict]
) -> None:
    """Not always bit for bit: sums over devices round in another order."""
    outcome = outcomes[str(case)]
    assert "error" not in outcome, outcome["error"]
    assert (outcome["axis"], outcome["count"]) == (case.axis, case.count)
    assert outcome["same"] > 0.3


def on_many(command: str, *more: object) -> tiny.Said:
    """Run a command in a process with eight devices."""
    process = tiny.start(command, *more)
    out, err = process.communicate()
    return tiny.Said(process.returncode, out, err)


def almost_equal(ours: dict, theirs: dict) -> None:
    """Figures that may differ by rounding."""
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if isinstance(value, dict):
            almost_equal(value, theirs[name])
        elif isinstance(value, int | float):
            assert value == pytest.approx(theirs[name], rel=1e-4, abs=1e-5), name


def summary(run: Path) -> dict:
    figures = json.loads((run / "summary.json").read_text())
    return {name: x for name, x in tiny.timeless(figures).items() if "memory" not in name}


def test_a_run_moves_between_numbers_of_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six episodes are played on four devices, and a run on four goes on on two, then on one."""
    whole, moved = tmp_path / "whole", tmp_path / "moved"
    assert tiny.swarmfield(TRAIN, "--run-dir", whole).code == 0
    monkeypatch.setenv("XLA_FLAGS", laid_out.MANY["XLA_FLAGS"])
    said = on_many(TRAIN, "--devices", 4, "--run-dir", moved)
    assert said.code == 0, said.err
    assert "devices: 4 of 8; each has 1 of the environments" in said.out
    almost_equal(summary(moved), summary(whole))

    said = on_many(f"resume {moved} --env-steps 160 --devices 2")
    assert said.code == 0, said.err
    assert "devices: 2 of 8; each has 2 of the environments" in said.out
    monkeypatch.delenv("XLA_FLAGS")
    # It says so where they are not there, and what was learned on two plays on one.
    said = tiny.swarmfield(f"resume {moved} --env-steps 240")
    assert "--devices is 2, but JAX finds 1; give --devices all" in said.err
    assert tiny.swarmfield(f"evaluate {moved} --episodes 2").code == 0
    for run, env_steps in ((whole, 160), (whole, 240), (moved, 240)):
        said = tiny.swarmfield(f"resume {run} --env-steps {env_steps} --devices all")
        assert said.code == 0, said.err
    almost_equal(summary(moved), summary(whole))
    for one, other in zip(tiny.rows(moved), tiny.rows(whole), strict=True):
        almost_equal(one, other)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("0", "--devices is 0, but must be a whole number of at least 1"),
        ("16", "--devices is 16, but JAX finds 8; give --devices all, or a number up to that."),
        ("ALL", "--devices is 'ALL', but must be a whole number or all."),
        ("3", "cannot be given equal shares of 1 seeds, 4 environments or arrays of "),
    ],
)
def test_devices_that_cannot_be_had_are_refused(
    asked: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLA_FLAGS", laid_out.MANY["XLA_FLAGS"])
    said = on_many(f"{TRAIN} --env.num-agents 4 --devices {asked}", "--run-dir", tmp_path / "run")
    assert said.code == 2
    assert sentence in said.err
    assert not (tmp_path / "run").exists()


def test_runs_on_different_numbers_of_devices_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in turn as an opponent, in training and in a duel."""
    monkeypatch.setenv("XLA_FLAGS", laid_out.MANY["XLA_FLAGS"])
    four, two = tmp_path / "four", tmp_path / "two"
    assert on_many(TRAIN, "--devices", 4, "--run-dir", four).code == 0
    said = on_many(TRAIN, "--devices", 2, "--opponent", four, "--run-dir", two)
    assert said.code == 0, said.err
    said = on_many(f"duel {four} {two} --episodes 2")
    assert said.code == 0, said.err


def test_devices_are_a_number_or_all() -> None:
    assert typed(TrainConfig, {"devices": "all"}) == {"devices": "all"}
    assert typed(TrainConfig, {"devices": 2.0}) == {"devices": 2}
    with pytest.raises(
        SwarmfieldError, match="devices is 'some', but must be a whole number or al"
    ):
        make_job("iql", "toy", devices="some")


@given(st.integers(1, 40), st.integers(1, 9))
def test_episodes_are_dealt_out_evenly_half_by_half(number: int, devices: int) -> None:
    """Sides are swapped in the second half of the environments, and so of the episodes."""
    places = places_of(number, devices)
    assert places.episode.size % devices == 0
    np.testing.assert_array_equal(places.episode[places.of_episode], np.arange(number))
    assert places.counts.sum() == number
    first = places.of_episode < -(-places.episode.size // 2)
    np.testing.assert_array_equal(first, np.arange(number) < -(-number // 2))
