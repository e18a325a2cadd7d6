"""Recorded episodes: what happened, and the groups in which agents acted."""

import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from PIL import Image
from toy import Toy, ToyConfig, make_algorithm

from swarmfield.algorithms import ALGORITHMS
from swarmfield.environments import make
from swarmfield.replay_page import read_page
from swarmfield.training.config import make_job
from swarmfield.training.control import controlled
from swarmfield.training.matchup import env_keys, policy_of, random_policy, sides_of
from swarmfield.training.playing import Match
from swarmfield.training.recording import record

KEY = jax.random.key(3)
GROUPED = ("bmf_ac", "bmf_q", "hmf", "hmf_ipc", "mtmfac", "mtmfq")


def label_of(record):
    """The groups in a record of acting, whichever the learner."""
    recorded = record["recorded"] if isinstance(record, dict) else record
    return recorded.tracked.label


def acted_in(environment, algorithm, learner) -> dict[str, list]:
    """Step by step, the groups in which both teams act, by the same policy."""
    act, step = jax.jit(algorithm.act), jax.jit(environment.step)
    keys = env_keys(KEY, 0, 1)
    state, timesteps = environment.reset(keys.environment[0])
    sides = dict(zip(timesteps, ("learner", "opponent"), strict=False))
    memories = {
        team: algorithm.begin(learner, timestep, None, getattr(keys, sides[team])[0])
        for team, timestep in timesteps.items()
    }
    greedy = jnp.zeros(environment.num_agents)
    labels = {team: [] for team in timesteps}
    for time in range(1, environment.max_steps + 1):
        keys, actions = env_keys(KEY, time, 1), {}
        for team, timestep in timesteps.items():
            key = getattr(keys, sides[team])[0]
            actions[team], memories[team], told = act(
                learner, timestep, memories[team], key, greedy
            )
            labels[team].append(label_of(told))
        state, timesteps = step(keys.environment[0], state, actions)
    return labels


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("bmf_q", {"num_groups": 2, "group_interval": 3, "latent_size": 2}),
        ("mtmfac", {"num_types": 3, "types": "observations"}),
        ("hmf_ipc", {"num_groups": 2, "group_by": "embedding", "regroup_every": 3}),
    ],
)
def test_a_recording_holds_the_groups_in_which_both_sides_acted(name: str, options: dict) -> None:
    environment = Toy(ToyConfig(num_agents=6))
    algorithm = make_algorithm(name, environment, **options)
    learner = jax.jit(algorithm.init)(jax.random.key(7))
    policy = policy_of(algorithm)
    match = Match(environment, sides_of(environment), policy, policy)
    recording = record(match, learner, learner, KEY, "test")
    labels = acted_in(environment, algorithm, learner)
    expected = np.concatenate([np.stack(labels[team]) for team in ("left", "right")], axis=1)
    assert recording.group is not None
    np.testing.assert_array_equal(recording.group[:-1], expected)
    # At the last instant nobody acts any more.
    np.testing.assert_array_equal(recording.group[-1], expected[-1])
    assert len(np.unique(expected[:, :6])) > 1


def test_without_groups_none_are_recorded() -> None:
    environment = Toy(ToyConfig(num_agents=6, min_steps=3))
    sides = sides_of(environment)
    match = Match(environment, sides, random_policy(sides.home), random_policy(sides.home))
    recording = record(match, None, None, KEY, "test")
    assert recording.group is None
    assert recording.num_instants <= 9


@pytest.mark.parametrize("name", ALGORITHMS)
def test_methods_with_groups_say_so(name: str) -> None:
    algorithm = make_algorithm(name, Toy(ToyConfig()))
    assert (algorithm.groups is not None) == (name in GROUPED)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with groups, to be written into."""
    copy = tmp_path_factory.mktemp("groups") / "run"
    shutil.copytree(tiny.finished(tiny.GROUPS_RUN), copy)
    return copy


def test_training_leaves_a_replay_with_groups(run: Path) -> None:
    recording = read_page(run / "replay.html")
    assert recording.group is not None
    # Against itself both sides have groups.
    assert (recording.group[recording.alive] >= 0).all()


def test_a_replay_has_the_colours_that_are_asked_for(run: Path) -> None:
    heights = {}
    for colour_by in ("group", "team"):
        said = tiny.swarmfield(f"replay {run} --format gif --colour-by {colour_by}")
        assert said.code == 0, said.err
        with Image.open(run / "replay.gif") as film:
            heights[colour_by] = film.height
    # Groups take a line of the caption for each team.
    assert heights["group"] == heights["team"] + 20


def test_groups_of_a_run_without_are_refused() -> None:
    path = tiny.finished(tiny.TOY_RUN)
    said = tiny.swarmfield(f"replay {path} --colour-by group")
    assert said.code == 2
    assert said.err == (
        f"swarmfield: --colour-by is group, but nobody in run {path} acts in groups; choose team.\n"
    )
    said = tiny.swarmfield(f"replay {path} --colour-by squad")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "--colour-by" in said.err


def test_bodies_are_called_what_the_scene_calls_them() -> None:
    """One who controls a crowd is no body of its own."""
    world = make("beach_bar", num_agents=4, max_steps=3)
    config = make_job("m3fppo", "beach_bar").config.algo
    environment = controlled(world, config, "m3fppo")
    sides = sides_of(environment)
    algorithm = make_algorithm("m3fppo", environment, hidden=8)
    match = Match(environment, sides, policy_of(algorithm), None)
    learner = algorithm.init(jax.random.key(0))
    recording = record(match, learner, None, KEY, "test")
    assert recording.team_names == ("minor agents", "major agent", "target")
    assert recording.team_of.tolist() == [0, 0, 0, 0, 1, 2]
    assert recording.reward.shape == (4, 3)
