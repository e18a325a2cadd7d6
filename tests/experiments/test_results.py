"""Scores are read back as they were written, and claims judged by their intervals."""

import json
from pathlib import Path

import numpy as np
import pytest

from swarmfield.comparisons import difference_interval
from swarmfield.curves import over_seeds
from swarmfield.experiments import report
from swarmfield.experiments.design import Arm, Budget, Claim, Column, Experiment, Task, Trial
from swarmfield.experiments.plan import slug
from swarmfield.experiments.report import write
from swarmfield.experiments.results import Results, judge
from swarmfield.training.config import make_job, to_dict
from swarmfield.training.json_files import read_object, write_json
from swarmfield.types import SwarmfieldError

A, B, C = (Arm(name, "ac") for name in ("a", "b", "c"))
TASK = Task("there", "battle", {"smoke": Budget(160, 4)})
WORLD = Trial("large", "nine agents", {"num_agents": 9})
SCORES = {"a": [10.0, 11.0, 12.0, 13.0], "b": [1.0, 2.0, 3.0, 4.0], "c": [9.0, 10.0, 12.0, 14.0]}


def experiment(*claims: Claim, task: Task = TASK) -> Experiment:
    return Experiment(
        "paper/there",
        "P-1",
        "There",
        "Figure 1",
        "As it was.",
        task,
        (A, B, C),
        (Column("return", "return_mean", 1), Column("MB", "run/peak_memory_bytes", scale=1e-6)),
        trials={"smoke": (WORLD,)},
        claims=claims,
        reported={("a", "return"): "12 ± 1"},
    )


