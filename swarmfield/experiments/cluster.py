"""A cluster of Ray trains runs: each is a task, which looks after the run's own process."""

from __future__ import annotations

import os
import runpy
import shutil
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from swarmfield.experiments import errand
from swarmfield.experiments.workers import Ending, ending
from swarmfield.types import SwarmfieldError

HANDED_ON = ("JAX_", "XLA_", "PYTHONPATH")
"""Variables of this process's environment that runs anywhere get too, by what they begin with."""

_PATIENCE = 120.0
_SECONDS_TO_ANSWER = 300.0


class RayWorkers:
    """Tasks of a cluster.

    Args:
        ray: The library, connected.
        shared: A folder that all machines see; notes to and from the tasks lie there in one
            that is hidden.
        cpus_per_run: Processors that a run asks for, beside one GPU where the cluster has any.

    Raises:
        SwarmfieldError: No machine has so many processors, or one does not see the folder.
    """

    def __init__(self, ray: Any, shared: Path, cpus_per_run: int) -> None:
        self._ray = ray
        self._cpus = cpus_per_run
        self._notes = Path(shared.absolute(), ".cluster", uuid.uuid4().hex)
        self._gpus = 1 if ray.cluster_resources().get("GPU", 0) else 0
        if self.slots == 0:
            raise SwarmfieldError(_none_fits(_alive(ray), cpus_per_run, self._gpus))
        self._notes.mkdir(parents=True)
        self._token = {"file": str(self._notes / "token"), "text": self._notes.name}
        Path(self._token["file"]).write_text(self._token["text"])
        # Sent as it stands in its file, so that a task imports nothing of this package.
        sent = runpy.run_path(errand.__file__)
        self._carry_out, self._unseen = sent["carry_out"], sent["unseen"]
        self._going: dict[Any, tuple[Path, Path]] = {}
        self._asked: set[Path] = set()
        self._started = 0

    def close(self) -> None:
        """Remove the notes. Tasks still there end with the connection."""
        shutil.rmtree(self._notes, ignore_errors=True)
        with suppress(OSError):
            self._notes.parent.rmdir()

    @property
    def slots(self) -> int:
        """How many runs the cluster as it is has room for."""
        return sum(
            _fitting(node["Resources"], self._cpus, self._gpus) for node in _alive(self._ray)
        )

    def check(self) -> None:
        """Ask every machine whether it sees what all must share.

        Raises:
            SwarmfieldError: One does not.
        """
        strategy = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        task = self._ray.remote(self._unseen)
        places = [strategy(node["NodeID"], soft=False) for node in _alive(self._ray)]
        asked = [
            task.options(num_cpus=0, max_retries=0, scheduling_strategy=place).remote(
                str(Path.cwd()), self._token
            )
            for place in places
        ]
        try:
            refusals = [said for said in self._ray.get(asked, timeout=_SECONDS_TO_ANSWER) if said]
        except self._ray.exceptions.RayError as error:
            raise SwarmfieldError(
                f"The cluster does not carry out tasks ({_first_line(error)}); its machines need "
                "the same versions of Python and Ray as this one, and Swarmfield."
            ) from None
        if refusals:
            raise SwarmfieldError(refusals[0])

    def start(self, run: Path, words: list[str], log: Path) -> None:
        """Hand a task to the cluster, which starts it where there is room."""
        self._started += 1
        note = self._notes / str(self._started)
        handed_on = {name: x for name, x in os.environ.items() if name.startswith(HANDED_ON)}
        task = self._ray.remote(self._carry_out).options(
            name=str(run), num_cpus=self._cpus, num_gpus=self._gpus, max_retries=0
        )
        order = {
            "words": words,
            "folder": str(Path.cwd()),
            "environment": handed_on,
            "run": str(run.absolute()),
            "log": str(log.absolute()),
            "note": str(note),
            "stop": f"{note}.stop",
            "token": self._token,
            "patience": _PATIENCE,
        }
        self._asked.discard(run)
        self._going[task.remote(order)] = (run, note)

    def begun(self) -> dict[Path, str]:
        """See `Workers`."""
        notes = {run: note for run, note in self._going.values() if note.exists()}
        names = _names(self._ray.nodes()) if notes else {}
        return {run: names.get(note.read_text(), "") for run, note in notes.items()}

    def ended(self, seconds: float) -> dict[Path, Ending]:
        """See `Workers`."""
        if not self._going:
            return {}
        tasks = list(self._going)
        over, _ = self._ray.wait(tasks, num_returns=len(tasks), timeout=0)
        if not over:
            over, _ = self._ray.wait(tasks, num_returns=1, timeout=seconds)
        return {self._going[task][0]: self._ending(task) for task in over}

    def _ending(self, task: Any) -> Ending:
        run, _ = self._going.pop(task)
        exceptions = self._ray.exceptions
        try:
            came_to = self._ray.get(task)
        except exceptions.TaskCancelledError:
            return Ending(errand.INTERRUPTED)
        except exceptions.RayTaskError as error:
            return Ending(errand.REFUSED, _first_line(error.cause or error))
        except exceptions.RayError as error:
            return Ending(None, _first_line(error))
        return ending(came_to["code"], came_to["said"], asked=run in self._asked)

    def stop(self, run: Path) -> None:
        """See `Workers`. A task that has not begun is taken back."""
        self._asked.add(run)
        for task, (path, note) in self._going.items():
            if path != run:
                continue
            Path(f"{note}.stop").touch()
            if not note.exists():
                self._ray.cancel(task)


