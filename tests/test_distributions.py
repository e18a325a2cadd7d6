"""Policies over discrete actions: probabilities by hand, draws that follow them."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from swarmfield import distributions

pytestmark = pytest.mark.usefixtures("strict_dtypes")

LEGAL = jnp.array([[True, True, False, True], [False, False, True, False]])


def test_illegal_actions_never_win_a_maximum() -> None:
    values = jnp.array([[-5.0, -7.0, 100.0, -6.0], [3.0, 2.0, -9.0, 1.0]])
    masked = distributions.mask_illegal(values, LEGAL)
    np.testing.assert_array_equal(jnp.argmax(masked, axis=-1), [0, 2])
    assert jnp.isfinite(masked).all()
    np.testing.assert_array_equal(distributions.mask_illegal(values, None), values)


def test_boltzmann_by_hand() -> None:
    values = jnp.log(jnp.array([1.0, 2.0, 4.0, 8.0]))
    np.testing.assert_allclose(
        distributions.boltzmann(values, 1.0), np.array([1, 2, 4, 8]) / 15, rtol=1e-6
    )
    np.testing.assert_allclose(
        distributions.boltzmann(values, 0.5), np.array([1, 4, 16, 64]) / 85, rtol=1e-6
    )


def test_without_temperature_the_best_share_equally() -> None:
    values = jnp.array([[1.0, 3.0, 3.0, 2.0], [-1e6, 1e6, 0.0, 0.0]])
    np.testing.assert_array_equal(
        distributions.boltzmann(values, jnp.zeros(2)), [[0, 0.5, 0.5, 0], [0, 1, 0, 0]]
    )


def test_every_agent_has_its_own_temperature() -> None:
    values = jnp.broadcast_to(jnp.log(jnp.array([1.0, 3.0])), (2, 2))
    probabilities = distributions.boltzmann(values, jnp.array([1.0, 0.5]))
    np.testing.assert_allclose(probabilities, [[0.25, 0.75], [0.1, 0.9]], rtol=1e-6)


def test_illegal_actions_have_no_probability_at_any_temperature() -> None:
    values = distributions.mask_illegal(jnp.ones((2, 4)), LEGAL)
    for temperature in (0.0, 1.0, 1e6):
        probabilities = distributions.boltzmann(values, jnp.full(2, temperature))
        np.testing.assert_allclose(
            probabilities, [[1 / 3, 1 / 3, 0, 1 / 3], [0, 0, 1, 0]], rtol=1e-6
        )


def test_epsilon_greedy_by_hand() -> None:
    values = distributions.mask_illegal(jnp.array([[0.0, 1.0, 9.0, 0.5], [1.0] * 4]), LEGAL)
    probabilities = distributions.epsilon_greedy(values, LEGAL, jnp.array([0.3, 0.5]))
    np.testing.assert_allclose(probabilities, [[0.1, 0.8, 0, 0.1], [0, 0, 1, 0]], rtol=1e-6)


def test_epsilon_greedy_where_all_is_legal() -> None:
    probabilities = distributions.epsilon_greedy(
        jnp.array([[0.0, 2.0, 1.0, 0.0]]), None, jnp.array([0.4])
    )
    np.testing.assert_allclose(probabilities, [[0.1, 0.7, 0.1, 0.1]], rtol=1e-6)


def test_uniform_over_what_is_legal() -> None:
    np.testing.assert_allclose(
        distributions.uniform((2, 4), LEGAL), [[1 / 3, 1 / 3, 0, 1 / 3], [0, 0, 1, 0]], rtol=1e-6
    )
    np.testing.assert_array_equal(distributions.uniform((2, 4), None), np.full((2, 4), 0.25))
    assert not distributions.uniform((1, 4), jnp.zeros((1, 4), bool)).any()


def test_draws_follow_the_probabilities() -> None:
    probabilities = np.array([0, 0.5, 0, 0.3, 0.2, 0], np.float32)
    num_draws = 100_000
    rows = jnp.tile(jnp.asarray(probabilities), (num_draws, 1))
    drawn = distributions.sample(rows, jax.random.key(0))
    counts = np.bincount(drawn, minlength=6)
    assert drawn.dtype == jnp.int32
    assert counts[[0, 2, 5]].sum() == 0
    deviation = np.sqrt(num_draws * probabilities * (1 - probabilities))
    assert (np.abs(counts - num_draws * probabilities) <= 4 * deviation).all()


def test_probabilities_need_not_sum_to_one_exactly() -> None:
    weights = jnp.tile(jnp.array([1.0, 3.0]), (20_000, 1))
    share = distributions.sample(weights, jax.random.key(1)).mean()
    assert abs(share - 0.75) < 0.02


def test_a_draw_does_not_depend_on_how_many_agents_follow() -> None:
    probabilities = jax.nn.softmax(jax.random.normal(jax.random.key(2), (9, 5)))
    all_drawn = distributions.sample(probabilities, jax.random.key(3))
    for count in (1, 4, 8):
        drawn = distributions.sample(probabilities[:count], jax.random.key(3))
        np.testing.assert_array_equal(drawn, all_drawn[:count])


@given(
    arrays.arrays(np.float32, (3, 5), elements=st.floats(-50, 50, width=32)),
    arrays.arrays(np.bool_, (3, 5)),
    st.floats(0, 10, width=32),
    st.integers(0, 100),
)
def test_only_legal_actions_are_ever_drawn(
    values: np.ndarray, legal: np.ndarray, explore: float, seed: int
) -> None:
    legal[:, 0] |= ~legal.any(axis=1)
    mask = jnp.asarray(legal)
    masked = distributions.mask_illegal(jnp.asarray(values), mask)
    strength = jnp.full(3, explore, jnp.float32)
    policies = [
        distributions.boltzmann(masked, strength),
        distributions.epsilon_greedy(masked, mask, jnp.minimum(strength, 1.0)),
        distributions.uniform((3, 5), mask),
    ]
    for probabilities in policies:
        np.testing.assert_allclose(jnp.sum(probabilities, axis=-1), np.ones(3), rtol=1e-5)
        drawn = distributions.sample(probabilities, jax.random.key(seed))
        assert legal[np.arange(3), np.asarray(drawn)].all()
