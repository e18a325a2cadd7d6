"""Experiments on numbers of agents: which runs are compared, and what a report shows of it."""

import shutil

import pytest
import tiny

from swarmfield.experiments import find
from swarmfield.experiments.crowds import FOLDER, compare, compared, uncompared
from swarmfield.experiments.design import Crowds
from swarmfield.experiments.report import write
from swarmfield.training.json_files import read_object, write_json

(EXPERIMENT,) = find("m3fc/crowds-beach_bar")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Where the experiment's run is finished."""
    folder = tmp_path_factory.mktemp("crowds")
    shutil.copytree(tiny.finished(tiny.CROWD_RUN), folder / "smoke" / "beach_bar-300" / "m3fppo")
    return folder


def test_finished_runs_are_compared_once(root):
    assert [path.name for path, _ in uncompared(EXPERIMENT, "smoke", root, None)] == ["m3fppo"]
    ((path, crowds),) = uncompared(EXPERIMENT, "smoke", root, None)
    compare(path, Crowds((2, 3), 2, 5))
    found = compared(path)
    assert found["limit"]["agents"] == 5
    assert [line["execution"] for line in found["lines"]] == 2 * ["centralised"] + 2 * [
        "decentralised"
    ]
    assert found["options"]["explore"] == 1.0
    assert crowds == EXPERIMENT.crowds["smoke"]
    assert uncompared(EXPERIMENT, "smoke", root, None) == []


def test_a_comparison_that_was_stopped_is_made_again(root):
    path = root / "smoke" / "beach_bar-300" / "m3fppo"
    file = path / FOLDER / "chaos.json"
    whole = read_object(file, "")
    write_json(file, {name: value for name, value in whole.items() if name != "rate"})
    assert len(uncompared(EXPERIMENT, "smoke", root, None)) == 1
    write_json(file, whole)


def test_others_experiments_compare_nothing(root):
    (curves,) = find("m3fc/beach_bar")
    assert uncompared(curves, "smoke", root, None) == []


def test_a_report_shows_numbers_of_agents(root, monkeypatch, tmp_path):
    monkeypatch.setitem(
        EXPERIMENT.task.budgets, "smoke", EXPERIMENT.task.budgets["smoke"]._replace(env_steps=80)
    )
    text = write("m3fc/crowds-beach_bar", [EXPERIMENT], "smoke", root, tmp_path).read_text()
    assert "| 3 | decentralised |" in text
    assert "5 (for the limit)" in text
    assert (tmp_path / "crowds-beach_bar-m3fppo.png").exists()