@contextmanager
def joined(
    address: str | None, shared: Path, cpus_per_run: int, say: Callable[[str], None]
) -> Iterator[RayWorkers]:
    """The workers of a cluster, as long as they are needed.

    Args:
        address: Of the cluster, as HOST:PORT; `RAY_ADDRESS` says it if not given, and if that
            does not either, a cluster of this machine alone is started.
        shared: See `RayWorkers`.
        cpus_per_run: See `RayWorkers`.
        say: Is told what the cluster has.

    Raises:
        SwarmfieldError: There is no Ray, no such cluster, or it cannot train runs.
    """
    ray = _library()
    was_there = ray.is_initialized()
    if not was_there:
        _connect(ray, address or os.environ.get("RAY_ADDRESS") or "local")
    try:
        workers = RayWorkers(ray, shared, cpus_per_run)
        try:
            workers.check()
            say(f"cluster: {len(_alive(ray))} machines, {workers.slots} runs at once")
            yield workers
        finally:
            workers.close()
    finally:
        if not was_there:
            ray.shutdown()


def _library() -> Any:
    # Nobody is told what is computed here, unless the user says so.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray's default from its next version on; it warns until then.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError:
        raise SwarmfieldError(
            "--backend ray needs Ray, which is not installed here: "
            "pip install 'swarmfield[cluster]'."
        ) from None
    return ray


def _connect(ray: Any, address: str) -> None:
    if "://" in address:
        raise SwarmfieldError(
            f"--ray-address is {address}, but must be HOST:PORT, or auto for the cluster that this "
            "machine belongs to; start the experiment on one of the cluster's machines."
        )
    alone = {"include_dashboard": False} if address == "local" else {}
    try:
        # Processes that Ray forks become other programs at once, whatever JAX's threads hold.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **alone)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise SwarmfieldError(
            f"The Ray cluster {address} cannot be joined ({_first_line(error)}); check that it "
            "runs, and that this is one of its machines."
        ) from None


def _alive(ray: Any) -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _names(nodes: list[dict[str, Any]]) -> dict[str, str]:
    """What machines are called; several on one host are told apart."""
    hosts = [node["NodeManagerHostname"] for node in nodes]
    return {
        node["NodeID"]: host if hosts.count(host) == 1 else f"{host}-{node['NodeID'][:4]}"
        for node, host in zip(nodes, hosts, strict=True)
    }


def _fitting(resources: dict[str, float], cpus: int, gpus: int) -> int:
    """How many runs a machine has room for."""
    by_cpus = int(resources.get("CPU", 0)) // cpus
    return min(by_cpus, int(resources.get("GPU", 0)) // gpus) if gpus else by_cpus


def _none_fits(nodes: list[dict[str, Any]], cpus: int, gpus: int) -> str:
    most = max((int(node["Resources"].get("CPU", 0)) for node in nodes), default=0)
    beside = " beside a GPU" if gpus else ""
    return (
        f"--cpus-per-run is {cpus}, but no machine of the cluster has so many processors{beside}; "
        f"the largest has {most}."
    )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
