"""What is done where a run is trained, with other processes in place of training."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from swarmfield.experiments import errand, guarded
from swarmfield.experiments.workers import LocalWorkers

WAITING = "import time; print('on it', flush=True); time.sleep(60)"
STOPPING = f"""
import signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
{WAITING}
"""


@pytest.fixture
def python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words are a program of Python's."""
    popen = subprocess.Popen

    def start(words: list[str], **options) -> subprocess.Popen:
        assert words[:3] == [sys.executable, "-m", "swarmfield.experiments.guarded"]
        return popen([sys.executable, "-S", "-c", *words[3:]], **options)

    monkeypatch.setattr(errand.subprocess, "Popen", start)
    monkeypatch.setattr(errand, "_this_node", lambda: "node-1")


def order(folder: Path, program: str, **other) -> dict:
    (folder / "token").write_text("seen")
    plain = {
        "words": [program],
        "folder": str(folder),
        "environment": {"GREETING": "hello"},
        "run": str(folder / "run"),
        "log": str(folder / "logs" / "run.log"),
        "note": str(folder / "1"),
        "stop": str(folder / "1.stop"),
        "token": {"file": str(folder / "token"), "text": "seen"},
        "patience": 60.0,
    }
    return plain | other


def test_a_command_is_carried_out(python, tmp_path: Path) -> None:
    program = "import os, sys; print(os.getcwd(), os.environ['GREETING']); sys.exit(3)"
    assert errand.carry_out(order(tmp_path, program)) == {"code": 3, "said": f"{tmp_path} hello"}
    assert (tmp_path / "1").read_text() == "node-1"


def test_a_command_is_stopped(python, tmp_path: Path) -> None:
    given, log = order(tmp_path, STOPPING), tmp_path / "logs" / "run.log"
    came_to: list[dict] = []
    thread = threading.Thread(target=lambda: came_to.append(errand.carry_out(given)))
    thread.start()
    until = time.monotonic() + 60
    while not (log.exists() and log.read_bytes()) and time.monotonic() < until:
        time.sleep(0.05)
    Path(given["stop"]).touch()
    thread.join()
    assert came_to == [{"code": 130, "said": "on it"}]
    # Once more, it does not even begin.
    assert errand.carry_out(given) == {"code": 130, "said": ""}


@pytest.mark.parametrize("missing", ["folder", "file", "text"])
def test_a_machine_that_does_not_see_the_files_says_so(python, tmp_path: Path, missing) -> None:
    given = order(tmp_path, WAITING)
    elsewhere = str(tmp_path / "elsewhere")
    if missing == "folder":
        given["folder"] = elsewhere
    else:
        given["token"][missing] = elsewhere
    came_to = errand.carry_out(given)
    assert came_to["code"] == 2
    named = str(tmp_path / "token") if missing == "text" else elsewhere
    assert f"does not see {named}; put the runs (--root" in came_to["said"]


def test_a_former_process_is_waited_for(python, tmp_path: Path) -> None:
    """One on a machine that the cluster takes for dead; not for ever, though."""
    run = tmp_path / "run"
    run.mkdir()
    with (run / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert errand.carry_out(order(tmp_path, "", patience=0.3))["code"] == 0
        released: list[None] = []
        threading.Timer(0.5, lambda: released.append(fcntl.flock(file, fcntl.LOCK_UN))).start()
        assert errand.carry_out(order(tmp_path, ""))["code"] == 0
        assert released


@pytest.mark.usefixtures("python")
def test_processes_of_this_machine(tmp_path: Path) -> None:
    done, going = tmp_path / "done", tmp_path / "going"
    with LocalWorkers(2) as workers:
        workers.start(done, ["print('bye')"], tmp_path / "done.log")
        workers.start(going, [STOPPING], tmp_path / "going.log")
        assert workers.begun() == {done: "here", going: "here"}
        assert workers.ended(60.0) == {done: (0, "bye")}
        while not (tmp_path / "going.log").read_bytes():
            assert workers.ended(0.1) == {}
        workers.stop(going)
        assert workers.ended(60.0) == {going: (130, "on it")}
        workers.start(going, [WAITING], tmp_path / "left.log")
        process, _ = workers._going[going]
    assert process.returncode == -signal.SIGKILL


def test_a_process_ends_with_who_started_it() -> None:
    program = f"import runpy; runpy.run_path({guarded.__file__!r})['end_with'](0)"
    process = subprocess.Popen([sys.executable, "-S", "-c", program], stdin=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_a_command_with_its_guard(tmp_path: Path) -> None:
    process = errand.begin(["list", "algorithms"], tmp_path / "log")
    try:
        assert process.wait(120) == 0, (tmp_path / "log").read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert errand.last_words(tmp_path / "log").startswith("m3f")
