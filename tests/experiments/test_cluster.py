"""Runs on a cluster of three nodes, all of them on this machine."""

import re
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny

from swarmfield.command_options import SweepOptions
from swarmfield.experiments import cluster, errand, runner
from swarmfield.experiments.design import Arm, Budget, Experiment, Task
from swarmfield.experiments.spread import on_cluster, train_by
from swarmfield.experiments.sweep import results, search, study
from swarmfield.experiments.sweep.plan import planned
from swarmfield.training.json_files import read_object
from swarmfield.types import SwarmfieldError

SECONDS = 300
LEARNING = {"batch_size": 32, "warmup": 0, "capacity": 2000}
BUDGET = Budget(480, 2, {"num_agents": 3}, LEARNING, num_envs=2, episodes=2, evaluations=4)
TASK = Task("toy", "toy", {"smoke": BUDGET}, opponent="random", one_by_one=True)
EXPERIMENT = Experiment("toy", "T", "A toy", "", "", TASK, (Arm("iql", "iql"),), ())


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """Three nodes, which have the toy environment as a package that is installed."""
    from ray.cluster_utils import Cluster

    environment = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # Of JAX; what is forked here becomes another program at once.
        warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
        for name, value in (environment | tiny.installed(tmp_path_factory.mktemp("site"))).items():
            patch.setenv(name, value)
        head = {"num_cpus": 1, "include_dashboard": False}
        made = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            made.add_node(num_cpus=1)
        yield made
        made.shutdown()


def kill_who_trains(nodes, root: Path, said: list[str], killed: list[str]) -> None:
    """Kill a node, not the first, as soon as its run has something to go on from."""
    others = {node.node_id[:4]: node for node in nodes.list_all_nodes() if not node.head}
    until = time.monotonic() + SECONDS
    while not killed and time.monotonic() < until:
        time.sleep(0.02)
        running = (re.fullmatch(r"(.*): running on .*-(\w{4})", line) for line in list(said))
        for run, name in (found.groups() for found in running if found):
            if name in others and is_on_its_way(Path(run)):
                nodes.remove_node(others[name], allow_graceful=False)
                killed.append(run)
                break


def is_on_its_way(run: Path) -> bool:
    saved = run / "checkpoints"
    names = [path.name for path in saved.iterdir()] if saved.exists() else []
    on_its_way = any(name.isdigit() and int(name) > 0 for name in names)
    return on_its_way and not (run / "summary.json").exists()


def test_a_killed_node_changes_nothing(nodes, tmp_path: Path) -> None:
    """Its run is gone on with elsewhere, and all come to what they come to here, one by one."""
    root, alone = tmp_path / "cluster", tmp_path / "alone"
    said: list[str] = []
    killed: list[str] = []
    killer = threading.Thread(target=kill_who_trains, args=(nodes, root, said, killed), daemon=True)
    killer.start()
    backend = on_cluster(root, nodes.address, 1, 3)
    runner.run((EXPERIMENT,), "smoke", root, say=said.append, backend=backend)
    assert said[0] == "cluster: 3 machines, 3 runs at once"
    assert any(line.startswith(f"{killed[0]}: lost on ") for line in said), said
    assert any(re.match(rf"{killed[0]}: running on .*, again \(1\)", line) for line in said), said
    assert not (root / ".cluster").exists()
    runner.run((EXPERIMENT,), "smoke", alone, say=said.append)
    for one in runner.plan((EXPERIMENT,), "smoke", alone):
        other = root / one.path.relative_to(alone)
        assert tiny.rows(other) == tiny.rows(one.path)
        assert summary(other) == summary(one.path)
        checkpoints = (run / "checkpoints" for run in (other, one.path))
        there, here = map(tiny.newest_arrays, checkpoints)
        assert there == here


def summary(run: Path) -> dict:
    figures = tiny.timeless(read_object(run / "summary.json"))
    return {name: value for name, value in figures.items() if name != "peak_memory_bytes"}


