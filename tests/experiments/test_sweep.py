"""Searches for good options: what is tried, what is kept of it, and what is refused."""

import json
import sys
from pathlib import Path

import pytest
import tiny
from test_crew import Script

from swarmfield.command_options import SweepOptions
from swarmfield.experiments.sweep import results, search, study
from swarmfield.experiments.sweep.design import Sweep, score_of
from swarmfield.experiments.sweep.plan import planned
from swarmfield.experiments.sweep.space import read, take_own, take_searched, words_of
from swarmfield.experiments.workers import Ending
from swarmfield.training.json_files import read_object
from swarmfield.types import SwarmfieldError

RATE = {"algo.learning-rate": "1e-4:1e-1:log"}
METRIC = "evaluation/learner/return_mean"
SEEDS = (0, 1)


class Imagined(Script):
    """Runs that are made up: the nearer the learning rate to 0.01, the better."""

    def __init__(self, evaluations: int = 0, stop_after: int | None = None, **options) -> None:
        super().__init__(**options)
        self.evaluations = evaluations
        self.stop_after = stop_after
        self.commands: dict[str, list[str]] = {}
        self.turns: dict[Path, int] = {}

    slots = 1

    def start(self, run: Path, words: list[str], log: Path) -> None:
        super().start(run, words, log)
        self.commands.setdefault(run.name, words)
        self.turns[run] = 0
        if self.stop_after is not None and len(self.commands) > self.stop_after:
            raise KeyboardInterrupt
        run.mkdir(exist_ok=True)
        (run / "config.json").write_text("{}")

    def ended(self, seconds: float) -> dict[Path, Ending]:
        for run in self.going:
            self.turns[run] += 1
            if self.turns[run] <= self.evaluations:
                self.report(run)
        over = [x for x in self.going if self.turns[x] > self.evaluations or x in self.stopped]
        self.going = [run for run in self.going if run not in over]
        return {run: self.close(run) for run in over}

    def close(self, run: Path) -> Ending:
        ending = self._ending(run)
        if ending.code == 0:
            seeds = {
                str(seed): {"learner": {"return_mean": self.score(run) + seed}} for seed in SEEDS
            }
            (run / "summary.json").write_text(json.dumps({"evaluation_by_seed": seeds}))
        return ending

    def report(self, run: Path) -> None:
        rows = [
            {"env_steps": 10 * self.turns[run], "seed": seed, METRIC: self.score(run) + seed}
            for seed in SEEDS
        ]
        with (run / "metrics.jsonl").open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def score(self, run: Path) -> float:
        words = self.commands[run.name]
        return -abs(float(words[words.index("--algo.learning-rate") + 1]) - 0.01)


def wanted(folder: Path, given: dict[str, str] = RATE, words: str = "", **options) -> Sweep:
    words = f"--env.num-agents 3 --opponent random --seeds 0:2 {words}"
    return planned("iql", "toy", words.split(), given, SweepOptions(run_dir=folder, **options))


def tried(sweep: Sweep, workers: Script) -> dict:
    """What a search finds."""
    opened = study.opened(sweep)
    try:
        search.run(sweep, opened, workers, say=lambda _: None)
    finally:
        found = results.results(sweep, opened)
        results.write(sweep, found)
    return found


def values(found: dict) -> list:
    return [trial["values"] for trial in found["trials"]]


def test_a_sweep_that_was_stopped_finds_what_it_would_have_found(tmp_path: Path) -> None:
    whole = tried(wanted(tmp_path / "whole", trials=13), Imagined())
    stopped = wanted(tmp_path / "stopped", trials=13)
    first = Imagined(stop_after=11)
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        tried(stopped, first)
    assert [t["state"] for t in read_object(stopped.file)["trials"]] == ["finished"] * 11 + [
        "stopped"
    ]
    second = Imagined()
    found = tried(stopped, second)
    assert list(second.commands) == ["trial-011", "trial-012"]
    assert values(found) == values(whole)
    assert [trial["score"] for trial in found["trials"]] == [t["score"] for t in whole["trials"]]
    # A sampler that learns from what it has found, and no draw made twice.
    rates = [trial["algo.learning-rate"] for trial in values(whole)]
    assert len(set(rates)) == 13
    assert all(1e-4 <= rate <= 1e-1 for rate in rates)
    more = tried(wanted(tmp_path / "stopped", trials=14), third := Imagined())
    assert list(third.commands) == ["trial-013"]
    assert values(more)[:13] == values(whole)


