"""Runs that take seconds, for tests of everything around them.

The programs of equal runs are compiled once a session: a cache of compiled programs is kept in
a folder of its own, for this process and for those it starts.
"""

import contextlib
import functools
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import jax
from jax.experimental.compilation_cache import compilation_cache
from toy import ENTRY

from swarmfield import cli
from swarmfield.environments import ENVIRONMENTS
from swarmfield.training import arrays, checkpoint

ENVIRONMENTS.setdefault("toy", ENTRY)

LEARNING = "--algo.batch-size 32 --algo.warmup 0 --algo.capacity 2000 --evaluation-episodes 2"
BATTLE = f"train mfq battle --env.map-size 12 --env.max-steps 20 --num-envs 2 {LEARNING}"
TOY = f"train iql toy --env.num-agents 3 --num-envs 2 --opponent random {LEARNING}"
# 120 steps of two environments: 13 reports, 4 evaluations, 13 checkpoints.
_WHOLE = "--env-steps 240 --evaluations 4 --checkpoints 99"
TOY_RUN = f"{TOY} {_WHOLE}"
# Replay with groups that both players remember, and rollouts; groups change within an episode.
_GROUPS = "--env.num-agents 6 --num-envs 2 --algo.num-groups 2 --algo.group-interval 3"
GROUPS_RUN = f"train bmf_q toy {_GROUPS} --opponent self {LEARNING} {_WHOLE}"
# Replay on one side, rollouts on the other.
RIVALS_RUN = (
    f"train iql toy --env.num-agents 3 --num-envs 2 --opponent ac {LEARNING} "
    f"--opponent-algo.rollout-length 7 {_WHOLE}"
)
# One who controls a crowd by rules.
CROWD_RUN = (
    "train m3fppo beach_bar --env.num-agents 20 --env.max-steps 10 --num-envs 2 --algo.hidden 8 "
    "--algo.rollout-length 10 --env-steps 80 --evaluations 1 --evaluation-episodes 2"
)
KINDS_OF_RUN = [
    TOY_RUN,
    GROUPS_RUN,
    RIVALS_RUN,
    # Whole steps, and what agents remember from one episode to the next.
    f"train hmf_ipc toy --env.num-agents 6 --num-envs 2 --algo.num-groups 2 {LEARNING} {_WHOLE}",
    f"train bmf_ac toy {_GROUPS} --algo.rollout-length 7 --evaluation-episodes 2 {_WHOLE}",
    # Continuous actions, and provisional ones recorded.
    f"train bmf_ac miners --env.num-agents 9 --num-envs 2 --algo.num-groups 2 --algo.no-delay "
    f"--algo.group-interval 3 {LEARNING} {_WHOLE}",
]

_PROGRAM = "import tiny, sys; sys.exit(tiny.cli.run(sys.argv[1:]))"
_FOLDER = tempfile.TemporaryDirectory(prefix="swarmfield-tests-")
SCRATCH = Path(_FOLDER.name)

_CACHE = os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(SCRATCH / "compiled"))
jax.config.update("jax_compilation_cache_dir", _CACHE)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
compilation_cache.reset_cache()


class Said(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


def swarmfield(command: str, *more: object) -> Said:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run([*command.split(), *map(str, more)])
    return Said(code, out.getvalue(), err.getvalue())


def start(command: str, *more: object, **options: object) -> subprocess.Popen:
    """Run a command in a process of its own."""
    tests = str(Path(__file__).parent)
    paths = os.pathsep.join(filter(None, [tests, os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": paths, "JAX_COMPILATION_CACHE_DIR": _CACHE}
    words = [sys.executable, "-c", _PROGRAM, *command.split(), *map(str, more)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(words, env=environment, text=True, **pipes)


def installed(site: Path) -> dict[str, str]:
    """The environment of processes that find the toy as a package, in a folder made for it."""
    described = site / "toy-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[swarmfield.environments]\ntoy = toy:ENTRY\n")
    tests = str(Path(__file__).parent)
    paths = filter(None, [str(site), tests, os.environ.get("PYTHONPATH")])
    return {
        "PYTHONPATH": os.pathsep.join(paths),
        "JAX_COMPILATION_CACHE_DIR": _CACHE,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


@functools.cache
def finished(command: str) -> Path:
    """The folder of a run, made once; not to be changed."""
    path = SCRATCH / f"run-{finished.cache_info().currsize}"
    said = swarmfield(command, "--run-dir", path)
    assert said.code == 0, said.err
    for name in ("learning_curve.png", "replay.html", "summary.json"):
        assert f"{path / name}\n" in said.out
    return path


def rows(run: Path) -> list[dict]:
    """Its reports, without what depends on the clock."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [timeless(json.loads(line)) for line in lines]


def timeless(figures: dict) -> dict:
    return {key: value for key, value in figures.items() if "second" not in key}


def newest_arrays(checkpoints: Path) -> dict[str, bytes]:
    """Every array of a newest checkpoint, bit for bit."""
    newest, faults = checkpoint.newest_good(checkpoints)
    assert newest is not None, faults
    leaves = [leaf["name"] for leaf in checkpoint.read_manifest(newest)["leaves"]]
    stored = arrays.read(newest / checkpoint.ARRAYS, len(leaves))
    return {name: array.tobytes() for name, array in zip(leaves, stored, strict=True)}


def files(folder: Path) -> dict[str, bytes]:
    """Every file in a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
