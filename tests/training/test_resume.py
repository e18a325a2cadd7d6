"""A run that was stopped anyhow and resumed is, bit for bit, the run that never stopped."""

import json
import random
import shutil
import signal
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
import tiny

from swarmfield.training import checkpoint, manifest
from swarmfield.training.compiled import shapes
from swarmfield.training.config import from_dict
from swarmfield.training.display import Display
from swarmfield.training.run_folder import RunFolder
from swarmfield.training.setup import assemble

WHOLE = tiny.TOY_RUN
NUM_STEPS = 240


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A finished run, to be damaged."""
    return Path(shutil.copytree(tiny.finished(WHOLE), tmp_path / "run"))


def checkpoints(run: Path) -> list[Path]:
    return sorted((run / "checkpoints").glob("0*"))


def spoil(folder: Path) -> None:
    """Flip a bit in the middle of its largest file."""
    largest = max((path for path in folder.rglob("*") if path.is_file()), key=_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)


def _size(path: Path) -> int:
    return path.stat().st_size


def same(run: Path, whole: Path) -> None:
    """Assert that everything but the clock is equal."""
    assert tiny.rows(run) == tiny.rows(whole)
    assert checkpoints(run)[-1].name == checkpoints(whole)[-1].name
    for kind in ("checkpoints", "checkpoints/best"):
        ours, theirs = tiny.newest_arrays(run / kind), tiny.newest_arrays(whole / kind)
        assert ours.keys() == theirs.keys()
        assert [name for name in ours if ours[name] != theirs[name]] == []
    best = [[path.name for path in (one / "checkpoints/best").iterdir()] for one in (run, whole)]
    assert best[0] == best[1]
    summaries = [json.loads((one / "summary.json").read_text()) for one in (run, whole)]
    ours, theirs = (tiny.timeless(s) | {"peak_memory_bytes": None} for s in summaries)
    assert ours == theirs


def interrupt_after(least: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Press Ctrl-C once that many steps are made, in the middle of a window; where it was."""
    update, stops = Display.update, []

    def interrupt(display: Display, env_steps: int, row: object = None) -> None:
        update(display, env_steps, row)
        if row is None and env_steps > least and env_steps % 18 and not stops:
            stops.append(env_steps)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Display, "update", interrupt)
    return stops


@pytest.mark.parametrize(
    "whole",
    [
        *tiny.KINDS_OF_RUN[:4],
        *(pytest.param(each, marks=pytest.mark.slow) for each in tiny.KINDS_OF_RUN[4:]),
    ],
    ids=lambda command: "-".join(command.split()[1:3]),
)
def test_a_stop_by_the_user_is_saved_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: str
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        interrupt_after(100, patched)
        said = tiny.swarmfield(whole, "--run-dir", run)
    assert said.code == 130
    assert said.err.count("\n") == 1
    assert f"swarmfield resume {run}" in said.err
    stopped = int(checkpoints(run)[-1].name)
    assert 100 < stopped < NUM_STEPS
    assert stopped % 18, "in the middle of a report's window"
    assert not (run / "summary.json").exists()
    assert tiny.swarmfield(f"resume {run}").code == 0
    same(run, tiny.finished(whole))


def test_a_stop_does_not_save_what_is_not_finite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    stops = interrupt_after(5, monkeypatch)
    said = tiny.swarmfield(WHOLE, "--algo.learning-rate", 1e30, "--run-dir", run)
    assert stops
    assert said.code == 1
    assert "not finite" in said.err
    assert [path.name for path in checkpoints(run)] == [f"{0:012d}"]


def test_a_finished_run_stays_as_it_is_even_without_checkpoints(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny.finished(WHOLE), run)
    shutil.rmtree(run / "checkpoints")
    before = tiny.files(run)
    assert tiny.swarmfield(f"resume {run}").code == 0
    assert tiny.files(run) == before


def kill_and_resume(run: Path, seconds: float) -> None:
    """Kill a training process some time after it made its folder, then go on."""
    process = tiny.start(WHOLE, "--run-dir", run)
    while not checkpoints(run) and process.poll() is None:
        time.sleep(0.01)
    time.sleep(seconds)
    process.kill()
    process.communicate()
    said = tiny.swarmfield(f"resume {run}")
    assert said.code == 0, said.err
    same(run, tiny.finished(WHOLE))


def seconds_of_training() -> float:
    summary = json.loads((tiny.finished(WHOLE) / "summary.json").read_text())
    return 2 * summary["wall_seconds"]


@pytest.mark.parametrize("number", range(2))
def test_a_kill_loses_nothing(tmp_path: Path, number: int) -> None:
    tiny.finished(WHOLE)
    process = tiny.start(WHOLE, "--run-dir", tmp_path / "run")
    reports = tmp_path / "run/metrics.jsonl"
    wanted = (3, 8)[number]
    while process.poll() is None and not (
        reports.exists() and reports.read_bytes().count(b"\n") >= wanted
    ):
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert not (tmp_path / "run/summary.json").exists()
    said = tiny.swarmfield(f"resume {tmp_path / 'run'}")
    assert said.code == 0, said.err
    same(tmp_path / "run", tiny.finished(WHOLE))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(10))
