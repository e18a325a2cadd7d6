"""From N agents to infinitely many."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny

from swarmfield import SwarmfieldError, chaos


@pytest.fixture(scope="module")
def beach(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chaos") / "beach"
    return chaos("beach_bar", num_agents=(2, 5, 20), episodes=200, output=folder, quiet=True)


def test_the_beach_comes_near_its_limit_as_one_over_n(beach):
    """-624.7201 - 288 / N, known to a fraction of what the returns themselves are."""
    assert beach["limit"]["agents"] is None
    for line in beach["lines"]:
        error = line["gap_ci95"] / 1.96
        assert abs(line["gap"] + 288 / line["num_agents"]) < 4 * error
        assert error < 0.02 * 288 / line["num_agents"] + 0.5
    rate = beach["rate"]
    assert rate["used"] == [2, 5, 20]
    assert abs(rate["slope"] + 1) < 0.1
    assert rate["low"] < rate["slope"] < rate["high"]


def test_crowds_come_nearer_too(beach):
    means = [np.mean(line["distance"]) for line in beach["lines"]]
    assert means == sorted(means, reverse=True)
    assert all(len(line["distance"]) == len(beach["times"]) == 11 for line in beach["lines"])
    assert (beach["times"][0], beach["times"][-1]) == (0, 200)


def test_files_hold_what_was_found(beach):
    folder = Path(beach["folder"])
    assert json.loads((folder / "chaos.json").read_text())["lines"] == beach["lines"]
    text = (folder / "chaos.md").read_text()
    assert "| infinitely many | - |" in text
    assert f"N^{beach['rate']['slope']:.2f}" in text
    assert (folder / "chaos.png").stat().st_size > 10_000


def test_a_run_in_both_ways_of_execution(tmp_path):
    """Greedy agents all say the same rule, so that both ways differ by chance only."""
    run = tiny.finished(tiny.CROWD_RUN)
    options = {"num_agents": (3, 100), "episodes": 4, "quiet": True}
    both = chaos(
        run, execution=("centralised", "decentralised"), output=tmp_path / "both", **options
    )
    found = [(line["execution"], line["num_agents"]) for line in both["lines"]]
    assert found == [(way, n) for way in ("centralised", "decentralised") for n in (3, 100)]
    one, other = (line["shared_return"] for line in both["lines"] if line["num_agents"] == 100)
    assert one != other
    assert abs(one - other) < 1
    assert abs(one - both["limit"]["shared_return"]) < 1


def test_where_the_limit_is_not_known_many_agents_stand_for_it(tmp_path):
    options = {"episodes": 2, "env": {"max_steps": 3}, "quiet": True}
    found = chaos("potential", num_agents=(2, 50), output=tmp_path / "a", **options)
    assert found["limit"]["agents"] == 50
    assert [line["num_agents"] for line in found["lines"]] == [2]
    assert found["rate"] is None
    asked = chaos("beach_bar", num_agents=(2, 4), limit=30, output=tmp_path / "b", **options)
    assert asked["limit"]["agents"] == 30
    assert [line["num_agents"] for line in asked["lines"]] == [2, 4]


@pytest.mark.parametrize(
    ("subject", "options", "message"),
    [
        ("battle", {}, "'battle' has no minor agents whose"),
        ("beach_bar", {"env": {"num_agents": 4}}, "give them by --num-agents"),
        ("beach_bar", {"num_agents": ()}, "--num-agents is empty"),
        ("beach_bar", {"num_agents": (0, 2)}, "is 0, but must be at least 1"),
        ("beach_bar", {"limit": 0}, "is 0, but must be at least 1"),
        ("beach_bar", {"episodes": 1}, "--episodes is 1, but differences need at least 2"),
        ("beach_bar", {"explore": 1.5}, "--explore is 1.5"),
        ("potential", {"num_agents": (5,)}, "at least one number of agents beside 5"),
    ],
)
def test_mistakes_are_told(subject, options, message, tmp_path):
    with pytest.raises(SwarmfieldError, match=message):
        chaos(subject, output=tmp_path / "none", quiet=True, **options)
    assert not (tmp_path / "none").exists()


def test_the_command(tmp_path):
    said = tiny.swarmfield(
        "chaos beach_bar --num-agents 2 5 --episodes 40 --env.max-steps 20 --output",
        tmp_path / "out",
    )
    assert said.code == 0, said.err
    assert "infinitely many" in said.out
    assert "|J_N - J| ~ N^-" in said.out
    assert (tmp_path / "out" / "chaos.png").exists()


def test_the_command_without_a_subject():
    assert "chaos needs a run's folder or an environment first" in tiny.swarmfield("chaos").err