def finished(path: Path, scores: list[float]) -> None:
    """A run's folder as training leaves it."""
    seeds = {str(seed): {"learner": {"return_mean": x}} for seed, x in enumerate(scores)}
    mean = {"learner": {"return_mean": float(np.mean(scores))}}
    by_seed = {"evaluation_by_seed": seeds} if len(scores) > 1 else {}
    totals = {"peak_memory_bytes": 5e6, "env_steps": 160}
    write_json(path / "summary.json", {**totals, "evaluation": mean, **by_seed})
    job = make_job("ac", "battle", env_steps=160, seeds=f"0:{len(scores)}", opponent="random")
    resolved = {"seeds": list(range(len(scores)))}
    device = {"kind": "cpu", "platform": "cpu"}
    known = {"resolved": resolved, "device": device, "versions": {"jax": "0.10"}}
    write_json(path / "config.json", {**to_dict(job), **known})
    rows = [
        f'{{"env_steps": {step}, "seed": {seed}, "return/learner": {x * step}}}'
        for step in (1, 2)
        for seed, x in enumerate(scores)
    ]
    (path / "metrics.jsonl").write_text("\n".join(rows) + "\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, scores in SCORES.items():
        finished(tmp_path / "smoke" / "there" / name, scores)
    return tmp_path


def test_scores_of_seeds_runs_and_other_worlds(root: Path) -> None:
    results = Results(experiment(), "smoke", root)
    assert list(results.columns()) == ["return", "MB", "return @ large"]
    np.testing.assert_array_equal(results.scores(A, "return"), SCORES["a"])
    np.testing.assert_allclose(results.scores(A, "MB"), [5.0])
    assert len(results.scores(A, "return @ large")) == 0
    for number, change in enumerate(OTHER_REPORTS):
        report = {**REPORT, "seed": 1, "learner": {"return_mean": 99.0, "episodes": 20}, **change}
        write_json(root / f"smoke/there/a/evaluations/other-{number}.json", report)
    assert len(results.scores(A, "return @ large")) == 0
    for seed in (2, 0):
        report = {**REPORT, "seed": seed, "learner": {"return_mean": 7.0 + seed, "episodes": 20}}
        for copy in ("one", "same"):
            write_json(root / f"smoke/there/a/evaluations/{seed}-{copy}.json", report)
    np.testing.assert_array_equal(np.sort(results.scores(A, "return @ large")), [7.0, 9.0])


REPORT = {
    "run": "somewhere",
    "env": {"num_agents": 9},
    "which": "last",
    "evaluation_seed": 0,
    "env_steps": 160,
    "against": "random",
}
OTHER_REPORTS = (
    {"env": {"num_agents": 10}},
    {"which": "best"},
    {"evaluation_seed": 1},
    {"env_steps": 80},
    {"against": "self"},
    {"run": "somewhere:opponent"},
    {"learner": {"return_mean": 99.0, "episodes": 100}},
)
"""Evaluations that somebody made for another purpose."""


def test_a_run_that_went_on_is_another(root: Path) -> None:
    summary = root / "smoke/there/a/summary.json"
    write_json(summary, read_object(summary) | {"env_steps": 320})
    assert len(Results(experiment(), "smoke", root).scores(A, "return")) == 0


@pytest.mark.parametrize("file", ["summary.json", "config.json"])
def test_an_altered_run_is_named(root: Path, file: str) -> None:
    path = root / "smoke/there/b" / file
    write_json(path, {"env_steps": 160})
    with pytest.raises(SwarmfieldError, match=f"there/b/{file} lacks .* altered"):
        write("paper", [experiment()], "smoke", root, root / "report")


def test_a_run_a_seed(tmp_path: Path) -> None:
    alone = experiment(task=TASK._replace(one_by_one=True))
    for seed, score in enumerate([3.0, 5.0]):
        finished(tmp_path / f"smoke/there/a/seed{seed}", [score])
    results = Results(alone, "smoke", tmp_path)
    np.testing.assert_array_equal(results.scores(A, "return"), [3.0, 5.0])
    np.testing.assert_allclose(results.scores(A, "MB"), [5.0, 5.0])


@pytest.mark.parametrize(
    ("ours", "other", "relation", "margin", "outcome"),
    [
        ("a", "b", "more", 0.0, "supported"),
        ("b", "a", "more", 0.0, "contradicted"),
        ("a", "c", "more", 0.0, "left open"),
        ("b", "a", "less", 0.0, "supported"),
        ("a", "b", "less", 0.0, "contradicted"),
        ("a", "c", "same", 0.5, "supported"),
        ("a", "c", "same", 0.01, "left open"),
        ("a", "b", "same", 0.5, "contradicted"),
    ],
)
def test_claims_are_judged_by_intervals(
    root: Path, ours: str, other: str, relation, margin: float, outcome: str
) -> None:
    claim = Claim("It is so.", "return", ours, (other,), relation, margin)
    verdict = judge(Results(experiment(claim), "smoke", root), claim)
    assert verdict.outcome == outcome
    # Of four, the middle two count.
    one, two = (np.mean(SCORES[name][1:3]) for name in (ours, other))
    difference, scale = one - two, two if relation == "same" else 1.0
    np.testing.assert_allclose(verdict.differences[other].estimate, difference / scale)


def test_all_others_must_be_beaten(root: Path) -> None:
    both = Claim("Best.", "return", "a", ("b", "c"))
    assert judge(Results(experiment(both), "smoke", root), both).outcome == "left open"


def test_three_seeds_are_judged_by_their_spread(root: Path) -> None:
    """A bootstrap of three would find a difference too often; Student's interval is wider."""
    claim = Claim("Better.", "return", "a", ("b",))
    for name, scores in (("a", [2.0, 3.0, 4.5]), ("b", [0.5, 1.0, 1.9])):
        finished(root / "smoke" / "there" / name, scores)
    results = Results(experiment(claim), "smoke", root)
    bootstrapped = difference_interval(results.scores(A, "return"), results.scores(B, "return"))
    assert bootstrapped.low > 0
    assert judge(results, claim).outcome == "left open"


def test_nothing_is_the_same_share_of_nothing(root: Path) -> None:
    claim = Claim("As good.", "return", "a", ("b",), "same")
    finished(root / "smoke" / "there" / "b", [0.0] * 4)
    assert judge(Results(experiment(claim), "smoke", root), claim).outcome == "left open"


def test_too_few_seeds_leave_everything_open(root: Path) -> None:
    claim = Claim("Better.", "return", "a", ("b",))
    finished(root / "smoke" / "there" / "b", [1.0, 2.0])
    verdict = judge(Results(experiment(claim), "smoke", root), claim)
    assert verdict == ("left open", {})


def test_a_method_of_another_name_has_the_same_runs(root: Path) -> None:
    same = Arm("a, as usual", "ac", same_as="a")
    results = Results(experiment()._replace(arms=(same, B)), "smoke", root)
    np.testing.assert_array_equal(results.scores(same, "return"), SCORES["a"])
    text = write("paper", [results.experiment], "smoke", root, root / "report").read_text()
    assert "| `a, as usual` | 4 | 11.5 [" in text


def test_small_differences_are_not_rounded_away(root: Path) -> None:
    for name, scores in SCORES.items():
        finished(root / "smoke" / "there" / name, [x / 1000 for x in scores])
    claim = Claim("A is better than b.", "return", "a", ("b",))
    text = write("paper", [experiment(claim)], "smoke", root, root / "report").read_text()
    assert "(return; `a` less `b`: 0.0090 [0.0" in text


def test_a_report_says_what_was_found(root: Path) -> None:
    claims = (
        Claim("A is better than b.", "return", "a", ("b",)),
        Claim("A is as good as b.", "return", "a", ("b",), "same"),
    )
    file = write("paper", [experiment(*claims)], "smoke", root, root / "report")
    text = file.read_text()
    ends = {
        name: "{:.1f} [{:.1f}, {:.1f}]".format(*over_seeds(np.array(SCORES[name]))) for name in "ab"
    }
    assert ends["a"].startswith("11.5 [10.")
    assert f"| `a` | 4 | {ends['a']} | 12 ± 1 | 5 | - |" in text
    assert f"| `b` | 4 | {ends['b']} | - | 5 | - |" in text
    assert "**supported**: A is better than b. (return; `a` less `b`: 9.0" in text
    assert "**contradicted**: A is as good as b." in text
    assert "1 supported, 1 contradicted, 0 left open" in text
    assert (root / "report" / "there.png").stat().st_size > 1000


def test_what_was_not_run_is_named(root: Path) -> None:
    (root / "smoke/there/b/summary.json").unlink()
    text = write("paper", [experiment()], "smoke", root, root / "report").read_text()
    assert "Not finished: b." in text
    assert "`b`" not in text


def test_an_experiment_of_which_nothing_was_run_is_only_named(root: Path) -> None:
    other = experiment()._replace(
        name="paper/other", title="Another", task=experiment().task._replace(name="elsewhere")
    )
    text = write("paper", [other, experiment()], "smoke", root, root / "report").read_text()
    assert "Nothing of these is finished: `paper/other`." in text
    assert "Another" not in text


def test_experiments_of_several_sizes_are_drawn_against_the_size(root: Path) -> None:
    finished(root / "smoke" / "elsewhere" / "a", [1.0, 2.0, 3.0, 4.0])
    small = experiment()._replace(population=5)
    large = experiment()._replace(
        name="paper/large", population=50, task=experiment().task._replace(name="elsewhere")
    )
    text = write("paper", [small, large], "smoke", root, root / "report").read_text()
    picture = f"{slug(small.register)}-sizes.png"
    assert f"]({picture})" in text
    assert (root / "report" / picture).stat().st_size > 1000
    alone = write("paper", [small], "smoke", root, root / "alone").read_text()
    assert "Against the number of agents" not in alone


def test_where_only_figures_are_kept_there_is_no_film(root: Path) -> None:
    filmed = experiment()._replace(films=True)
    text = write("paper", [filmed], "smoke", root, root / "report").read_text()
    assert "No film of a: its run holds figures only" in text


def test_a_report_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SwarmfieldError, match="no finished run of paper at scale smoke"):
        write("paper", [experiment()], "smoke", tmp_path, tmp_path / "report")
    assert not (tmp_path / "report").exists()