def test_kills_at_random_moments_lose_nothing(tmp_path: Path, number: int) -> None:
    moment = random.Random(number).uniform(0, 3 * seconds_of_training())
    kill_and_resume(tmp_path / "run", moment)


def test_a_finished_run_stays_as_it_is(copy: Path) -> None:
    before = tiny.files(copy)
    assert tiny.swarmfield(f"resume {copy}").code == 0
    assert tiny.files(copy) == before


def test_a_finished_run_goes_on(copy: Path) -> None:
    before = tiny.rows(copy)
    assert tiny.swarmfield(f"resume {copy} --env-steps 300").code == 0
    after = tiny.rows(copy)
    assert after[: len(before)] == before
    assert after[-1]["env_steps"] == 300
    assert after[-1]["explore"] == before[-1]["explore"], "schedules stay at their end"
    assert json.loads((copy / "summary.json").read_text())["env_steps"] == 300
    files = tiny.files(copy)
    assert tiny.swarmfield(f"resume {copy}").code == 0
    assert tiny.files(copy) == files
    refused = tiny.swarmfield(f"resume {copy} --env-steps 240")
    assert refused.code == 2
    assert "at least 300" in refused.err


def test_a_mistaken_total_can_be_taken_back(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"target_env_steps": 6_000_000}))
    assert tiny.swarmfield(f"resume {copy} --env-steps {NUM_STEPS}").code == 0
    config["target_env_steps"] = "many"
    (copy / "config.json").write_text(json.dumps(config))
    said = tiny.swarmfield(f"resume {copy}")
    assert said.code == 2
    assert "'many'" in said.err


def test_a_run_is_trained_by_one_process_at_a_time(copy: Path) -> None:
    with RunFolder(copy).locked():
        said = tiny.swarmfield(f"resume {copy} --env-steps 300")
    assert said.code == 2
    assert "another process" in said.err
    assert tiny.rows(copy) == tiny.rows(tiny.finished(WHOLE))


def test_what_a_newer_version_wrote_is_left_alone(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tiny.files(copy)
    monkeypatch.setattr(manifest, "FORMAT", manifest.FORMAT - 1)
    said = tiny.swarmfield(f"resume {copy} --env-steps 300")
    assert said.code == 2
    assert "upgrade swarmfield" in said.err
    assert tiny.files(copy) == before


def test_a_best_policy_that_is_gone_comes_back(copy: Path) -> None:
    """As if it was killed between the two."""
    shutil.rmtree(copy / "checkpoints/best")
    (copy / "summary.json").unlink()
    assert tiny.swarmfield(f"resume {copy}").code == 0
    same(copy, tiny.finished(WHOLE))


def test_a_damaged_checkpoint_is_passed_over_and_named(copy: Path) -> None:
    older, newest = checkpoints(copy)
    spoil(newest)
    (copy / "summary.json").unlink()
    replace_best_by_a_later_one(copy)
    said = tiny.swarmfield(f"resume {copy}")
    assert said.code == 0, said.err
    assert "skipped" in said.out
    assert newest.name in said.out
    assert older.name not in said.out
    same(copy, tiny.finished(WHOLE))


def replace_best_by_a_later_one(run: Path) -> None:
    """As if it was killed after an evaluation and before the checkpoint."""
    job = from_dict(json.loads((run / "config.json").read_text()))
    best = shapes(assemble(job), job.config.seed_list, None).best
    wrong = jax.tree.map(lambda x: jnp.full(x.shape, 7, x.dtype), best)
    shutil.rmtree(run / "checkpoints/best")
    checkpoint.save(run / "checkpoints/best", wrong, env_steps=NUM_STEPS, extra={"score": [9.0]})


def test_without_a_good_checkpoint_it_starts_again(copy: Path) -> None:
    for path in checkpoints(copy):
        spoil(path)
    (copy / "summary.json").unlink()
    said = tiny.swarmfield(f"resume {copy}")
    assert said.code == 0, said.err
    assert "starting again from config.json" in said.out
    assert all(path.name in said.out for path in checkpoints(tiny.finished(WHOLE)))
    for name in ("metrics.jsonl", "checkpoints"):
        assert (copy / "before-restart-1" / name).exists()
    same(copy, tiny.finished(WHOLE))


def test_reports_that_are_gone_are_missed(copy: Path) -> None:
    (copy / "metrics.jsonl").write_text("")
    (copy / "summary.json").unlink()
    said = tiny.swarmfield(f"resume {copy}")
    assert said.code == 2
    assert "metrics.jsonl" in said.err


def test_a_number_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    said = tiny.swarmfield(WHOLE, "--algo.learning-rate", 1e30, "--run-dir", tmp_path / "run")
    assert said.code == 1
    assert said.err.count("\n") == 1
    for word in ("loss", "environment step", "last good state", str(tmp_path)):
        assert word in said.err
    newest, faults = checkpoint.newest_good(tmp_path / "run/checkpoints")
    assert newest is not None
    assert not faults
    assert not (tmp_path / "run/summary.json").exists()
    assert tiny.swarmfield(f"resume {tmp_path / 'run'}").code == 1, "it fails again, and says so"
