"""The runs of experiments, spread over a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from swarmfield.experiments.board import Board
from swarmfield.experiments.cluster import joined
from swarmfield.experiments.crew import Crew, Work
from swarmfield.experiments.local import Backend
from swarmfield.experiments.plan import PlannedRun, needs_of
from swarmfield.experiments.workers import Workers

LOGS = "logs"
STOPPED = "stopped; the same command goes on where this one was."
SECONDS_BETWEEN_LOOKS = 0.5


def on_cluster(root: Path, address: str | None, cpus_per_run: int, retries: int) -> Backend:
    """A backend that has runs trained by a cluster of Ray.

    Args:
        root: Folder of all experiments, which all machines see.
        address: Of the cluster; see `cluster.joined`.
        cpus_per_run: Processors that a run asks for.
        retries: How often a lost run is tried again without coming further.
    """

    def train(planned: Sequence[PlannedRun], say: Callable[[str], None]) -> list[str]:
        with joined(address, root, cpus_per_run, say) as workers:
            return train_by(workers, planned, root, retries, say)

    return train


def train_by(
    workers: Workers,
    planned: Sequence[PlannedRun],
    root: Path,
    retries: int,
    say: Callable[[str], None],
) -> list[str]:
    """Have runs made by workers, several at once.

    Returns:
        The folders of those that failed.

    Raises:
        KeyboardInterrupt: It was interrupted; what was going on has been saved.
    """
    crew, needs = Crew(workers, retries), needs_of(planned)
    with Board("runs", crew.standings, say) as board:
        crew.tell = board.tell
        for one in planned:
            log = root / LOGS / one.path.relative_to(root).with_suffix(".log")
            env_steps = one.job.config.env_steps
            crew.add(Work(one.path, one.command, env_steps, log, needs.get(one.path)))
        work_off(crew, board)
    return [str(path) for path, one in crew.standings.items() if one.state == "failed"]


def work_off(crew: Crew, board: Board) -> None:
    """Go on until all is made; when interrupted, after saving."""
    try:
        while crew.unfinished:
            crew.turn(SECONDS_BETWEEN_LOOKS)
            board.refresh()
    except KeyboardInterrupt:
        crew.stop_all()
        raise KeyboardInterrupt(STOPPED) from None
