"""Training against past selves: who joins, who is drawn, and that runs use them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import Toy, ToyConfig, make_algorithm, make_program

from swarmfield.training import program as loop
from swarmfield.training.pool import first_pool, next_opponent

KEYS = jax.random.split(jax.random.key(0), 2000)
YES, NO = jnp.bool_(True), jnp.bool_(False)


def policy(value: float):
    return {"w": jnp.full(2, value)}


def after(pool, value: float, met=YES, ahead=NO, sampling="uniform", key=KEYS[0]):
    return next_opponent(pool, policy(value), met, ahead, sampling, key)


def test_the_learner_joins_and_the_oldest_makes_room() -> None:
    pool = first_pool(policy(0.0), 3)
    for value in (1.0, 2.0, 3.0):
        pool = after(pool, value)
    assert int(pool.joined) == 4
    np.testing.assert_array_equal(pool.members["w"][:, 0], [3.0, 1.0, 2.0])
    np.testing.assert_array_equal(pool.playing["w"], pool.members["w"][pool.index])


@pytest.mark.parametrize(
    ("ahead", "met", "score"), [(YES, YES, 0.65), (NO, YES, 0.35), (YES, NO, 0.5)]
)
def test_a_score_moves_towards_the_newest_result(ahead, met, score: float) -> None:
    pool = after(first_pool(policy(0.0), 4), 1.0, met, ahead)
    np.testing.assert_allclose(pool.scores, [score, 0.5, 0.5, 0.5], rtol=1e-6)


def drawn(pool, sampling: str) -> np.ndarray:
    """How often each is drawn, once the learner has joined."""
    draw = jax.vmap(lambda key: after(pool, 9.0, NO, NO, sampling, key).index)
    return np.bincount(np.asarray(draw(KEYS)), minlength=4) / len(KEYS)


def test_all_are_drawn_alike_and_nobody_who_is_not_there() -> None:
    pool = after(first_pool(policy(0.0), 4), 1.0)
    np.testing.assert_allclose(drawn(pool, "uniform"), [1 / 3, 1 / 3, 1 / 3, 0], atol=0.04)


def test_those_who_were_ahead_are_drawn_more_often() -> None:
    pool = after(first_pool(policy(0.0), 4), 1.0)
    pool = pool.__class__(
        pool.playing, pool.members, jnp.array([0.95, 0.05, 0.5, 0.5]), pool.index, pool.joined
    )
    expected = np.array([1.0, 0.1, 0.55, 0.0])
    np.testing.assert_allclose(drawn(pool, "skill"), expected / expected.sum(), atol=0.04)


def test_a_run_plays_against_its_past() -> None:
    environment = Toy(ToyConfig(num_agents=4, max_steps=4))
    options = {"batch_size": 16, "capacity": 400, "warmup": 0, "learning_rate": 1e-2}
    algorithm = make_algorithm("iql", environment, **options)
    program = make_program(algorithm, environment, 2, 200, "pool")
    advance = jax.jit(partial(loop.advance, program))
    close = jax.jit(partial(loop.close_window, program))

    def trained(cuts: int):
        run, seen = loop.start(program, None, jax.random.key(0)), []
        for number in range(4):
            for cut in range(cuts):
                time = 12 * number + 12 // cuts * cut
                run = advance(run, jnp.int32(time), jnp.int32(12 // cuts))
            seen.append(algorithm.policy(run.learner).network.head.layers[0].bias)
            run, _ = close(run)
        return run, seen

    run, seen = trained(1)
    members = np.asarray(run.opponent.members.network.head.layers[0].bias)
    # Four have joined a pool of three that began with the learner at the start.
    np.testing.assert_array_equal(members, np.stack([seen[2], seen[3], seen[1]]))
    other, _ = trained(2)
    jax.tree.map(np.testing.assert_array_equal, run.opponent.members, other.opponent.members)
    assert int(run.opponent.index) == int(other.opponent.index)