MET = Experiment(
    "paper/met",
    "P-2",
    "Met",
    "Figure 2",
    "As it was.",
    TASK,
    (A, B),
    (Column("difference", "against/difference", 1), Column("win rate", "against/win_rate", 2)),
)


def meet(path: Path, ours: list[float], theirs: list[float]) -> None:
    """Add what a learner and the opponent that learned too came to against each other."""
    seeds = {
        str(seed): {"learner": {"return_mean": x, "win_rate": 0.5}, "opponent": {"return_mean": y}}
        for seed, (x, y) in enumerate(zip(ours, theirs, strict=True))
    }
    met = {"evaluation_rival": seeds["0"], "evaluation_rival_by_seed": seeds}
    write_json(path / "summary.json", read_object(path / "summary.json") | met)
    lines = (path / "metrics.jsonl").read_text().splitlines()
    rows = [json.dumps({**json.loads(line), "return/opponent": 0.5}) + "\n" for line in lines]
    (path / "metrics.jsonl").write_text("".join(rows))


@pytest.mark.parametrize(
    ("theirs", "outcome"),
    [([1.0] * 4, "supported"), ([11.5] * 4, "left open"), ([90.0] * 4, "contradicted")],
)
def test_a_meeting_of_two_learners_is_judged_by_its_difference(root, theirs, outcome) -> None:
    meet(root / "smoke/there/a", SCORES["a"], theirs)
    claim = Claim("A earns more.", "difference", "a")
    results = Results(MET._replace(claims=(claim,)), "smoke", root)
    np.testing.assert_array_equal(results.scores(A, "difference"), SCORES["a"] - np.array(theirs))
    np.testing.assert_array_equal(results.scores(A, "win rate"), [0.5] * 4)
    assert judge(results, claim).outcome == outcome


def test_a_report_shows_how_far_the_learner_was_ahead(root: Path) -> None:
    claim = Claim("A earns more.", "difference", "a")
    met = MET._replace(claims=(claim,), arms=(A,))
    meet(root / "smoke/there/a", SCORES["a"], [1.0] * 4)
    text = write("paper", [met], "smoke", root, root / "report").read_text()
    assert "**supported**: A earns more. (difference; `a`: 10.5 [" in text
    assert (root / "report" / "met.png").stat().st_size > 1000


def test_curves_are_in_the_units_of_their_columns(root: Path, monkeypatch) -> None:
    lines = (root / "smoke/there/a/metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) | {"evaluation/learner/return_mean": 8.0} for line in lines]
    told = "".join(json.dumps(row) + "\n" for row in rows)
    (root / "smoke/there/a/metrics.jsonl").write_text(told)
    drawn = {}
    monkeypatch.setattr(report, "comparison", lambda rows, *_: drawn.update(rows))
    each = Column("return an agent", "return_mean", 2, 1 / 4)
    one = experiment()._replace(arms=(A,), columns=(each,), reported={})
    write("paper", [one], "smoke", root, root / "report")
    assert {row["evaluation/learner/return_mean"] for row in drawn["a"]} == {2.0}


def test_a_meeting_that_is_not_there_is_named(root: Path) -> None:
    with pytest.raises(SwarmfieldError, match="lacks evaluation_rival"):
        Results(MET, "smoke", root).scores(A, "difference")
