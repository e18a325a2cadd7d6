"""Families of distributions: numbers worked out by hand, samples, and what they cannot be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from swarmfield.action_distributions import categorical, executed, family_of, normal, product
from swarmfield.types import Box, Discrete, Product

KEY = jax.random.key(0)
BOTH = Product((Box(2), Discrete(3)))


def test_a_categorical_distribution_by_hand():
    family = categorical(3)
    logits = jnp.log(jnp.array([0.5, 0.25, 0.25]))
    np.testing.assert_allclose(
        family.log_probability(logits, jnp.array([1.0])), np.log(0.25), rtol=1e-6
    )
    np.testing.assert_allclose(family.entropy(logits), 1.5 * np.log(2), rtol=1e-6)
    even = jnp.zeros(3)
    np.testing.assert_allclose(
        family.divergence(logits, even), np.log(3) - 1.5 * np.log(2), rtol=1e-5
    )
    assert family.mode(logits).tolist() == [0]


def test_a_normal_distribution_is_scipys():
    family = normal(2)
    parameters = jnp.array([0.5, -1.0, np.log(2.0), np.log(0.5)])
    action = jnp.array([1.0, -1.2])
    each = stats.norm([0.5, -1.0], [2.0, 0.5])
    np.testing.assert_allclose(
        family.log_probability(parameters, action), each.logpdf(action).sum(), rtol=1e-5
    )
    np.testing.assert_allclose(family.entropy(parameters), each.entropy().sum(), rtol=1e-5)
    other = jnp.array([0.0, -1.0, np.log(1.0), np.log(0.5)])
    # log(1 / 2) + (4 + 0.25) / 2 - 1 / 2 for the first, nothing for the second.
    expected = -np.log(2) + 2.125 - 0.5
    np.testing.assert_allclose(family.divergence(parameters, other), expected, rtol=1e-5)
    assert float(family.divergence(parameters, parameters)) == 0
    np.testing.assert_array_equal(family.mode(parameters), [0.5, -1.0])


def test_deviations_are_held_within_bounds():
    family = normal(1)
    assert np.isfinite(family.log_probability(jnp.array([0.0, -99.0]), jnp.array([0.0])))
    assert np.isfinite(family.entropy(jnp.array([0.0, 99.0])))


def test_parts_side_by_side_are_independent():
    family = family_of(BOTH)
    assert (family.num_parameters, family.length) == (7, 3)
    parameters = jax.random.normal(KEY, (7,))
    action = jnp.array([0.3, -0.4, 2.0])
    first, second = normal(2), categorical(3)
    np.testing.assert_allclose(
        family.log_probability(parameters, action),
        first.log_probability(parameters[:4], action[:2])
        + second.log_probability(parameters[4:], action[2:]),
        rtol=1e-6,
    )
    other = jax.random.normal(jax.random.key(1), (7,))
    np.testing.assert_allclose(
        family.divergence(parameters, other),
        first.divergence(parameters[:4], other[:4]) + second.divergence(parameters[4:], other[4:]),
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        family.entropy(parameters),
        first.entropy(parameters[:4]) + second.entropy(parameters[4:]),
        rtol=1e-6,
    )
    assert family.mode(parameters)[2] == jnp.argmax(parameters[4:])


@pytest.mark.parametrize("actions", [Discrete(4), Box(2), BOTH])
def test_samples_are_as_likely_as_is_said(actions):
    """The mean of -log p over samples is the entropy."""
    family = family_of(actions)
    parameters = 0.5 * jax.random.normal(KEY, (family.num_parameters,))
    many = jnp.broadcast_to(parameters, (20_000, family.num_parameters))
    drawn = family.sample(many, jax.random.key(1))
    assert drawn.shape == (20_000, family.length)
    found = -jnp.mean(family.log_probability(many, drawn))
    np.testing.assert_allclose(found, family.entropy(parameters), atol=0.03)


def test_what_an_agent_draws_does_not_depend_on_those_behind_it():
    for actions in (Discrete(4), Box(2), BOTH):
        family = family_of(actions)
        parameters = jax.random.normal(KEY, (6, family.num_parameters))
        np.testing.assert_array_equal(
            family.sample(parameters, KEY)[:3], family.sample(parameters[:3], KEY)
        )


def test_actions_are_executed_in_the_units_of_their_box():
    assert executed(Discrete(3), jnp.array([[2.0]])).tolist() == [2]
    found = executed(Box(1, 0.0, 4.0), jnp.array([[-1.0], [0.0], [1.0]]))
    assert found.tolist() == [[0.0], [2.0], [4.0]]
    assert executed(BOTH, jnp.array([[1.0, 2.0, 1.0]])).tolist() == [[1.0, 2.0, 1.0]]


def test_a_product_of_one_is_that_one():
    parameters, action = jnp.array([0.1, 0.2]), jnp.array([0.4])
    one = normal(1)
    assert product([one]).log_probability(parameters, action) == one.log_probability(
        parameters, action
    )
