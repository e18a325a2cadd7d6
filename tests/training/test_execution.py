"""Policies of crowds, evaluated with and without chance, by one rule or each agent by its own."""

from pathlib import Path

import pytest
import tiny

from swarmfield import SwarmfieldError, evaluate, make
from swarmfield.training.config import make_job
from swarmfield.training.control import controlled
from swarmfield.training.evaluate import episode_groups
from swarmfield.training.matchup import random_policy, sides_of
from swarmfield.training.playing import Match


def evaluated(**options):
    return evaluate(tiny.finished(tiny.CROWD_RUN), episodes=6, **options)


def worth(**options):
    return evaluated(**options)["learner"]["shared_return"]


def test_one_rule_for_all_is_how_runs_are_evaluated():
    assert worth() == worth(execution="centralised")


def test_what_a_policy_leaves_to_chance_is_drawn_only_if_it_explores():
    assert worth(explore=0.0) == worth()
    assert worth(explore=1.0) != worth()


def test_agents_that_draw_a_rule_each_spread_less_than_a_crowd_that_draws_one():
    """A whole crowd that follows one bold rule heaps up; rules of many even out."""
    options = {"explore": 1.0, "env": {"num_agents": 300, "max_steps": 30}}
    assert worth(execution="decentralised", **options) > worth(**options)


def test_evaluations_are_filed_under_how_they_were_played():
    named = Path(evaluated(explore=0.5, execution="decentralised")["file"]).stem
    assert named == "decentralised-explore=0.5"


@pytest.mark.parametrize("explore", [-0.1, 2.0, float("nan")])
def test_chance_is_a_share(explore):
    with pytest.raises(SwarmfieldError, match=r"--explore is .*, but must be from 0 to 1"):
        evaluated(explore=explore)


def test_only_controllers_are_executed():
    with pytest.raises(SwarmfieldError, match="'decentralised', but iql controls no crowd"):
        evaluate(tiny.finished(tiny.TOY_RUN), execution="decentralised")


def test_large_crowds_are_evaluated_few_episodes_at_a_time():
    """It is bodies that take memory, and not the one who tells them what to do."""
    options = make_job("m3fppo", "potential").config.algo
    crowd = controlled(make("potential", num_agents=60_000), options, "m3fppo")
    sides = sides_of(crowd)
    match = Match(crowd, sides, random_policy(sides.home), None)
    assert episode_groups(match, 10) == [4, 4, 2]
