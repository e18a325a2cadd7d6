"""Who plays against whom: in training, in evaluations and in duels."""

import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from toy import Toy, ToyConfig

from swarmfield import SwarmfieldError, evaluate, load, make
from swarmfield.training.config import make_job
from swarmfield.training.evaluate import play_all
from swarmfield.training.matchup import random_policy, sides_of
from swarmfield.training.play import opposed
from swarmfield.training.player import Player
from swarmfield.training.playing import Match

SHORT = "--env-steps 72 --evaluations 2 --report-every 18"
TOY = f"train iql toy --env.num-agents 3 --num-envs 2 {tiny.LEARNING}"
SELF_PLAY = f"{TOY} {SHORT} --seeds 0:2"


def self_play() -> Path:
    return tiny.finished(SELF_PLAY)


def summary(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


class Uneven(Toy):
    """The left side is paid whatever it does."""

    def _timesteps(self, state, last_actions, rewards):
        return super()._timesteps(state, last_actions, [jnp.ones(self.num_agents), rewards[1]])


def test_sides_are_swapped_in_half_of_the_episodes() -> None:
    environment = Uneven(ToyConfig(num_agents=3))
    sides = sides_of(environment)
    match = Match(environment, sides, random_policy(sides.home), random_policy(sides.away))
    episodes = play_all(match, 10, None, None, jax.random.key(0))
    paid = 3 * environment.max_steps
    assert (episodes.returns["learner"][:5] == paid).all()
    assert (episodes.returns["opponent"][:5] < paid).all()
    assert (episodes.returns["learner"][5:] < paid).all()
    assert (episodes.returns["opponent"][5:] == paid).all()


def test_several_seeds_learn_in_one_program() -> None:
    rows = tiny.rows(self_play())
    assert [(row["env_steps"], row["seed"]) for row in rows] == [
        (steps, seed) for steps in (18, 36, 54, 72) for seed in (0, 1)
    ]
    assert all(np.isfinite(row["loss"]) for row in rows)
    assert rows[0]["loss"] != rows[1]["loss"]
    found = summary(self_play())
    assert found["agent_steps"] == sum(row["agent_steps"] for row in rows[-2:])
    assert set(found["evaluation_by_seed"]) == {"0", "1"}
    assert found["evaluation"]["learner"]["episodes"] == 4
    by_seed = [found["evaluation_by_seed"][seed]["learner"]["return_mean"] for seed in "01"]
    assert found["evaluation"]["learner"]["return_mean"] == pytest.approx(np.mean(by_seed))


def test_each_seed_can_be_loaded() -> None:
    first, second = (load(self_play(), seed=seed) for seed in (0, 1))
    leaves = [jax.tree.leaves(player.parameters) for player in (first, second)]
    assert any((a != b).any() for a, b in zip(*leaves, strict=True))
    with pytest.raises(SwarmfieldError, match=r"no seed 2; choose one of \[0, 1\]"):
        load(self_play(), seed=2)


def test_the_opponent_follows_the_learner_by_default() -> None:
    stored = tiny.newest_arrays(self_play() / "checkpoints")
    learner = {n.removeprefix("run.learner."): x for n, x in stored.items()}
    followers = {n.removeprefix("run.opponent."): x for n, x in stored.items() if "opponent" in n}
    assert followers
    names = [n for n in followers if n in learner]
    assert names == list(followers)
    found = summary(self_play())
    assert {"evaluation", "evaluation_self"} <= set(found)
    fresh = load(self_play()).parameters
    assert sum(x.size for x in jax.tree.leaves(fresh)) * 2 * 4 == sum(map(len, followers.values()))


@pytest.fixture(scope="module")
def against_frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run against a copy of another, which is gone by now."""
    folder = tmp_path_factory.mktemp("frozen")
    shutil.copytree(self_play(), folder / "old")
    said = tiny.swarmfield(f"{TOY} {SHORT} --opponent {folder / 'old'} --run-dir {folder / 'new'}")
    assert said.code == 0, said.err
    shutil.rmtree(folder / "old")
    return folder / "new"


@pytest.mark.slow
def test_a_frozen_opponent_stays_as_it_was(against_frozen: Path) -> None:
    frozen = jax.tree.leaves(load(self_play(), seed=0).parameters)
    stored = tiny.newest_arrays(against_frozen / "checkpoints")
    kept = [array for name, array in stored.items() if name.startswith("run.opponent")]
    assert kept == [np.asarray(leaf).tobytes() for leaf in frozen]
    assert "evaluation_self" not in summary(against_frozen)


def test_a_named_opponent_is_the_run_of_that_name(against_frozen: Path) -> None:
    """Not the copy that was trained against, even where the name is the same."""
    gone = json.loads((against_frozen / "config.json").read_text())["opponent"]
    for command in (
        f"evaluate {against_frozen} --opponent {gone}",
        f"duel {against_frozen} {gone}",
    ):
        said = tiny.swarmfield(command)
        assert said.code == 2
        assert f"no run folder {gone}" in said.err


@pytest.mark.slow
def test_a_frozen_opponent_is_needed_no_more(against_frozen: Path) -> None:
    """Its parameters are in the run's own checkpoints."""
    before = tiny.rows(against_frozen)
    said = tiny.swarmfield(f"evaluate {against_frozen} --episodes 4")
    assert said.code == 0, said.err
    said = tiny.swarmfield(f"resume {against_frozen} --env-steps 90")
    assert said.code == 0, said.err
    assert tiny.rows(against_frozen)[: len(before)] == before


def test_the_best_policy_is_the_one_of_the_best_evaluation() -> None:
    run = tiny.finished(tiny.TOY_RUN)
    name = "evaluation/learner/return_mean"
    scores = [(row[name], row["env_steps"]) for row in tiny.rows(run) if name in row]
    best = next(iter((run / "checkpoints/best").glob("0*")))
    first_best = max(scores, key=lambda found: (found[0], -found[1]))
    assert int(best.name) == first_best[1]
    manifest = json.loads((best / "manifest.json").read_text())
    assert manifest["extra"]["score"] == [first_best[0]]
    shapes = [jax.tree.map(jnp.shape, load(run, which=w).parameters) for w in ("best", "last")]
    assert shapes[0] == shapes[1]


def test_an_unknown_option_of_the_environment_is_refused() -> None:
    with pytest.raises(SwarmfieldError, match=r"no option env\.agents"):
        evaluate(tiny.finished(tiny.TOY_RUN), env={"agents": 5})


@pytest.mark.slow
def test_pursuit_is_played_against_random_prey(tmp_path: Path) -> None:
    run = tmp_path / "run"
    said = tiny.swarmfield(
        f"train iql adversarial_pursuit --env.map-size 12 --env.max-steps 10 --num-envs 2 "
        f"--env-steps 44 {tiny.LEARNING} --run-dir {run}"
    )
    assert said.code == 0, said.err
    assert "evaluation_self" not in summary(run)
    assert "tags" in summary(run)["evaluation"]["learner"]
    assert tiny.swarmfield(f"evaluate {run} --episodes 2 --env.map-size 16").code == 0
    for command in (f"duel {run} {run}", f"evaluate {run} --opponent self"):
        said = tiny.swarmfield(command)
        assert said.code == 2
        assert said.err.count("\n") == 1


@pytest.mark.parametrize("kind", ["random", "self", "runs/other"])
def test_an_opponent_of_nobody_is_refused(kind: str) -> None:
    alone = object.__new__(Player)  # without having been trained
    object.__setattr__(alone, "environment", make("firefighter", num_agents=4))
    object.__setattr__(alone, "job", make_job("iql", "firefighter"))
    with pytest.raises(SwarmfieldError, match="is cooperative and has none; leave the option out"):
        opposed(alone, kind)


def test_a_named_run_plays_as_it_is_now_and_a_frozen_one_as_it_was(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(tiny.finished(tiny.TOY_RUN), first)
    said = tiny.swarmfield(
        "train iql toy --env.num-agents 3 --num-envs 2 --env-steps 40 --evaluations 1 "
        f"--evaluation-episodes 2 --opponent {first} --run-dir {second}"
    )
    assert said.code == 0, said.err
    assert tiny.swarmfield(f"resume {first} --env-steps 400").code == 0
    newest = jax.tree.leaves(load(first).parameters)
    named = jax.tree.leaves(opposed(load(second), str(first))[1])
    frozen = jax.tree.leaves(opposed(load(second))[1])
    assert all(np.array_equal(x, y) for x, y in zip(newest, named, strict=True))
    assert not all(np.array_equal(x, y) for x, y in zip(newest, frozen, strict=True))
