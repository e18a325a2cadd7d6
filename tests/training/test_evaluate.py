"""Whole episodes: one each, whatever its length, with returns that can be counted by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import NUM_ACTIONS, Toy, ToyConfig, WeatherVanes, answering

from swarmfield.training import evaluate, playing
from swarmfield.training.matchup import Policy, random_policy, sides_of
from swarmfield.training.playing import Episodes, Match

NUM_AGENTS = 3
TOY = Toy(ToyConfig(num_agents=NUM_AGENTS, max_steps=6, min_steps=2))
RIGHT, WRONG = answering(0), answering(1)
KEY = jax.random.key(0)


def make_match(learner: Policy, opponent: Policy | None, environment=TOY) -> Match:
    return Match(environment, sides_of(environment), learner, opponent)


def play(match: Match, num_episodes: int = 8, learner=None, opponent=None) -> Episodes:
    return jax.jit(playing.play(match, num_episodes))(learner, opponent, KEY)


@pytest.fixture(scope="module")
def right_against_wrong() -> Episodes:
    return play(make_match(RIGHT, WRONG))


def test_every_environment_plays_exactly_one_episode(right_against_wrong: Episodes) -> None:
    """Everybody earns 1 a step; episodes that ended first earn nothing more."""
    length = np.asarray(right_against_wrong.length)
    assert length.shape == (8,)
    assert len(set(length.tolist())) > 1
    assert length.min() >= 2
    assert length.max() <= 6
    np.testing.assert_array_equal(right_against_wrong.returns["learner"], NUM_AGENTS * length)
    np.testing.assert_array_equal(right_against_wrong.returns["opponent"], np.zeros(8))


def test_measures_are_each_players_own_at_the_end(right_against_wrong: Episodes) -> None:
    np.testing.assert_array_equal(right_against_wrong.measures["learner"]["win_rate"], np.ones(8))
    np.testing.assert_array_equal(right_against_wrong.measures["opponent"]["win_rate"], np.zeros(8))


def test_the_length_is_that_of_the_episodes_own_limit(right_against_wrong: Episodes) -> None:
    keys = playing.env_keys(KEY, 0, 8).environment
    state, _ = jax.jit(jax.vmap(TOY.reset))(keys)
    np.testing.assert_array_equal(right_against_wrong.length, state.limit)


def test_sides_are_swapped_in_half_of_the_episodes() -> None:
    """A learner who plays well only on the left."""

    def act(_learner, timestep, memory, _key, _explore):
        shift = jnp.where(timestep.shared["perspective"] == 0, 0, 1).astype(jnp.uint8)
        return (timestep.own["shown"] + shift) % NUM_ACTIONS, memory, None

    played = play(make_match(Policy(lambda *_: None, act), WRONG))
    earned = np.asarray(played.returns["learner"] > 0)
    np.testing.assert_array_equal(earned, [True] * 4 + [False] * 4)
    np.testing.assert_array_equal(played.measures["learner"]["win_rate"], [1.0] * 4 + [0.5] * 4)


def test_players_are_greedy_and_have_their_own_parameters() -> None:
    def act(learner, timestep, memory, _key, explore):
        shift = jnp.where(explore > 0, jnp.uint8(2), learner)
        return (timestep.own["shown"] + shift) % NUM_ACTIONS, memory, None

    policy = Policy(lambda *_: None, act)
    played = play(make_match(policy, policy), learner=jnp.uint8(1), opponent=jnp.uint8(0))
    np.testing.assert_array_equal(played.returns["learner"], np.zeros(8))
    np.testing.assert_array_equal(played.returns["opponent"], NUM_AGENTS * played.length)


def test_a_cooperative_environment_has_no_opponent() -> None:
    environment = WeatherVanes()
    match = make_match(random_policy(environment.teams[0]), None, environment)
    played = play(match, 3)
    assert list(played.returns) == list(played.measures) == ["learner"]
    np.testing.assert_array_equal(played.length, [8, 8, 8])
    assert (played.returns["learner"] <= environment.best_return + 3).all()


@pytest.mark.parametrize(
    ("num_episodes", "at_once", "groups"),
    [
        (100, 2**18, [100]),
        (10, 6 * 4, [4, 4, 2]),
        (8, 6 * 4, [4, 4]),
        (9, 6 * 5, [4, 4, 1]),
        (3, 1, [2, 1]),
        (1, 2**18, [1]),
    ],
)
def test_groups_fit_into_memory_and_are_even(
    monkeypatch, num_episodes: int, at_once: int, groups: list[int]
) -> None:
    monkeypatch.setattr(evaluate, "AGENTS_AT_ONCE", at_once)
    assert evaluate.episode_groups(make_match(RIGHT, WRONG), num_episodes) == groups


def test_groups_are_played_one_after_another(monkeypatch) -> None:
    monkeypatch.setattr(evaluate, "AGENTS_AT_ONCE", 6 * 4)
    played = evaluate.play_all(make_match(RIGHT, WRONG), 10, None, None, KEY)
    assert isinstance(played.length, np.ndarray)
    assert played.length.shape == (10,)
    np.testing.assert_array_equal(played.returns["learner"], NUM_AGENTS * played.length)
    # Groups of one size do not play the same episodes.
    assert (played.length[:4] != played.length[4:8]).any()


def test_the_summary_by_hand() -> None:
    episodes = Episodes(
        {"learner": np.array([1.0, 2.0, 3.0, 6.0]), "opponent": np.array([4.0] * 4)},
        {
            "learner": {"kills": np.array([0.0, 1.0, 2.0, 3.0])},
            "opponent": {"kills": np.array([2.0] * 4)},
        },
        np.array([5, 5, 5, 5]),
    )
    summary = evaluate.summarize(episodes)
    assert list(summary) == ["learner", "opponent"]
    assert summary["learner"]["return_mean"] == 3.0
    np.testing.assert_allclose(summary["learner"]["return_std"], np.sqrt(14 / 3), rtol=1e-6)
    assert summary["learner"]["kills"] == 1.5
    assert summary["learner"]["episodes"] == 4
    # Student's t with 3 degrees of freedom: 3.1824.
    np.testing.assert_allclose(
        summary["learner"]["return_ci95"], 3.1824463 * np.sqrt(14 / 3) / 2, rtol=1e-5
    )
    assert summary["opponent"]["return_ci95"] == 0.0
