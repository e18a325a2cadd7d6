"""The best that a crowd without end can do at the beach."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from swarmfield.environments import make
from swarmfield.environments.m3fc.beach_bar import CROWDING
from swarmfield.environments.m3fc.optimum import Shepherd, find_optimum, upper_bound

KEY = jax.random.key(0)


def model(steps):
    return make("beach_bar", max_steps=steps).model


def test_what_is_found_is_nearly_the_bound():
    found = find_optimum(model(30), KEY, iterations=150, batch=8, episodes=100)
    assert found.bound == upper_bound(30)
    assert found.found < found.bound + 2 * found.error
    assert found.bound - found.found < 2.0, "of 73 that are lost if all walk at random"


def test_the_bound_is_that_of_the_best_shares():
    """Seven fifteenths at the bar, two at each place beside it: no other shares cost less."""
    away = np.array([0] + [1] * 4 + [2] * 8 + [3] * 8 + [4] * 4)
    step = upper_bound(2) - upper_bound(1) + 0.3 * 0.16
    generator = np.random.default_rng(0)
    best = np.array([7 / 15, *[2 / 15] * 4, *[0] * 20])
    assert step == pytest.approx(-away @ best - CROWDING * np.sum(best**2))
    others = [best * 0.9 + 0.1 * generator.dirichlet(np.ones(25)) for _ in range(200)]
    assert all(-away @ mu - CROWDING * np.sum(mu**2) < step for mu in others)


def test_who_says_nothing_is_paid_as_those_who_walk_at_random():
    """But the bar follows its target: it strays by one step, 0.16 of the time."""
    shepherd = Shepherd(model(20))
    play = jax.jit(jax.vmap(lambda key: shepherd.play(jnp.zeros(shepherd.shape), key)))
    found = play(jax.random.split(KEY, 2000))
    expected = 20 * (-2.4 - 1.5 / 25 - 0.3 * 0.16)
    np.testing.assert_allclose(
        jnp.mean(found), expected, atol=3 * float(jnp.std(found)) / 2000**0.5
    )
