"""Bootstrapped targets: numbers worked out on paper, and rlax as an oracle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rlax

from swarmfield import returns
from swarmfield.distributions import mask_illegal

pytestmark = pytest.mark.usefixtures("strict_dtypes")

ONLINE = jnp.array([1.0, 5.0, 3.0])
TARGET = jnp.array([10.0, 2.0, 30.0])
REWARD = jnp.float32(0.5)


def test_double_q_values_the_online_choice() -> None:
    y = returns.double_q_target(REWARD, jnp.array(False), ONLINE, TARGET, 0.9)
    np.testing.assert_allclose(y, 0.5 + 0.9 * 2.0, rtol=1e-6)


def test_double_q_takes_no_illegal_action() -> None:
    online = mask_illegal(ONLINE, jnp.array([True, False, True]))
    target = mask_illegal(TARGET, jnp.array([True, False, True]))
    y = returns.double_q_target(REWARD, jnp.array(False), online, target, 0.9)
    np.testing.assert_allclose(y, 0.5 + 0.9 * 30.0, rtol=1e-6)


def test_boltzmann_is_an_expectation() -> None:
    # exp(Q / T) is in the proportion 1 : 2 : 4, so the value is (0 + 2 + 8) / 7 log 2 times T.
    target = 0.5 * jnp.log(jnp.array([1.0, 2.0, 4.0]))
    y = returns.boltzmann_target(REWARD, jnp.array(False), target, jnp.float32(0.5), 0.9)
    np.testing.assert_allclose(y, 0.5 + 0.9 * 0.5 * np.log(2) * 10 / 7, rtol=1e-6)


def test_a_cold_boltzmann_target_is_the_maximum() -> None:
    y = returns.boltzmann_target(REWARD, jnp.array(False), TARGET, jnp.float32(1e-3), 0.9)
    np.testing.assert_allclose(y, 0.5 + 0.9 * 30.0, rtol=1e-6)


def test_boltzmann_gives_illegal_actions_no_weight() -> None:
    target = mask_illegal(jnp.array([1.0, 1.0, 7.0]), jnp.array([True, True, False]))
    y = returns.boltzmann_target(REWARD, jnp.array(False), target, jnp.float32(0.1), 0.9)
    np.testing.assert_allclose(y, 0.5 + 0.9, rtol=1e-6)


def test_nothing_comes_after_the_end() -> None:
    over = jnp.array(True)
    infinite = jnp.full(3, jnp.inf)
    temperature = jnp.float32(0.1)
    assert returns.double_q_target(REWARD, over, infinite, infinite, 0.9) == 0.5
    assert returns.boltzmann_target(REWARD, over, TARGET, temperature, 0.9) == 0.5
    assert returns.bootstrap(REWARD, over, jnp.float32(jnp.nan), 0.9) == 0.5


def test_bootstrap_by_hand() -> None:
    y = returns.bootstrap(REWARD, jnp.array(False), jnp.float32(4.0), 0.25)
    np.testing.assert_allclose(y, 1.5)


def test_double_q_is_the_oracles() -> None:
    keys = jax.random.split(jax.random.key(0), 5)
    online, target, q = (jax.random.normal(key, (64, 7)) for key in keys[:3])
    reward = jax.random.normal(keys[3], (64,))
    over = jax.random.bernoulli(keys[4], 0.3, (64,))
    action = jnp.arange(64, dtype=jnp.int32) % 7
    gamma = 0.95
    ours = jax.vmap(returns.double_q_target, (0, 0, 0, 0, None))(
        reward, over, online, target, gamma
    )
    discount = gamma * (~over).astype(jnp.float32)
    error = jax.vmap(rlax.double_q_learning)(q, action, reward, discount, target, online)
    chosen = q[jnp.arange(64), action]
    np.testing.assert_allclose(ours - chosen, error, rtol=1e-5, atol=1e-6)


def advantages(reward, terminated, value, valid, gamma, lambda_):
    arrays = (jnp.array(x) for x in (reward, terminated, value, valid))
    return np.asarray(returns.gae(*arrays, gamma, lambda_))


ALL, NEVER = [True] * 3, [False] * 3


def test_gae_by_hand() -> None:
    # delta is 1 + 0.5 * 4 - 2 = 1, then 2 + 0.5 * 6 - 4 = 1, then 3 + 0.5 * 8 - 6 = 1.
    a = advantages([1.0, 2.0, 3.0], NEVER, [2.0, 4.0, 6.0, 8.0], ALL, 0.5, 0.5)
    np.testing.assert_allclose(a, [1 + 0.25 + 0.0625, 1.25, 1])


def test_with_lambda_one_it_is_the_return() -> None:
    value = [2.0, 4.0, 6.0, 8.0]
    a = advantages([1.0, 2.0, 3.0], NEVER, value, ALL, 0.5, 1.0)
    # 3 + 4 = 7; 2 + 7 / 2 = 5.5; 1 + 5.5 / 2 = 3.75.
    np.testing.assert_allclose(a + value[:3], [3.75, 5.5, 7])


def test_with_lambda_zero_it_is_one_step() -> None:
    a = advantages([1.0, 2.0, 3.0], NEVER, [2.0, 4.0, 6.0, 8.0], ALL, 0.5, 0.0)
    np.testing.assert_allclose(a, [1, 1, 1])


def test_gae_stops_at_death_without_a_future() -> None:
    terminated, valid = [False, True, False], [True, True, False]
    a = advantages([1.0, 2.0, jnp.nan], terminated, [2.0, 4.0, jnp.nan, 8.0], valid, 0.5, 1.0)
    # Death after the second step: 2 - 4 = -2; 1 + 0.5 * 4 - 2 + 0.5 * -2 = 0.
    np.testing.assert_allclose(a, [0, -2, 0])


def test_gae_stops_at_the_time_limit_with_one() -> None:
    # The third transition is the reset; V of the last state counts.
    a = advantages([1.0, 2.0, 9.0], NEVER, [2.0, 4.0, 6.0, 8.0], [True, True, False], 0.5, 1.0)
    np.testing.assert_allclose(a, [1.5, 1, 0])


def test_gae_agrees_with_rlax() -> None:
    random = np.random.default_rng(0)
    reward, value = random.normal(size=7), random.normal(size=8)
    discount = 0.9 * (random.random(7) > 0.3)
    expected = rlax.truncated_generalized_advantage_estimation(
        jnp.asarray(reward, jnp.float32),
        jnp.asarray(discount, jnp.float32),
        0.8,
        jnp.asarray(value, jnp.float32),
    )
    ours = [np.float32(x) for x in (reward, value)]
    # Where the discount is 0, rlax also forgets what comes after: as death does.
    over = discount == 0
    advantage = np.zeros(8)
    for t in reversed(range(7)):
        a = advantages([ours[0][t]], [over[t]], ours[1][t : t + 2], [True], 0.9, 0.8)[0]
        advantage[t] = a + (0 if over[t] else 0.9 * 0.8 * advantage[t + 1])
    np.testing.assert_allclose(advantage[:7], expected, rtol=1e-4, atol=1e-5)
