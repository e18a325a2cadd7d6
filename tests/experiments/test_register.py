"""The papers' experiments are complete, consistent, and can be trained at every scale."""

import dataclasses
from collections import defaultdict
from pathlib import Path

import pytest

from swarmfield.experiments import EXPERIMENTS, PAPERS, find
from swarmfield.experiments.design import SCALES
from swarmfield.experiments.mfqmix import MFQ_GROWING
from swarmfield.experiments.plan import runs_of, slug
from swarmfield.experiments.results import Results
from swarmfield.experiments.runner import plan
from swarmfield.training.config import make_job, to_dict
from swarmfield.training.setup import assemble
from swarmfield.types import SwarmfieldError

ROOT = Path("somewhere")
EVERY = list(EXPERIMENTS.values())


def test_the_register_is_complete() -> None:
    registered = ["B-3a", "B-3b", "B-3c", "B-T1", "B-T2", "B-delay", "B-4a", "B-4b", "B-5"]
    found = [experiment.register for experiment in PAPERS["bmf"]]
    assert [register for register in found if register != "beyond"] == registered
    assert find("bmf") == PAPERS["bmf"]
    assert find("bmf/cost") == (EXPERIMENTS["bmf/cost"],)


def test_experiments_on_mixing_are_there_at_every_size() -> None:
    found = [experiment.register for experiment in PAPERS["mfqmix"]]
    assert {register: found.count(register) for register in found} == {
        "X-3": 4,
        "X-4": 4,
        "X-6": 4,
        "X-7a": 4,
        "X-7b": 1,
    }
    (run,) = runs_of(find("mfqmix/incremental-10")[0].task, MFQ_GROWING, "laptop", ROOT)
    assert run.job.config.reward == "team"
    assert run.job.config.incremental.start == 0.2
    assert run.job.config.env.num_agents == 10


def test_experiments_on_hierarchies_are_there() -> None:
    found = [experiment.register for experiment in PAPERS["hmf"]]
    registered = ["H-3a", "H-3b", "H-3c", "H-3d", "H-4", "H-5a", "H-5b", "H-5c", "H-5d"]
    assert sorted(set(found)) == [*registered, "H-A2", "H-A3"]
    for arm in EXPERIMENTS["hmf/bar"].arms:
        (run,) = runs_of(EXPERIMENTS["hmf/bar"].task, arm, "laptop", ROOT)
        assert run.job.config.algo.identity == "learned"
        assert run.job.config.algo.learning_rate == 2e-3


def test_who_is_fought_is_trained_first_once_and_by_all_the_same() -> None:
    enemy, *others = plan(find("hmf/battle-50") + find("hmf/groups-battle"), "laptop", ROOT)
    assert enemy.arm == "enemy"
    assert enemy.job.config.team == "blue"
    assert enemy.job.config.seeds == "0:1"
    assert {one.job.config.env_steps for one in others} == {48_000}
    assert enemy.job.config.env_steps == 96_000
    assert len(others) == 7, "hmf has 8 groups in both"
    assert all(one.job.config.opponent == str(enemy.path) for one in others)
    assert all(one.job.config.team is None for one in others)


def test_head_to_head_gives_both_learners_the_same_terms() -> None:
    experiment = EXPERIMENTS["mfqmix/head-to-head"]
    for arm in experiment.arms:
        (run,) = runs_of(experiment.task, arm, "smoke", ROOT)
        config = run.job.config
        assert config.reward == "team"
        assert config.opponent != run.job.algorithm
        assert config.algo.exploration == config.opponent_algo.exploration == "epsilon"
        assert config.algo.batch_size == config.opponent_algo.batch_size == 64
        assert "--opponent-algo.batch-size" in run.command


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(SwarmfieldError, match="did you mean 'bmf/battle'"):
        find("bmf/batle")


@pytest.mark.parametrize("experiment", EVERY, ids=lambda e: e.name)
@pytest.mark.parametrize("scale", SCALES)
def test_everything_named_is_there(experiment, scale) -> None:
    arms = {arm.name for arm in experiment.arms}
    titles = set(Results(experiment, scale, ROOT).columns())
    for claim in experiment.claims:
        assert {claim.ours, *claim.others} <= arms
        assert claim.column in titles
        assert claim.others or claim.relation != "same", "a difference is no share of anything"
    for arm, title in experiment.reported:
        assert arm in arms
        assert title in titles
    seeds = sum(
        len(one.job.config.seed_list)
        for one in runs_of(experiment.task, experiment.arms[0], scale, ROOT)
    )
    assert seeds == experiment.task.budgets[scale].seeds


@pytest.mark.parametrize("scale", SCALES)
def test_methods_with_one_name_in_a_task_are_one(scale) -> None:
    """Experiments of a task share the runs of a folder."""
    commands = defaultdict(set)
    for experiment in EVERY:
        for arm in experiment.arms:
            for one in runs_of(experiment.task, arm, scale, ROOT):
                commands[one.path].add(" ".join(one.command))
    assert all(len(each) == 1 for each in commands.values())
    enemies = [one for one in plan(EVERY, scale, ROOT) if one.task.enemy and one.arm == "enemy"]
    assert len(plan(EVERY, scale, ROOT)) == len(commands) + len(enemies)


@pytest.mark.parametrize("scale", SCALES)
def test_everything_planned_can_be_built(scale) -> None:
    """Options that do not go together are refused when a program is put together."""
    planned = {str(one.path): one.job for one in plan(EVERY, scale, ROOT, "0:1")}
    for job in planned.values():
        # Who is fought is trained first.
        assemble(dataclasses.replace(job, frozen=planned.get(job.config.opponent)))


def test_a_printed_command_is_the_job() -> None:
    """What a reader types trains what the runner trains."""
    from swarmfield.training.train_options import job_of

    for one in plan(EVERY, "smoke", ROOT, "0:3"):
        assert to_dict(job_of(one.command[1:])) == to_dict(one.job)


def test_options_of_a_scale_go_to_the_methods_that_have_them() -> None:
    planned = plan(find("bmf/battle") + find("bmf/delay"), "smoke", ROOT)
    runs = {one.path.name: one.job for one in planned}
    (continuous,) = (one for one in plan(EVERY, "smoke", ROOT) if one.path.match("miners/ac"))
    assert continuous.job.config.algo.batch_size == 64
    assert runs["mfq"].config.algo.batch_size == 64
    assert runs["ac"].config.algo.rollout_length == 8
    assert runs["bmf_ac-no-delay"].config.algo.delay is False
    usual = make_job("ac", "battle").config.algo.rollout_length
    assert plan(find("bmf/firefighter"), "paper", ROOT)[2].job.config.algo.rollout_length == usual


def test_names_become_folders() -> None:
    assert slug("bmf_ac, 2 groups") == "bmf_ac-2-groups"
