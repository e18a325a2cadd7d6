"""Mean-field games: exact values pinned, equilibria found, and what can be learned of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from swarmfield.games import (
    GAMES,
    Game,
    best_response,
    exploitability,
    fictitious_play,
    flow_of,
    learned_exploitability,
    learned_response,
    mirror_descent,
    values,
    worth,
)
from swarmfield.games.examples import beach, left_right, rock_paper_scissors
from swarmfield.types import SwarmfieldError

KEY = jax.random.key(0)


def once(*shares):
    """A policy that says where to go in the first step, and anything in the second."""
    shares = jnp.array(shares)
    first = jnp.broadcast_to(shares, (len(shares) + 1, len(shares)))
    return jnp.stack([first, jnp.full_like(first, 1 / len(shares))])


@pytest.mark.parametrize(
    ("game", "policy", "expected"),
    [
        # left: -mu(left), right: -2 mu(right)
        (left_right(), once(0.5, 0.5), 0.25),  # -0.5 and -1: -0.5 - (-0.75)
        (left_right(), once(1.0, 0.0), 1.0),  # nobody is on the right: 0 - (-1)
        (left_right(), once(2 / 3, 1 / 3), 0.0),
        # 1/3, 2/3, 1: 1 - 2/3
        (rock_paper_scissors(), once(1 / 3, 1 / 3, 1 / 3), 1 / 3),
        (rock_paper_scissors(), once(26 / 77, 20 / 77, 31 / 77), 0.0),
        # All rock: 0 for rock, 4 for paper, -3 for scissors.
        (rock_paper_scissors(), once(1.0, 0.0, 0.0), 4.0),
    ],
)
def test_exploitability_by_hand(game, policy, expected):
    assert float(exploitability(game, policy)) == pytest.approx(expected, abs=1e-6)


def test_who_goes_at_random_at_the_beach():
    """All are everywhere at all times; the best walk to the bar, 2.4 steps away in the mean."""
    game = beach(steps=20)
    uniform = game.uniform()
    flow = flow_of(game, uniform)
    np.testing.assert_allclose(flow, 1 / 25, rtol=1e-5)
    assert float(worth(game, flow, uniform)) == pytest.approx(-20 * (2.4 + 1.5 / 25), rel=1e-5)
    away = np.array([0] + [1] * 4 + [2] * 8 + [3] * 8 + [4] * 4)
    on_the_way = np.mean(away * (away + 1) / 2)
    best = -on_the_way - 20 * 1.5 / 25
    expected = best + 20 * (2.4 + 1.5 / 25)
    assert float(exploitability(game, uniform)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["left_right", "rock_paper_scissors"])
@pytest.mark.parametrize("solver", [fictitious_play, mirror_descent])
def test_solvers_find_equilibria(name, solver):
    options = {"step_size": 0.1} if solver is mirror_descent else {}
    solved = solver(GAMES[name](), 1000, **options)
    assert solved.exploitability[0] > 0.2
    assert solved.exploitability[-1] < 1e-2
    expected = {"left_right": [2 / 3, 1 / 3], "rock_paper_scissors": [26 / 77, 20 / 77, 31 / 77]}
    np.testing.assert_allclose(solved.flow[-1, 1:], expected[name], atol=5e-3)
    again = exploitability(GAMES[name](), jnp.asarray(solved.policy))
    assert float(again) == pytest.approx(solved.exploitability[-1], abs=1e-6)


def test_at_the_beach_nobody_gains_by_leaving():
    """At the bar 1.5 x, beside it 1 + 1.5 y; all the same with x + 4 y = 1: x = 11/15."""
    solved = mirror_descent(beach(steps=30), 1500, 0.05)
    assert solved.exploitability[-1] < 1e-2
    middle = solved.flow[15].reshape(5, 5)
    assert middle[2, 2] == pytest.approx(11 / 15, abs=5e-3)
    np.testing.assert_allclose(middle[[1, 3, 2, 2], [2, 2, 1, 3]], 1 / 15, atol=5e-3)


def test_values_of_the_best_are_those_of_the_best_response():
    game = beach(steps=6)
    flow = flow_of(game, game.uniform())
    best = best_response(game, flow)
    followed = jnp.sum(best * values(game, flow, best), axis=-1)
    np.testing.assert_allclose(jnp.max(values(game, flow), axis=-1), followed, rtol=1e-5)


def test_nobody_does_better_than_the_best():
    game = beach(steps=6)
    policy = jax.nn.softmax(3 * jax.random.normal(KEY, game.shape), axis=-1)
    gain = float(exploitability(game, policy))
    flow = flow_of(game, policy)
    np.testing.assert_allclose(jnp.sum(flow, axis=1), 1, rtol=1e-5)
    for other in range(5):
        tried = jax.nn.softmax(jax.random.normal(jax.random.key(other), game.shape), axis=-1)
        assert float(worth(game, flow, tried) - worth(game, flow, policy)) <= gain + 1e-5


@pytest.mark.parametrize("name", ["left_right", "rock_paper_scissors"])
def test_what_one_learns_alone_is_a_lower_bound(name):
    game = GAMES[name]()
    exact = float(exploitability(game, game.uniform()))
    learned = float(learned_exploitability(game, game.uniform(), KEY, rounds=20))
    assert learned <= exact + 1e-6
    assert learned == pytest.approx(exact, abs=1e-5)
    hardly = float(learned_exploitability(game, game.uniform(), KEY, rounds=1, episodes=2))
    assert hardly <= exact + 1e-6


def test_one_learns_to_walk_to_the_bar():
    game = beach(steps=8)
    flow = flow_of(game, game.uniform())
    answer = learned_response(game, flow, KEY, rounds=100, episodes=128)
    best, found = worth(game, flow, best_response(game, flow)), worth(game, flow, answer)
    assert float(found) <= float(best) + 1e-5
    gain = float(found - worth(game, flow, game.uniform()))
    assert gain > 0.95 * float(exploitability(game, game.uniform()))


def test_moves_may_depend_on_how_many_there_are():
    """Who wants through a door that lets few pass: as many stay as are there."""

    def transition(mu):
        goes = 1 - mu[0]
        return jnp.array([[[1.0, 0.0]], [[0.0, 1.0]]]).at[0, 0].set(jnp.stack([1 - goes, goes]))

    game = Game(
        "door",
        "a test",
        ("before", "behind"),
        ("go",),
        3,
        np.array([0.8, 0.2], np.float32),
        lambda mu: jnp.zeros((2, 1)),
        transition,
    )
    flow = flow_of(game, game.uniform())
    np.testing.assert_allclose(flow[:, 0], [0.8, 0.64, 0.64**2], rtol=1e-5)


def test_a_start_is_a_distribution():
    with pytest.raises(SwarmfieldError, match="which sum to 1"):
        Game("half", "", ("a", "b"), ("x",), 1, np.array([0.2, 0.3]), lambda mu: mu, lambda mu: mu)
