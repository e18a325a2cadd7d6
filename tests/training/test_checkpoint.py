"""Checkpoints come back bit for bit, and nothing that is not one passes for one."""

import json
import logging
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from swarmfield.training import arrays, checkpoint, manifest
from swarmfield.types import SwarmfieldError


class Run(eqx.Module):
    weights: jax.Array
    parts: dict
    name: str
    activation: object


def bits(values: list[int], kind: type) -> jax.Array:
    return jnp.array(np.array(values, np.dtype(f"u{np.dtype(kind).itemsize}")).view(kind))


def make_run() -> Run:
    """Every kind of leaf whose bits are easily lost."""
    parts = {
        "not_numbers": bits([0x7FC12345, 0xFFC00001, 0x7F800001, 0x7F800000], np.float32),
        "negative_zero": jnp.full(3, -0.0),
        "bfloat16": bits([0x8000, 0x7FC1, 0x3F80], ml_dtypes.bfloat16),
        "half": jnp.full(2, -0.0, jnp.float16),
        "bytes": jnp.arange(256, dtype=jnp.uint8),
        "flags": jnp.array([True, False, True]),
        "count": jnp.array(7, jnp.int32),
        "weak": jnp.asarray(0.25),
        "empty": jnp.zeros((0, 3)),
        "key": jax.random.key(3),
        "keys": jax.vmap(lambda key: jax.random.split(key, 2))(jax.random.split(jax.random.key(1))),
        "other_key": jax.random.key(5, impl="rbg"),
        "host": np.array([1.0, np.nan]),
        "nothing": None,
        "odd name/with: signs": [jnp.ones(2), 3.5],
    }
    return Run(jnp.arange(12.0).reshape(3, 4), parts, "run", jax.nn.relu)


def blank(run: Run) -> Run:
    """The same structure with other numbers."""

    def other(leaf):
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            zeros = jnp.zeros_like(jax.random.key_data(leaf))
            return jax.random.wrap_key_data(zeros, impl=jax.random.key_impl(leaf))
        if isinstance(leaf, jax.Array) and leaf.weak_type:
            return leaf + 1.0
        if isinstance(leaf, np.ndarray):
            return np.zeros_like(leaf)
        return jnp.zeros_like(leaf) if isinstance(leaf, jax.Array) else leaf

    return jax.tree.map(other, run)


def raw(leaf: object) -> bytes:
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf).tobytes()


def assert_same(ours: Run, theirs: Run) -> None:
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for mine, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        if not isinstance(mine, jax.Array | np.ndarray):
            assert mine == other
            continue
        assert type(mine) is type(other)
        assert (mine.dtype, mine.shape) == (other.dtype, other.shape)
        assert jax.typeof(mine) == jax.typeof(other)
        assert raw(mine) == raw(other)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    extra = {"position": 17, "score": 0.1, "names": ["a", "b"], "none": float("-inf")}
    return checkpoint.save(tmp_path / "checkpoints", make_run(), env_steps=12_800, extra=extra)


def test_restores_every_bit(saved: Path) -> None:
    run = make_run()
    restored = checkpoint.restore(saved, blank(run))
    assert_same(restored, run)
    assert restored.activation is jax.nn.relu
    assert restored.parts["weak"].weak_type
    assert not restored.parts["count"].weak_type
    assert jax.random.key_impl(restored.parts["other_key"]) == "rbg"


def test_restores_from_shapes_alone(saved: Path) -> None:
    shapes = eqx.filter_eval_shape(make_run)
    shapes.parts["host"] = np.zeros(2)
    restored = checkpoint.restore(saved, shapes)
    expected = make_run()
    assert raw(restored.parts["keys"]) == raw(expected.parts["keys"])
    assert raw(restored.weights) == raw(expected.weights)
    assert restored.parts["weak"].weak_type


def test_restored_arrays_are_like_new_ones(saved: Path) -> None:
    restored = checkpoint.restore(saved, make_run())
    device_arrays = [x for x in jax.tree.leaves(restored) if isinstance(x, jax.Array)]
    assert not any(array.committed for array in device_arrays)
    doubled = jax.jit(lambda x: 2 * x, donate_argnums=0)(restored.weights)
    assert restored.weights.is_deleted()
    np.testing.assert_array_equal(doubled, 2 * np.arange(12.0).reshape(3, 4))