def test_a_failed_run_is_told(nodes, tmp_path: Path) -> None:
    (run, _) = runner.plan((EXPERIMENT,), "smoke", tmp_path)
    run.path.mkdir(parents=True)
    (run.path / "somebody's file").touch()
    said: list[str] = []
    failed = on_cluster(tmp_path, nodes.address, 1, 3)([run], said.append)
    assert failed == [str(run.path)]
    assert "failed: swarmfield: Run folder" in said[-1]
    assert "already exists and is not empty" in said[-1]
    assert said[-1].endswith("seed0.log")


def test_an_interrupted_experiment_takes_back_and_stops(
    nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Ctrl-C does, when one run is being trained and others wait for room."""
    runs = runner.plan((EXPERIMENT,), "smoke", tmp_path, "0:4")
    said: list[str] = []

    def interrupt(line: str) -> None:
        said.append(line)
        if ": running on" in line:
            raise KeyboardInterrupt

    with (
        cluster.joined(nodes.address, tmp_path, 1, said.append) as workers,
        pytest.raises(KeyboardInterrupt, match="the same command goes on"),
    ):
        train_by(workers, runs, tmp_path, 3, interrupt)
    assert [line for line in said if line.endswith(": stopped")]
    assert not any("failed" in line for line in said)


def test_a_sweep_on_a_cluster(nodes, tmp_path: Path) -> None:
    given = {"algo.gamma": "0.5,0.9"}
    words = f"--env.num-agents 3 --num-envs 2 --opponent random --env-steps 240 {tiny.LEARNING}"
    options = SweepOptions(run_dir=tmp_path, sampler="grid", trials=1)
    sweep = planned("iql", "toy", words.split(), given, options)
    tried = study.opened(sweep)
    with cluster.joined(nodes.address, tmp_path, 1, lambda _: None) as workers:
        search.run(sweep, tried, workers, lambda _: None)
    (trial,) = results.results(sweep, tried)["trials"]
    assert (trial["state"], trial["values"]) == ("finished", {"algo.gamma": "0.5"})
    assert trial["score"] == trial["seed_scores"][0]
    assert read_object(tmp_path / "trial-000" / "config.json")["algo"]["gamma"] == 0.5


def test_machines_must_see_the_same_files(nodes, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(cluster.Path, "cwd", lambda: Path("/nowhere"))
    with (
        pytest.raises(SwarmfieldError, match=r"does not see /nowhere; put the runs"),
        cluster.joined(nodes.address, tmp_path, 1, print),
    ):
        pass


def test_what_no_machine_has_is_refused(nodes, tmp_path: Path) -> None:
    with (
        pytest.raises(SwarmfieldError, match=r"--cpus-per-run is 2, but .* the largest has 1"),
        cluster.joined(nodes.address, tmp_path, 2, print),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("cpus", "gpus", "expected"), [(1, 0, 8), (3, 0, 2), (1, 1, 2), (4, 1, 2), (5, 1, 1)]
)
def test_room_on_a_machine(cpus: int, gpus: int, expected: int) -> None:
    assert cluster._fitting({"CPU": 8.0, "GPU": 2.0}, cpus, gpus) == expected
    assert cluster._fitting({"CPU": 8.0}, cpus, 1) == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--backend slurm", "--backend is 'slurm', but must be one of: local, ray."),
        ("--ray-address 10.0.0.1:6379", "--ray-address is 10.0.0.1:6379, but --backend is local;"),
        ("--backend ray --cpus-per-run 0", "--cpus-per-run is 0, but must be at least 1."),
        ("--backend ray --retries -1", "--retries is -1, but must be at least 0."),
        ("--backend ray --ray-address ray://a:1", "--ray-address is ray://a:1, but must be HOST:"),
    ],
)
def test_mistakes_are_told_in_a_sentence(words: str, sentence: str, tmp_path: Path) -> None:
    said = tiny.swarmfield(f"experiment bmf/cost --root {tmp_path} {words}")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert sentence in said.err


def test_without_ray_one_is_told_what_to_install(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    said = tiny.swarmfield(f"experiment bmf/cost --root {tmp_path} --backend ray")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "pip install 'swarmfield[cluster]'" in said.err


def test_a_task_needs_nothing_but_python() -> None:
    """It is sent as text, and must not load what takes a device."""
    imported = re.findall(r"^ *(?:import|from) (\w+)", Path(errand.__file__).read_text(), re.M)
    assert set(imported) <= set(sys.stdlib_module_names) | {"ray"}