def test_the_best_is_told_as_a_command(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    sweep = wanted(tmp_path / "sweep", {**RATE, "algo.gamma": "0.9,0.99"}, trials=5)
    found = tried(sweep, Imagined())
    best = max(found["trials"], key=lambda trial: trial["score"])
    assert best["score"] == pytest.approx(sum(best["seed_scores"]) / 2)
    assert (found["best"]["number"], found["best"]["score"]) == (best["number"], best["score"])
    chosen = best["values"]
    fixed = "--env.num-agents 3 --opponent random --seeds 0:2"
    assert found["best"]["command"] == (
        f"swarmfield train iql toy {fixed} --algo.learning-rate {chosen['algo.learning-rate']} "
        f"--algo.gamma {chosen['algo.gamma']}"
    )
    assert read_object(sweep.file)["best"] == found["best"]
    assert (sweep.folder / "sweep.png").read_bytes().startswith(b"\x89PNG")
    results.tell(sweep, found)
    out = capsys.readouterr().out
    assert found["best"]["command"] in out
    assert "algo.learning-rate" in out


def test_the_least_can_be_the_best(tmp_path: Path) -> None:
    found = tried(wanted(tmp_path, trials=4, direction="minimize", sampler="random"), Imagined())
    assert found["best"]["score"] == min(trial["score"] for trial in found["trials"])


def test_a_grid_is_tried_once(tmp_path: Path) -> None:
    given = {"algo.learning-rate": "0.1,0.01,0.001", "algo.gamma": "0.9,0.99"}
    found = tried(wanted(tmp_path, given, sampler="grid", trials=99), Imagined())
    assert len({tuple(each.items()) for each in values(found)}) == len(values(found)) == 6
    assert found["best"]["values"]["algo.learning-rate"] == "0.01"
    again = Imagined()
    tried(wanted(tmp_path, given, sampler="grid", trials=99), again)
    assert not again.commands


def test_what_is_behind_is_stopped(tmp_path: Path) -> None:
    """Once five others were finished; it can be resumed by hand."""
    workers = Imagined(evaluations=3)
    options = {"trials": 12, "sampler": "random", "pruner": "median"}
    found = tried(wanted(tmp_path, words="--evaluations 3", **options), workers)
    states = [trial["state"] for trial in found["trials"]]
    assert states[:5] == ["finished"] * 5
    assert "pruned" in states[5:]
    scores = [workers.score(tmp_path / f"trial-{number:03}") for number in range(12)]
    kept = [score for score, state in zip(scores, states, strict=True) if state == "finished"]
    gone = [score for score, state in zip(scores, states, strict=True) if state == "pruned"]
    assert max(kept) > max(gone)
    assert {path.name for path in workers.stopped} == {
        f"trial-{number:03}" for number, state in enumerate(states) if state == "pruned"
    }


def test_failures_are_trials_too(tmp_path: Path) -> None:
    workers = Imagined(endings={"trial-001": [Ending(1, "loss is nan")]})
    found = tried(wanted(tmp_path, trials=3, sampler="random"), workers)
    assert [trial["state"] for trial in found["trials"]] == ["finished", "failed", "finished"]
    assert found["trials"][1]["score"] is None


def test_scores_are_of_all_seeds(tmp_path: Path) -> None:
    middle = [0.0, 4.0, 6.0, 1000.0]
    assert score_of(wanted(tmp_path), middle) == 5.0
    assert score_of(wanted(tmp_path, score="mean"), middle) == 252.5
    assert score_of(wanted(tmp_path), [1.0, None]) is None
    assert score_of(wanted(tmp_path), [1.0, float("nan")]) is None
    assert score_of(wanted(tmp_path), []) is None


def test_a_folder_of_another_sweep_is_refused(tmp_path: Path) -> None:
    study.opened(wanted(tmp_path / "sweep"))
    with pytest.raises(SwarmfieldError, match=r"whose direction is 'maximize', but 'minimize' is"):
        study.opened(wanted(tmp_path / "sweep", direction="minimize"))
    with pytest.raises(SwarmfieldError, match=r"whose search is .*0.0001:0.1:log.*; choose"):
        study.opened(wanted(tmp_path / "sweep", {"algo.learning-rate": "1e-3:1e-1:log"}))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine").touch()
    with pytest.raises(SwarmfieldError, match="is not empty and holds no sweep"):
        study.opened(wanted(tmp_path / "other"))


def test_options_are_told_apart() -> None:
    words = "--trials 3 --env.num-agents 3 --search.algo.gamma=0.9,0.99 --run-dir=x --seeds 0:2"
    own, rest = take_own(SweepOptions, f"{words} --search.algo.batch_size 8:16".split())
    assert own == ["--trials", "3", "--run-dir=x"]
    assert take_searched(rest) == (
        {"algo.gamma": "0.9,0.99", "algo.batch-size": "8:16"},
        ["--env.num-agents", "3", "--seeds", "0:2"],
    )


def test_values_are_typed_as_train_reads_them() -> None:
    def words(name: str, typed: str, value: object) -> list[str]:
        return words_of([read(name, typed, "mfq", "battle", [])], {name: value})

    assert words("algo.batch-size", "8:64", 32) == ["--algo.batch-size", "32"]
    assert words("algo.gamma", "0.5:0.9", 0.75) == ["--algo.gamma", "0.75"]
    assert words("env.minimap", "true,false", "true") == ["--env.minimap"]
    assert words("env.minimap", "true,false", "false") == ["--env.no-minimap"]
    assert words("opponent", "self,random", "self") == ["--opponent", "self"]
    assert read("algo.batch-size", "1e1:1e2:log", "mfq", "battle", []).extremes == (10, 100)


MISTAKES = [
    ("", "needs an algorithm and an environment first, such as `swarmfield sweep mfq battle`"),
    ("iql toy", "Nothing is searched over; add options such as --search."),
    ("iql toy --search.algo.gama 0.9,0.99", "There is no option --search.algo.gama; did you mean"),
    ("iql toy --search.algo.gamma", "--search.algo.gamma needs LOW:HIGH"),
    ("iql toy --search.algo.gamma 0.9", "--search.algo.gamma is '0.9', but must be LOW:HIGH,"),
    ("iql toy --search.algo.gamma 0.9,2", "--algo.gamma"),
    ("iql toy --search.algo.gamma 0.5:2", "--algo.gamma"),
    ("iql toy --search.algo.gamma 0.9,high", "--algo.gamma is 'high', but must be a number."),
    ("iql toy --search.algo.gamma 0.9,0.9", "its values must differ"),
    ("iql toy --search.algo.gamma 0.9:0.5", "the first number must be below the second"),
    ("iql toy --search.algo.gamma 0:1:log", "the first number must be above 0 and below"),
    ("iql toy --search.algo.gamma a:b", "has 'a' where a number should be"),
    ("iql toy --search.algo.batch-size 1:2.5", "must be of whole numbers"),
    ("iql toy --search.opponent self", "must be values with commas between them"),
    ("iql toy --search.opponent self:random", "must be values with commas between them"),
    ("iql toy --search.seeds 0:2", "--seeds decides what is measured"),
    ("iql toy --search.algo.gamma 0.9,0.99 --algo.gamma 0.9", "is given, but searched over too"),
    ("iql toy --search.algo.gamma 0.9,0.99 --search.algo.gamma=0.5:0.9", "is given twice"),
    ("iql toy --search.algo.gamma 0.9,0.99 --tirals 3", "There is no option --tirals"),
    ("iql toy --search.algo.gamma 0.9,0.99 --trials 0", "--trials is 0, but must be at least 1"),
    ("iql toy --search.algo.gamma 0.9,0.99 --at-once 0", "--at-once is 0, but must be at least 1"),
    ("iql toy --search.algo.gamma 0.9:0.99 --sampler grid", "is a range, but --sampler grid needs"),
    ("iql toy --search.algo.gamma 0.9,0.99 --metric evaluation/learner/kills", "--metric is 'eval"),
    ("iql toy --search.algo.gamma 0.9,0.99 --pruner median --evaluations 0", "--evaluations is 0"),
    ("iql toy --search.algo.gamma 0.9,0.99 --ray-address a:1", "add --backend ray"),
    ("iql battel --search.algo.gamma 0.9,0.99", "did you mean 'battle'"),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES, ids=[words for words, _ in MISTAKES])
def test_mistakes_are_told_before_anything_is_trained(
    words: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = tiny.swarmfield(f"sweep {words}")
    assert (said.code, said.err.count("\n")) == (2, 1), said.err
    assert sentence in said.err
    assert not list(tmp_path.iterdir())


def test_without_optuna_one_is_told_what_to_install(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    said = tiny.swarmfield(f"sweep iql toy --search.algo.gamma 0.9,0.99 --run-dir {tmp_path}/new")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "pip install 'swarmfield[sweep]'" in said.err
    assert not list(tmp_path.iterdir())


def test_a_sweep_from_the_command_line(tmp_path: Path, monkeypatch) -> None:
    """Two trials for real; what they leave are ordinary runs."""
    for name, value in tiny.installed(tmp_path / "site").items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "sweep"
    words = tiny.TOY.removeprefix("train ")
    command = (
        f"sweep {words} --env-steps 240 --evaluations 2 --search.algo.gamma 0.5,0.9 "
        f"--sampler grid --pruner median --metric evaluation/learner/win_rate --run-dir {folder}"
    )
    said = tiny.swarmfield(command)
    assert said.code == 0, said.err
    found = read_object(folder / "sweep.json")
    assert [trial["state"] for trial in found["trials"]] == ["finished"] * 2
    assert found["best"]["command"] in said.out
    for trial in found["trials"]:
        (score,) = trial["seed_scores"]
        summary = read_object(Path(trial["run"]) / "summary.json")
        assert score == trial["score"] == summary["evaluation"]["learner"]["win_rate"]
        config = read_object(Path(trial["run"]) / "config.json")
        assert str(config["algo"]["gamma"]) == trial["values"]["algo.gamma"]
    assert tiny.swarmfield(command).code == 0
