"""Who learns where sides differ, and runs that play the other side."""

import re
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny
from toy import Toy, ToyConfig, WeatherVanes

import swarmfield
from swarmfield.environments import ENVIRONMENTS, make
from swarmfield.registry import Entry
from swarmfield.training.matchup import sides_of
from swarmfield.training.player import load, load_opponent
from swarmfield.types import SwarmfieldError


class Uneven(Toy):
    """The toy with sides that count as different."""

    name = "uneven"
    interchangeable = False


ENVIRONMENTS.setdefault("uneven", Entry(ToyConfig, Uneven, "a test"))

BRIEF = f"--env.num-agents 3 --num-envs 2 {tiny.LEARNING} --env-steps 40 --evaluations 1"
LEFT = f"train iql uneven {BRIEF}"
RIGHT = f"{LEFT} --team right"


def against_right() -> Path:
    return tiny.finished(f"{LEFT} --opponent {tiny.finished(RIGHT)}")


def test_either_side_learns() -> None:
    environment = make("battle", enemy="double")
    for team, other in (("red", "blue"), ("blue", "red")):
        home, away, swapped = sides_of(environment, team)
        assert away is not None
        assert (home.name, away.name, swapped) == (team, other, False)
    assert sides_of(make("tiger_deer"), "deer").home.name == "deer"


def test_the_second_side_learns_against_random() -> None:
    path = tiny.finished(RIGHT)
    assert load(path).team.name == "right"
    assert np.isfinite(tiny.rows(path)[-1]["loss"])
    assert swarmfield.evaluate(path, episodes=2)["against"] == "random"


def test_the_first_side_learns_against_a_run_of_the_second() -> None:
    right, path = load(tiny.finished(RIGHT)), against_right()
    left = load(path)
    assert left.team.name == "left"
    assert left.job.frozen is not None
    assert left.job.frozen.config.team == "right"
    jax.tree.map(np.testing.assert_array_equal, load_opponent(left), right.parameters)
    report = swarmfield.evaluate(path, episodes=4)
    assert report["against"] == str(right.path)
    named = swarmfield.evaluate(path, episodes=4, opponent=str(right.path))
    assert named["learner"] == report["learner"]
    other_way = swarmfield.evaluate(right.path, episodes=4, opponent=str(path))
    assert set(other_way) == set(report)


def test_a_run_against_a_run_goes_on() -> None:
    path = tiny.SCRATCH / "goes-on"
    shutil.copytree(against_right(), path)
    said = tiny.swarmfield(f"resume {path} --env-steps 60")
    assert said.code == 0, said.err


def test_who_learned_beside_a_learner_is_met_by_others() -> None:
    right = f"{tiny.finished(f'{LEFT} --opponent iql')}:opponent"
    path = tiny.finished(f"{LEFT} --opponent {right}")
    jax.tree.map(np.testing.assert_array_equal, load_opponent(load(path)), load(right).parameters)
    assert swarmfield.evaluate(path, episodes=2)["against"] == right


@pytest.mark.parametrize(
    ("environment", "options", "message"),
    [
        ("battle", {"team": "blue"}, "--team is 'blue'.* both sides; leave the option out"),
        ("bar", {"team": "people"}, "--team is 'people'.* the only one; leave the option out"),
        ("adversarial_pursuit", {"team": "deer"}, "'deer', but must be one of: predator, prey"),
        ("adversarial_pursuit", {"team": 3}, "team is 3, but must be text"),
        ("adversarial_pursuit", {"opponent": "self"}, "choose random, an algorithm .* --team is"),
    ],
)
def test_refusals(environment, options, message, tmp_path) -> None:
    with pytest.raises(SwarmfieldError, match=message) as caught:
        swarmfield.train("iql", environment, run_dir=tmp_path / "run", **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train iql uneven --team right --opponent RUN", "cannot play 'left'; .* --team left"),
        ("evaluate RUN --opponent RUN", "cannot play 'left'"),
        ("evaluate RUN --opponent self", "not interchangeable.* cannot play team 'left'"),
        ("evaluate RUN --opponent ac", "choose random or a run's folder"),
        ("duel RUN RUN", "not interchangeable"),
    ],
)
def test_a_run_plays_only_the_side_that_it_learned(command: str, message: str) -> None:
    said = tiny.swarmfield(command.replace("RUN", str(tiny.finished(RIGHT))))
    assert said.code == 2
    assert re.search(message, " ".join(said.err.split()))


def test_a_cooperative_world_has_no_choice() -> None:
    with pytest.raises(SwarmfieldError, match=r"'flock'.*leave the option out"):
        sides_of(WeatherVanes(), "flock")
