"""Reports stay readable whatever happens, and resuming leaves no report twice."""

import json
import math
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from swarmfield.training import log, run_folder
from swarmfield.training.log import MetricsLog
from swarmfield.training.run_folder import RunFolder
from swarmfield.types import SwarmfieldError


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return run_folder.create(tmp_path / "run")


def row(env_steps: int, **more: object) -> dict[str, object]:
    return {"loss": 0.5, "env_steps": env_steps, "seed": 0, **more}


def read_events(path: Path) -> list[Event]:
    """Records of an event file: length, its checksum, content, its checksum."""
    content, events = path.read_bytes(), []
    while content:
        (size,) = struct.unpack("<Q", content[:8])
        events.append(Event.FromString(content[12 : 12 + size]))
        content = content[16 + size :]
    return events


def curves(folder: Path) -> dict[str, dict[int, float]]:
    """What TensorBoard shows: a restart hides what earlier files say from its step on."""
    shown: dict[str, dict[int, float]] = {}
    for path in sorted(folder.glob("events.*")):
        for event in read_events(path):
            if event.HasField("session_log"):
                shown = {
                    tag: {step: value for step, value in curve.items() if step < event.step}
                    for tag, curve in shown.items()
                }
            for value in event.summary.value:
                shown.setdefault(value.tag, {})[event.step] = value.simple_value
    return shown


def test_every_report_is_one_line_in_a_stable_order(folder: RunFolder) -> None:
    with MetricsLog(folder, 0) as metrics:
        metrics.write({"q": 1.0, "loss": 2.0, "seed": 0, "wall_seconds": 3.0, "env_steps": 10})
        metrics.write({"env_steps": 20, "wall_seconds": 3.5, "seed": 0, "loss": 1.0, "q": 1.5})
    lines = folder.metrics_file.read_text().splitlines()
    assert [list(json.loads(line)) for line in lines] == [
        ["env_steps", "wall_seconds", "seed", "loss", "q"]
    ] * 2
    assert folder.read_metrics()[1]["q"] == 1.5


def test_reports_can_be_read_at_once(folder: RunFolder) -> None:
    with MetricsLog(folder, 0) as metrics:
        assert metrics.position == 0
        metrics.write(row(10))
        assert len(folder.read_metrics()) == 1
        assert metrics.position == folder.metrics_file.stat().st_size


def test_array_scalars_and_what_is_not_finite(folder: RunFolder) -> None:
    with MetricsLog(folder, 0) as metrics:
        metrics.write(row(10, q=np.float32(0.25), loss=math.nan, games=np.int64(3)))
    text = folder.metrics_file.read_text()
    assert json.loads(text, parse_constant=pytest.fail)["loss"] is None
    shown = curves(folder.events / "seed-0")
    assert shown == {"q": {10: 0.25}, "games": {10: 3.0}}


def test_every_seed_has_its_own_curves(folder: RunFolder) -> None:
    with MetricsLog(folder, 0) as metrics:
        for seed in (3, 4):
            metrics.write({"env_steps": 10, "seed": seed, "return/learner": float(seed)})
        metrics.write({"env_steps": 10, "loss": 1.0})
    assert curves(folder.events / "seed-3") == {"return/learner": {10: 3.0}}
    assert curves(folder.events / "seed-4") == {"return/learner": {10: 4.0}}
    assert curves(folder.events) == {"loss": {10: 1.0}}


def test_resuming_cuts_back_to_the_checkpoint(folder: RunFolder) -> None:
    with MetricsLog(folder, 0) as metrics:
        metrics.write(row(10, loss=1.0))
        metrics.sync()
        position = metrics.position
        metrics.write(row(20, loss=2.0))
        metrics.write(row(30, loss=3.0))
    with MetricsLog(folder, position) as metrics:
        assert metrics.position == position
        metrics.write(row(20, loss=4.0))
    assert [(r["env_steps"], r["loss"]) for r in folder.read_metrics()] == [(10, 1.0), (20, 4.0)]
    assert len(list((folder.events / "seed-0").iterdir())) == 2
    assert curves(folder.events / "seed-0")["loss"] == {10: 1.0, 20: 4.0}


def test_starting_over_leaves_nothing_of_before(folder: RunFolder) -> None:
    for loss in (7.0, 8.0):
        with MetricsLog(folder, 0) as metrics:
            metrics.write(row(10, loss=loss))
    assert [r["loss"] for r in folder.read_metrics()] == [8.0]
    assert curves(folder.events / "seed-0")["loss"] == {10: 8.0}


def test_a_torn_line_is_cut_away(folder: RunFolder) -> None:
    with MetricsLog(folder, 0) as metrics:
        metrics.write(row(10))
        position = metrics.position
    with open(folder.metrics_file, "a") as file:
        file.write('{"env_steps": 2')
    with MetricsLog(folder, position) as metrics:
        metrics.write(row(20))
    assert [r["env_steps"] for r in folder.read_metrics()] == [10, 20]


@pytest.mark.parametrize("offset", [1, -1, 1000])
def test_a_file_that_is_not_the_one_left_is_refused(folder: RunFolder, offset: int) -> None:
    with MetricsLog(folder, 0) as metrics:
        metrics.write(row(10))
        position = metrics.position
    before = folder.metrics_file.read_bytes()
    with pytest.raises(SwarmfieldError, match=r"metrics\.jsonl does not hold the reports up to"):
        MetricsLog(folder, position + offset)
    assert folder.metrics_file.read_bytes() == before


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SwarmfieldError, match=r"Cannot write .*metrics\.jsonl: Not a directory"):
        MetricsLog(RunFolder(tmp_path / "file"), 0)


def test_a_line_that_finds_no_room_is_told(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(log.FileIO):
        def write(self, content: bytes) -> int:
            return super().write(content[:5])

    monkeypatch.setattr(log, "FileIO", Full)
    with (
        MetricsLog(folder, 0) as metrics,
        pytest.raises(SwarmfieldError, match=r"metrics\.jsonl: No space left on device"),
    ):
        metrics.write(row(10))
    assert folder.read_metrics() == []


FULL_DISK = """
import sys
from pathlib import Path
from swarmfield.training import run_folder
from swarmfield.training.log import MetricsLog
from swarmfield.types import SwarmfieldError
folder = run_folder.RunFolder(Path(sys.argv[1]))
try:
    with MetricsLog(folder, 0) as metrics:
        for step in range(100_000):
            metrics.write({"env_steps": step, "seed": 0, **{f"loss/{i}": 0.1 for i in range(50)}})
            metrics.sync()
except SwarmfieldError as error:
    print(error)
print(len(folder.read_metrics()) > 10)
"""


def test_a_full_disk_ends_in_one_sentence(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs the rights of root")
    try:
        result = subprocess.run(
            [sys.executable, "-c", FULL_DISK, str(disk)],
            cwd=Path(log.__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    message, enough = result.stdout.splitlines()
    assert message.startswith("Cannot write")
    assert "No space left on device" in message
    assert enough == "True"
    assert result.stderr == ""