def test_extra_comes_back_and_what_is_not_finite_is_null(saved: Path) -> None:
    body = checkpoint.read_manifest(saved)
    assert body["env_steps"] == 12_800
    assert body["extra"] == {"position": 17, "score": 0.1, "names": ["a", "b"], "none": None}
    assert saved.name == "000000012800"


def test_a_run_without_arrays(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, {"empty": jnp.zeros(0), "n": 1}, env_steps=0, extra={})
    assert checkpoint.restore(path, {"empty": jnp.zeros((0, 5)), "n": 2})["n"] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: eqx.tree_at(lambda r: r.weights, run, jnp.zeros((3, 5))), r"\[3, 5\]"),
        (lambda run: eqx.tree_at(lambda r: r.weights, run, jnp.zeros((3, 4), int)), "int32"),
        (
            lambda run: eqx.tree_at(lambda r: r.parts["key"], run, jax.random.key(0, impl="rbg")),
            "rbg",
        ),
        (lambda run: eqx.tree_at(lambda r: r.parts, run, {}), "which this run lacks"),
        (lambda run: eqx.tree_at(lambda r: r.parts["empty"], run, jnp.zeros(1)), "lacks parts"),
    ],
)
def test_what_does_not_fit_is_named(saved: Path, change, message: str) -> None:
    with pytest.raises(SwarmfieldError, match=message) as caught:
        checkpoint.restore(saved, change(make_run()))
    assert "\n" not in str(caught.value)


def test_mismatch_names_the_leaf_and_both_shapes(saved: Path) -> None:
    other = eqx.tree_at(lambda r: r.weights, make_run(), jnp.zeros((3, 5)))
    with pytest.raises(SwarmfieldError, match=r"weights as float32\[3, 4\].*float32\[3, 5\]"):
        checkpoint.restore(saved, other)


def test_a_fresh_process_restores_the_same(tmp_path: Path) -> None:
    run = {"x": bits([0x7FC12345, 0x80000000], np.float32), "key": jax.random.key(4)}
    path = checkpoint.save(tmp_path, run, env_steps=1, extra={})
    program = (
        "import sys, jax, jax.numpy as jnp, numpy as np\n"
        "from pathlib import Path\n"
        "from swarmfield.training import checkpoint\n"
        "like = {'x': jnp.zeros(2), 'key': jax.random.key(0)}\n"
        "run = checkpoint.restore(Path(sys.argv[1]), like)\n"
        "print(np.asarray(run['x']).tobytes().hex(), jax.random.key_data(run['key']).tolist())\n"
    )
    result = run_python(program, str(path))
    assert result.stdout.split(" ", 1)[0] == raw(run["x"]).hex()
    assert json.loads(result.stdout.split(" ", 1)[1]) == jax.random.key_data(run["key"]).tolist()
    assert result.stderr == ""


