"""Many runs at once: their order, what becomes of lost ones, and how all that is shown."""

from pathlib import Path

import pytest
from rich.console import Console

from swarmfield.experiments import find
from swarmfield.experiments.board import Board, table, told
from swarmfield.experiments.crew import Crew, Standing, Work, newest, reported
from swarmfield.experiments.errand import INTERRUPTED
from swarmfield.experiments.local import train_here
from swarmfield.experiments.plan import needs_of
from swarmfield.experiments.runner import plan
from swarmfield.experiments.spread import train_by
from swarmfield.experiments.workers import Ending, ending


class Script:
    """Workers who end each command at once, as they were told."""

    slots = 2

    def __init__(self, endings: dict[str, list[Ending]] | None = None, files: str = "") -> None:
        self.endings = endings or {}
        self.files = files
        self.started: list[tuple[str, list[str]]] = []
        self.going: list[Path] = []
        self.stopped: list[Path] = []

    def start(self, run: Path, words: list[str], log: Path) -> None:
        self.started.append((run.name, words))
        self.going.append(run)

    def begun(self) -> dict[Path, str]:
        return dict.fromkeys(self.going, "there")

    def ended(self, seconds: float) -> dict[Path, Ending]:
        over, self.going = self.going, []
        return {run: self._ending(run) for run in over}

    def _ending(self, run: Path) -> Ending:
        left = self.endings.get(run.name, [])
        if run in self.stopped:
            return Ending(INTERRUPTED)
        return left.pop(0) if left else Ending(0)

    def stop(self, run: Path) -> None:
        self.stopped.append(run)


LOST, FAILED = Ending(None, "killed"), Ending(1, "swarmfield: loss is nan at step 8.")


def work(path: Path, needs: Path | None = None) -> Work:
    return Work(path, ["train", path.name], 160, path.with_suffix(".log"), needs)


def made(workers: Script, *works: Work) -> dict[str, Standing]:
    crew = Crew(workers, retries=2)
    for one in works:
        crew.add(one)
    while crew.unfinished:
        crew.turn(0.0)
    return {path.name: standing for path, standing in crew.standings.items()}


