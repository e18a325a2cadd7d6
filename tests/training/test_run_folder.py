"""A run folder is made once, found again, and told apart from everything else."""

import json
import math
import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from swarmfield.training import run_folder
from swarmfield.training.run_folder import RunFolder
from swarmfield.types import SwarmfieldError


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return run_folder.create(tmp_path / "runs" / "first")


def test_the_names_are_the_promised_ones(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    names = {
        "config.json": folder.config_file,
        "metrics.jsonl": folder.metrics_file,
        "checkpoints": folder.checkpoints,
        "checkpoints/best": folder.best,
        "events": folder.events,
        "learning_curve.png": folder.learning_curve,
        "replay.html": folder.replay_page,
        "summary.json": folder.summary_file,
        "evaluations": folder.evaluations,
    }
    assert {name: path.relative_to(tmp_path).as_posix() for name, path in names.items()} == {
        name: name for name in names
    }


def test_a_new_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    folder = run_folder.create(tmp_path / "a" / "b")
    assert folder.path == tmp_path / "a" / "b"
    assert folder.checkpoints.is_dir()


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert run_folder.create(tmp_path).checkpoints.is_dir()


def test_a_used_folder_is_refused(folder: RunFolder) -> None:
    folder.write_config({"seed": 0})
    with pytest.raises(SwarmfieldError, match=r"first already exists.*--run-dir.*resume"):
        run_folder.create(folder.path)
    assert folder.read_config() == {"seed": 0}


@pytest.mark.parametrize("path", ["file", "file/run", "file/deep/run"])
def test_where_no_folder_can_be_made(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SwarmfieldError, match=r"Cannot create run folder .*choose a --run-dir"):
        run_folder.create(tmp_path / path)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder no one may write")
def test_an_unwritable_folder_is_refused() -> None:
    with pytest.raises(SwarmfieldError, match="Cannot create run folder"):
        run_folder.create(Path("/proc/self/run"))


def test_a_run_is_opened_again(folder: RunFolder) -> None:
    folder.write_config({"algorithm": "mfq"})
    assert run_folder.open_existing(folder.path) == folder


def test_a_missing_run_is_told_with_the_nearest_name(folder: RunFolder) -> None:
    with pytest.raises(SwarmfieldError, match=r"no run folder .*frist; did you mean .*first\?"):
        run_folder.open_existing(folder.path.parent / "frist")
    with pytest.raises(SwarmfieldError, match=r"no run folder .*zzz: check the path\.$"):
        run_folder.open_existing(Path("/nowhere/zzz"))


def test_a_file_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with pytest.raises(SwarmfieldError, match="is a file, not a run folder"):
        run_folder.open_existing(tmp_path / "run")


def test_a_foreign_folder_is_described(tmp_path: Path) -> None:
    with pytest.raises(SwarmfieldError, match=r"holds nothing, but no config\.json"):
        run_folder.open_existing(tmp_path)
    for name in "abcd":
        (tmp_path / name).touch()
    with pytest.raises(SwarmfieldError, match=r"holds a, b, c \.\.\., but no config\.json"):
        run_folder.open_existing(tmp_path)


def test_config_and_summary_come_back(folder: RunFolder) -> None:
    config = {"seeds": (0, 1), "nested": {"rate": 1e-4, "none": None, "path": Path("a/b")}}
    folder.write_config(config)
    assert folder.read_config() == {
        "seeds": [0, 1],
        "nested": {"rate": 1e-4, "none": None, "path": "a/b"},
    }
    assert folder.read_summary() is None
    folder.write_summary({"env_steps": 1})
    folder.write_summary({"env_steps": 2})
    assert folder.read_summary() == {"env_steps": 2}
    assert sorted(p.name for p in folder.path.iterdir()) == [
        "checkpoints",
        "config.json",
        "summary.json",
    ]


def test_numbers_of_arrays_are_json_and_what_is_not_finite_is_null(folder: RunFolder) -> None:
    folder.write_summary(
        {
            "scalar": np.float32(0.5),
            "device": jnp.array(3),
            "vector": np.array([1.0, math.nan, -math.inf]),
            "flag": np.bool_(True),
            1: [math.inf],
        }
    )
    text = folder.summary_file.read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {
        "scalar": 0.5,
        "device": 3,
        "vector": [1.0, None, None],
        "flag": True,
        "1": [None],
    }


@pytest.mark.parametrize("content", ["", "{", "[1]", "null", '"x"', "\x00\x01", b"\xff\xfe"])
def test_a_damaged_config_is_named(folder: RunFolder, content: str | bytes) -> None:
    folder.config_file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SwarmfieldError, match=r"config\.json is damaged.*JSON object") as caught:
        folder.read_config()
    assert "\n" not in str(caught.value)


def test_a_failed_write_leaves_the_old_file(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_config({"seed": 0})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SwarmfieldError, match=r"Cannot write .*config\.json: No space left"):
        folder.write_config({"seed": 1})
    assert folder.read_config() == {"seed": 0}
    assert sorted(p.name for p in folder.path.iterdir()) == ["checkpoints", "config.json"]


def test_metrics_are_read_up_to_the_torn_line(folder: RunFolder) -> None:
    assert folder.read_metrics() == []
    folder.metrics_file.write_text('{"env_steps": 1}\n{"env_steps": 2}\n{"env_st')
    assert folder.read_metrics() == [{"env_steps": 1}, {"env_steps": 2}]


def test_an_altered_line_of_metrics_is_named(folder: RunFolder) -> None:
    folder.metrics_file.write_text('{"env_steps": 1}\nnonsense\n{"env_steps": 3}\n')
    with pytest.raises(SwarmfieldError, match=r"Line 2 of .*metrics\.jsonl"):
        folder.read_metrics()


def test_default_paths_are_readable_and_unused(tmp_path: Path) -> None:
    paths = set()
    for _ in range(3):
        path = run_folder.default_path("mfq", "battle", 3, tmp_path)
        assert path.parent == tmp_path
        assert path.name.startswith("mfq-battle-seed3-20")
        run_folder.create(path)
        paths.add(path)
    assert len(paths) == 3
    assert "-seeds0to8-" in run_folder.default_path("iql", "battle", "0:8").name
    assert run_folder.default_path("iql", "battle", 0).parent == Path("runs")