def run_python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(checkpoint.__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def contents(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())


def test_a_flipped_bit_in_any_file_is_noticed(saved: Path) -> None:
    draw = random.Random(0)
    files = contents(saved)
    assert len(files) > 5
    for file in files:
        good = file.read_bytes()
        places = {0, len(good) - 1, *(draw.randrange(len(good)) for _ in range(8))}
        for place in places:
            flipped = bytearray(good)
            flipped[place] ^= 1 << draw.randrange(8)
            file.write_bytes(flipped)
            fault = checkpoint.verify(saved)
            assert fault is not None, (file, place)
            assert file.name in fault
        file.write_bytes(good)
    assert checkpoint.verify(saved) is None


def test_a_cut_file_is_named(saved: Path) -> None:
    for file in contents(saved):
        good = file.read_bytes()
        file.write_bytes(good[: len(good) // 2])
        fault = checkpoint.verify(saved)
        assert fault is not None
        assert file.name in fault
        file.write_bytes(good)


def test_a_missing_file_is_named(saved: Path) -> None:
    for file in contents(saved):
        good = file.read_bytes()
        file.unlink()
        fault = checkpoint.verify(saved)
        assert fault is not None
        assert file.name in fault
        file.write_bytes(good)


def test_a_file_too_many_is_named(saved: Path) -> None:
    (saved / "arrays" / "stray").write_text("x")
    with pytest.raises(SwarmfieldError, match="stray does not belong"):
        checkpoint.restore(saved, make_run())


def test_foreign_folders_are_refused(tmp_path: Path) -> None:
    assert "no manifest.json" in (checkpoint.verify(tmp_path) or "")
    assert "no manifest.json" in (checkpoint.verify(tmp_path / "missing") or "")
    (tmp_path / "manifest.json").write_text('{"name": "a web app", "icons": []}')
    assert "not the manifest of a Swarmfield" in (checkpoint.verify(tmp_path) or "")
    (tmp_path / "manifest.json").write_text("[1, 2")
    assert "not JSON" in (checkpoint.verify(tmp_path) or "")


def test_a_newer_format_asks_for_an_upgrade(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "FORMAT", 0)
    with pytest.raises(SwarmfieldError, match="upgrade swarmfield"):
        checkpoint.restore(saved, make_run())


def small(number: int) -> dict[str, jax.Array]:
    return {"x": jnp.full(4, float(number))}


def test_the_newest_good_one_is_found_and_the_bad_ones_named(tmp_path: Path) -> None:
    paths = [checkpoint.save(tmp_path, small(n), env_steps=n, extra={}) for n in (5, 50, 500)]
    (tmp_path / "best").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    assert checkpoint.newest_good(tmp_path) == (paths[2], [])
    (paths[2] / "manifest.json").unlink()
    path, skipped = checkpoint.newest_good(tmp_path)
    assert path == paths[1]
    assert [str(paths[2]) in sentence for sentence in skipped] == [True]
    for bad in paths[:2]:
        (bad / "manifest.json").write_text("{}")
    path, skipped = checkpoint.newest_good(tmp_path)
    assert path is None
    assert len(skipped) == 3
    assert checkpoint.newest_good(tmp_path / "missing") == (None, [])


def names(folder: Path) -> set[int]:
    return {int(path.name) for path in folder.iterdir()}


def test_pruning_keeps_the_newest_good_ones(tmp_path: Path) -> None:
    paths = {n: checkpoint.save(tmp_path, small(n), env_steps=n, extra={}) for n in range(5)}
    (paths[4] / "manifest.json").unlink()
    checkpoint.prune(tmp_path, keep=2)
    assert names(tmp_path) == {4, 3, 2}
    checkpoint.prune(tmp_path, keep=0)
    assert names(tmp_path) == {4, 3}
    (paths[3] / "manifest.json").unlink()
    checkpoint.prune(tmp_path, keep=1)
    assert names(tmp_path) == {4, 3}


def test_saving_again_replaces(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, small(1), env_steps=7, extra={"n": 1})
    path = checkpoint.save(tmp_path, small(2), env_steps=7, extra={"n": 2})
    assert checkpoint.read_manifest(path)["extra"] == {"n": 2}
    assert float(checkpoint.restore(path, small(0))["x"][0]) == 2.0
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_kill_between_the_renames_loses_nothing(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, small(1), env_steps=7, extra={})
    aside = path.rename(tmp_path / f".{path.name}.old")
    shutil.copytree(aside, tmp_path / f".{path.name}.tmp")
    found, skipped = checkpoint.newest_good(tmp_path)
    assert (found, skipped) == (aside, [])
    assert float(checkpoint.restore(aside, small(0))["x"][0]) == 1.0
    checkpoint.save(tmp_path, small(2), env_steps=8, extra={})
    assert names(tmp_path) == {7, 8}


def test_leftovers_of_a_kill_are_cleared_by_the_next_save(tmp_path: Path) -> None:
    (tmp_path / ".000000000003.tmp" / "arrays").mkdir(parents=True)
    (tmp_path / ".000000000003.tmp" / "arrays" / "half").write_text("x")
    assert checkpoint.newest_good(tmp_path) == (None, [])
    checkpoint.save(tmp_path, small(1), env_steps=4, extra={})
    assert names(tmp_path) == {4}


def test_a_failed_write_harms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = checkpoint.save(tmp_path, small(1), env_steps=7, extra={})

    def break_off(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(manifest, "write", break_off)
    for env_steps in (7, 8):
        with pytest.raises(SwarmfieldError, match="No space left on device"):
            checkpoint.save(tmp_path, small(2), env_steps=env_steps, extra={})
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert float(checkpoint.restore(path, small(0))["x"][0]) == 1.0


def test_an_interrupted_save_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(manifest, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(tmp_path, small(2), env_steps=8, extra={})
    assert list(tmp_path.iterdir()) == []


def test_too_little_space_is_told_before_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil._ntuple_diskusage(100, 90, 10)
    monkeypatch.setattr(arrays.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SwarmfieldError, match=r"No space left on device .* MB are needed"):
        checkpoint.save(tmp_path, small(1), env_steps=1, extra={})
    assert list(tmp_path.iterdir()) == []


def test_orbax_errors_become_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import orbax.checkpoint as ocp

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("RESOURCE_EXHAUSTED: x: No space left on device [28]\nmore\nand more")

    monkeypatch.setattr(ocp.PyTreeCheckpointer, "save", fail)
    with pytest.raises(SwarmfieldError, match="000000000001: No space left on device; free"):
        checkpoint.save(tmp_path, small(1), env_steps=1, extra={})
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import sys, jax.numpy as jnp
from pathlib import Path
from swarmfield.training import checkpoint
from swarmfield.types import SwarmfieldError
folder = Path(sys.argv[1])
checkpoint.save(folder, {"x": jnp.ones(3)}, env_steps=1, extra={})
try:
    checkpoint.save(folder, {"x": jnp.ones(2_000_000)}, env_steps=2, extra={})
except SwarmfieldError as error:
    print(error)
print(checkpoint.newest_good(folder)[0].name, *(path.name for path in folder.iterdir()))
"""


def test_a_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs the rights of root")
    try:
        result = run_python(FULL_DISK, str(disk / "checkpoints"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    message, left = result.stdout.splitlines()
    assert "No space left on device" in message
    assert left == "000000000001 000000000001"
    assert result.stderr == ""


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SwarmfieldError, match=r"Cannot write checkpoint .*Not a directory"):
        checkpoint.save(tmp_path / "file" / "checkpoints", small(1), env_steps=1, extra={})


KILLED = """
import sys, jax.numpy as jnp
from pathlib import Path
from swarmfield.training import checkpoint
folder, number = Path(sys.argv[1]), int(sys.argv[2])
while True:
    number += 1
    run = {str(i): jnp.full((100, 100), float(number)) for i in range(8)}
    checkpoint.save(folder, run, env_steps=number // 2, extra={"number": number})
    checkpoint.prune(folder, keep=2)
    print(number, flush=True)
"""


def kill_while_saving(folder: Path, number: int, seconds: float) -> int:
    """Save over and over, every step twice, until killed; the last number known to be saved."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), str(number)],
        cwd=Path(checkpoint.__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        return max(int(line) for line in [first, *process.stdout])


def kill_repeatedly(folder: Path, times: int) -> None:
    draw = random.Random(times)
    number, like = 0, {str(i): jnp.zeros((100, 100)) for i in range(8)}
    for _ in range(times):
        certain = kill_while_saving(folder, number, draw.uniform(0.0, 0.5))
        path, skipped = checkpoint.newest_good(folder)
        assert path is not None
        assert skipped == []
        number = checkpoint.read_manifest(path)["extra"]["number"]
        assert number >= certain
        restored = checkpoint.restore(path, like)
        assert all(bool(jnp.all(x == number)) for x in restored.values())
        visible = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        assert all(checkpoint.verify(entry) is None for entry in visible)


def test_kills_while_saving_leave_whole_checkpoints(tmp_path: Path) -> None:
    kill_repeatedly(tmp_path, 3)


@pytest.mark.slow
def test_many_kills_while_saving(tmp_path: Path) -> None:
    kill_repeatedly(tmp_path, 30)


def test_nothing_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    level = logging.getLogger("absl").level
    path = checkpoint.save(tmp_path, small(1), env_steps=1, extra={})
    checkpoint.restore(path, small(0))
    assert caplog.records == []
    assert logging.getLogger("absl").level == level


def test_arrays_spread_over_devices_stay_so(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "os.environ['XLA_FLAGS'] = '--xla_force_host_platform_device_count=2'\n"
        "import jax, jax.numpy as jnp\n"
        "from pathlib import Path\n"
        "from jax.sharding import NamedSharding, PartitionSpec\n"
        "from swarmfield.training import checkpoint\n"
        "mesh = jax.make_mesh((2,), ('seeds',))\n"
        "spread = NamedSharding(mesh, PartitionSpec('seeds'))\n"
        "keys = jax.device_put(jax.random.split(jax.random.key(0), 2), spread)\n"
        "run = {'x': jax.device_put(jnp.arange(4.0), spread), 'keys': keys}\n"
        "path = checkpoint.save(Path(sys.argv[1]), run, env_steps=1, extra={})\n"
        "back = checkpoint.restore(path, run)\n"
        "print(all(back[k].sharding == run[k].sharding for k in run), back['x'].tolist())\n"
    )
    result = run_python(program, str(tmp_path))
    assert result.stdout == "True [0.0, 1.0, 2.0, 3.0]\n", result.stderr