def test_what_needs_another_waits_for_it(tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    workers = Script()
    standings = made(workers, work(b, needs=a), work(c), work(a))
    assert [name for name, _ in workers.started] == ["c", "a", "b"]
    assert {standing.state for standing in standings.values()} == {"finished"}
    assert standings["a"].env_steps == 160
    assert standings["a"].where == "there"


def test_what_needs_a_failed_one_is_not_begun(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    workers = Script({"a": [FAILED]})
    standings = made(workers, work(a), work(b, needs=a))
    assert len(workers.started) == 1
    assert standings["b"].reason == f"needs {a}, which failed"
    assert told(standings["a"]) == f"failed: {FAILED.said}; see {tmp_path / 'a.log'}"


def test_a_lost_run_is_resumed_where_it_can_be(tmp_path: Path) -> None:
    """One that was lost before it had written anything is begun anew."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "config.json").touch()
    workers = Script({"a": [LOST, LOST], "b": [LOST]})
    standings = made(workers, work(tmp_path / "a"), work(tmp_path / "b"))
    assert [words for name, words in workers.started if name == "a"] == [["train", "a"]] * 3
    assert [words for name, words in workers.started if name == "b"] == [
        ["resume", str(tmp_path / "b")]
    ] * 2
    assert (standings["a"].losses, standings["a"].state) == (2, "finished")


def test_a_run_that_is_lost_over_and_over_is_given_up(tmp_path: Path) -> None:
    workers = Script({"a": [LOST] * 9})
    standing = made(workers, work(tmp_path / "a"), work(tmp_path / "b"))["a"]
    assert len(workers.started) == 4
    assert standing.reason.startswith("lost 3 times without coming further: killed; see ")


def test_losses_do_not_count_where_the_run_came_further(tmp_path: Path) -> None:
    run = tmp_path / "a"

    class Advancing(Script):
        def start(self, run: Path, words: list[str], log: Path) -> None:
            super().start(run, words, log)
            (run / "checkpoints" / f"{len(self.started):012}").mkdir(parents=True)

    standing = made(Advancing({"a": [LOST] * 9}), work(run))["a"]
    assert (standing.losses, standing.state) == (9, "finished")
    assert newest(run) == 10


def test_what_is_finished_is_not_begun(tmp_path: Path) -> None:
    (tmp_path / "summary.json").touch()
    workers = Script()
    assert made(workers, work(tmp_path))[tmp_path.name].state == "finished"
    assert not workers.started


def test_stopping_waits_until_all_is_saved(tmp_path: Path) -> None:
    workers = Script()
    crew = Crew(workers, retries=2)
    run, idle = crew.add(work(tmp_path / "a")), crew.add(work(tmp_path / "b", tmp_path / "a"))
    workers.ended = lambda seconds: {}
    crew.turn(0.0)
    crew.stop(idle.work.path)
    assert (run.state, idle.state, workers.stopped) == ("running", "waiting", [])
    del workers.ended
    crew.stop_all()
    assert (run.state, idle.state) == ("stopped", "waiting")


@pytest.mark.parametrize(
    ("code", "asked", "expected"),
    [
        (0, False, 0),
        (0, True, 0),
        (1, False, 1),
        (-9, False, None),
        (130, False, None),
        (-2, True, INTERRUPTED),
        (130, True, INTERRUPTED),
    ],
)
def test_who_was_killed_has_not_failed(code: int, asked: bool, expected: int | None) -> None:
    assert ending(code, "", asked=asked).code == expected


def test_an_experiment_by_workers(tmp_path: Path) -> None:
    """An opponent comes first, failures are told, the others are made."""
    planned = plan(find("hmf/groups-battle"), "smoke", tmp_path)
    enemy, first, *others = planned
    assert needs_of(planned) == {one.path: enemy.path for one in (first, *others)}
    workers, said = Script({first.path.name: [FAILED]}), []
    assert train_by(workers, planned, tmp_path, 3, said.append) == [str(first.path)]
    assert workers.started == [(one.path.name, one.command) for one in planned]
    assert f"{enemy.path}: finished" in said
    log = tmp_path / "logs" / first.path.relative_to(tmp_path).with_suffix(".log")
    assert f"{first.path}: failed: {FAILED.said}; see {log}" in said


def test_an_interrupted_experiment_stops_its_runs(tmp_path: Path) -> None:
    planned = plan(find("bmf/cost"), "smoke", tmp_path)

    class Interrupted(Script):
        def begun(self) -> dict[Path, str]:
            raise KeyboardInterrupt

    workers = Interrupted()
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        train_by(workers, planned, tmp_path, 3, lambda _: None)
    assert sorted(workers.stopped) == sorted(one.path for one in planned)


def test_here_too_nobody_meets_an_unfinished_opponent(tmp_path: Path, monkeypatch) -> None:
    planned = plan(find("hmf/groups-battle"), "smoke", tmp_path)
    called, said = [], []
    monkeypatch.setattr("swarmfield.experiments.local._call", lambda c: called.append(c) or 1)
    assert train_here(planned, said.append) == [str(one.path) for one in planned]
    assert len(called) == 1
    assert said[-1] == f"  needs {planned[0].path}, which failed"


def test_how_far_a_run_is(tmp_path: Path) -> None:
    assert reported(tmp_path) == 0
    assert newest(tmp_path) == -1
    rows = "".join(f'{{"env_steps": {step}, "loss": 0.5}}\n' for step in (16, 32))
    (tmp_path / "metrics.jsonl").write_text(rows + '{"env_steps": 4')
    assert reported(tmp_path) == 32


def shown(standings: list[Standing], most: int = 9) -> str:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table("runs", standings, most))
    console.file.close()
    return console.export_text()


def test_the_table_shows_what_one_looks_for(tmp_path: Path) -> None:
    standings = [
        Standing(work(tmp_path / "a"), "finished", "node-1", 160),
        Standing(work(tmp_path / "b"), "running", "node-2", 40, losses=1),
        Standing(work(tmp_path / "c"), "failed", "node-2", reason="loss is nan"),
        Standing(work(tmp_path / "d")),
    ]
    text = shown(standings)
    assert "runs: 1 finished, 1 waiting, 1 running, 1 failed" in text
    assert [line.split()[0] for line in text.splitlines() if "/ 160" in line] == list("cbda")
    assert "running, lost 1 times" in text
    assert "40 / 160" in text
    assert "failed: loss is nan" in text
    few = shown(standings, 2)
    assert few.count("/ 160") == 1
    assert "and 3 more" in few


def test_without_a_terminal_changes_are_told(tmp_path: Path) -> None:
    said: list[str] = []
    with Board("runs", {}, said.append) as board:
        board.refresh()
        board.tell(Standing(work(tmp_path), "running", "node-2", losses=2))
        board.tell(Standing(work(tmp_path), "waiting", "node-2", losses=2))
    assert said == [
        f"{tmp_path}: running on node-2, again (2)",
        f"{tmp_path}: lost on node-2; goes on from its last checkpoint",
    ]
