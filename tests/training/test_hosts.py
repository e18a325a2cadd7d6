"""One run in several processes that find each other on this machine."""

import socket
import time
from pathlib import Path

import pytest
import tiny
from test_devices import almost_equal, summary

from swarmfield.training import checkpoint, hosts
from swarmfield.types import SwarmfieldError

TRAIN = f"{tiny.TOY} --num-envs 4 --env-steps 240 --evaluations 2 --checkpoints 99"
SECONDS = 300


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(number: int, command: str, *more: object) -> list:
    """A command's processes."""
    joining = f"--coordinator 127.0.0.1:{free_port()} --num-processes {number} --process-id"
    return [tiny.start(f"{command} {joining} {index}", *more) for index in range(number)]


def ended(processes: list) -> list[tiny.Said]:
    """What came of them."""
    told = [process.communicate(timeout=SECONDS) for process in processes]
    codes = [process.returncode for process in processes]
    # What the library under JAX says of its connections is not ours.
    said = [
        ["\n".join(x for x in text.splitlines() if "[Gloo]" not in x) for text in out_and_err]
        for out_and_err in told
    ]
    return [tiny.Said(code, *texts) for code, texts in zip(codes, said, strict=True)]


@pytest.fixture(scope="module")
def alone() -> Path:
    """The run in one process."""
    return tiny.finished(TRAIN)


def assert_same(run: Path, other: Path) -> None:
    """Up to rounding."""
    almost_equal(summary(run), summary(other))
    for one, another in zip(tiny.rows(run), tiny.rows(other), strict=True):
        almost_equal(one, another)


def test_each_process_has_its_seeds(tmp_path: Path) -> None:
    command = TRAIN.replace("--opponent random", "--opponent self") + " --seeds 0:2"
    run, alone = tmp_path / "run", tmp_path / "alone"
    said = ended(start(2, command, "--run-dir", run))
    assert [each.code for each in said] == [0, 0], said[0].err
    assert "devices: 2 of 2; each trains 1 of the seeds" in said[0].out
    assert tiny.swarmfield(command, "--run-dir", alone).code == 0
    assert_same(run, alone)


def test_two_processes_make_the_run_of_one(tmp_path: Path, alone: Path) -> None:
    first, second = ended(start(2, TRAIN, "--run-dir", tmp_path / "run"))
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "devices: 2 of 2; each has 2 of the environments" in first.out
    assert second.out.strip() == "", "the first process shows what becomes of it"
    assert_same(tmp_path / "run", alone)

    first, second = ended(start(2, TRAIN, "--run-dir", tmp_path / "run"))
    assert (first.code, second.code) == (2, 2)
    assert "already exists and is not empty" in first.err
    assert "already exists and is not empty" in second.err


def test_a_killed_process_costs_what_came_after_the_last_checkpoint(
    tmp_path: Path, alone: Path
) -> None:
    """Two processes begin, one is killed, and four go on."""
    run = tmp_path / "run"
    processes = start(2, TRAIN, "--run-dir", run)
    until = time.monotonic() + SECONDS
    while not any((run / "checkpoints").glob("[0-9]*[1-9]*")):
        assert time.monotonic() < until
        assert processes[0].poll() is None
        time.sleep(0.02)
    processes[1].kill()
    # JAX ends the other one too, once it has missed it for a minute or two.
    processes[0].kill()
    ended(processes)
    newest, _ = checkpoint.newest_good(run / "checkpoints")
    assert newest is not None
    assert 0 < checkpoint.read_manifest(newest)["env_steps"] < 240

    said = ended(start(4, f"resume {run}"))
    assert [each.code for each in said] == [0] * 4, "".join(each.err for each in said)
    assert_same(run, alone)


def test_shares_that_cannot_be_equal_are_refused(tmp_path: Path) -> None:
    said = ended(start(3, TRAIN, "--run-dir", tmp_path / "run"))
    for each in said:
        assert each.code == 2
        assert "3 processes cannot be given equal shares of 4 environments or 1 seeds" in each.err


@pytest.mark.parametrize(
    ("coordinator", "number", "this", "sentence"),
    [
        (None, "2", "0", "Several processes need --coordinator"),
        ("10.0.0.1", "2", "0", "--coordinator is '10.0.0.1', but must be HOST:PORT"),
        ("host:1", None, "0", "--num-processes is missing, but must be a whole number"),
        ("host:1", "two", "0", "--num-processes is 'two', but must be a whole number"),
        ("host:1", "2", "2", "--process-id is 2, but must be below --num-processes, 2"),
        ("host:1", "2", "-1", "--process-id is '-1', but must be a whole number"),
    ],
)
def test_processes_that_cannot_join_are_told_why(coordinator, number, this, sentence) -> None:
    with pytest.raises(SwarmfieldError, match=sentence):
        hosts.join(coordinator, number, this)


def test_joining_is_an_option_of_the_command_line() -> None:
    assert "need --coordinator" in tiny.swarmfield(f"{TRAIN} --num-processes 2").err
    assert "need --coordinator" in tiny.swarmfield("resume runs/x --process-id=0").err
    assert "--coordinator needs a value" in tiny.swarmfield(f"{TRAIN} --coordinator").err
