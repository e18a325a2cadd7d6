"""Mixers: by hand, monotone, and choosing alone what is best together."""

import itertools

import equinox as eqx
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from swarmfield import mixing
from swarmfield.mixing import Chosen

SIZE = 3
KINDS = ["standard", "equivariant"]
KEY = jax.random.key(0)


def chosen(values, members=None, embedding=None, seed=0):
    number = len(values)
    random = np.random.default_rng(seed)
    seen = random.normal(size=(number, SIZE)) if embedding is None else embedding
    return Chosen(
        jnp.asarray(values, jnp.float32),
        jnp.zeros(number, jnp.int32),
        jnp.asarray([True] * number if members is None else members, bool),
        jnp.asarray(seen, jnp.float32),
    )


def made(kind: str, num_agents: int, seed: int = 0, width: int = 4):
    mixer = mixing.monotonic(num_agents, SIZE, kind=kind, width=width, hidden=5)
    return mixer, mixer.init(jax.random.key(seed))


def test_a_sum_is_of_members() -> None:
    mixer = mixing.additive()
    assert float(mixer.mix(None, chosen([1.0, -2.0, 5.0], [True, True, False]))) == -1.0
    assert float(mixer.mix(None, chosen([1.0, float("nan")], [True, False]))) == 1.0


def test_the_state_by_hand() -> None:
    embedding = [[1.0, 2.0, 0.0], [3.0, 0.0, 4.0], [np.nan, 9.0, 9.0]]
    state = mixing.team_state(jnp.asarray(embedding), jnp.array([True, True, False]))
    np.testing.assert_allclose(state, [2.0, 1.0, 2.0, np.log(3.0)], rtol=1e-6)
    nobody = mixing.team_state(jnp.asarray(embedding), jnp.zeros(3, bool))
    np.testing.assert_array_equal(nobody, np.zeros(4))


@pytest.mark.parametrize("kind", KINDS)
def test_a_monotonic_mixture_by_hand(kind: str) -> None:
    """With the module's own weights and biases, written out in numpy."""
    mixer, module = made(kind, 3)
    one = chosen([1.0, -2.0, 0.5], [True, True, False])
    s = np.asarray(mixing.team_state(one.embedding, one.members))

    def network(layers, x):
        for number, layer in enumerate(layers):
            x = x @ np.asarray(layer.weight) + np.asarray(layer.bias)
            x = np.maximum(x, 0) if number < len(layers) - 1 else x
        return x

    if kind == "standard":
        number, weights = 1, np.abs(network(module.first.layers, s)).reshape(3, 4)
    else:
        seen = np.concatenate([np.tile(s, (3, 1)), np.asarray(one.embedding)], axis=1)
        number, weights = 2, np.abs(network(module.first.layers, seen))
    before = np.array([1.0, -2.0, 0.0]) @ weights / number + network([module.first_bias], s)
    layer = np.where(before > 0, before, np.exp(before) - 1)
    expected = layer @ np.abs(network(module.last.layers, s))
    expected = number * (expected + network(module.last_bias.layers, s)[0])
    np.testing.assert_allclose(mixer.mix(module, one), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**16), number=st.integers(1, 6))
def test_it_never_falls_when_a_value_rises(kind: str, seed: int, number: int) -> None:
    """By automatic differentiation, with random parameters, states and members."""
    mixer, module = made(kind, 6, seed)
    random = np.random.default_rng(seed)
    members = np.arange(6) < number
    random.shuffle(members)
    one = chosen(10 * random.normal(size=6), members, seed=seed)
    slope = jax.grad(lambda values: mixer.mix(module, one._replace(values=values)))(one.values)
    assert bool(jnp.all(slope >= 0))
    assert bool(jnp.all(slope[~members] == 0))
    assert bool(jnp.any(slope > 0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_the_best_of_all_joint_actions_is_everyones_best(kind: str, seed: int) -> None:
    mixer, module = made(kind, 4, seed)
    q = jax.random.normal(jax.random.key(seed), (4, 3))
    one = chosen(jnp.zeros(4), seed=seed)
    joint = jnp.array(list(itertools.product(range(3), repeat=4)))
    values = jax.vmap(
        lambda actions: mixer.mix(module, one._replace(values=q[jnp.arange(4), actions]))
    )(joint)
    np.testing.assert_array_equal(joint[jnp.argmax(values)], jnp.argmax(q, axis=1))


def test_with_constant_weights_it_is_the_sum() -> None:
    """Where its hidden layer is on the straight side of its bend."""
    mixer, module = made("standard", 3, width=1)
    constant = jax.tree.map(jnp.zeros_like, module)
    bias = (constant.first.layers[-1].bias, constant.first_bias.bias, constant.last.layers[-1].bias)
    last = constant.last_bias.layers[-1].bias

    def biases(module):
        first, last = module.first.layers[-1].bias, module.last.layers[-1].bias
        return (first, module.first_bias.bias, last, module.last_bias.layers[-1].bias)

    constant = eqx.tree_at(
        biases, constant, (bias[0] + 1.0, bias[1] + 100.0, bias[2] + 1.0, last - 100.0)
    )
    one = chosen([1.5, -2.0, 4.0], [True, True, False])
    assert float(mixer.mix(constant, one)) == pytest.approx(
        float(mixing.additive().mix(None, one)), abs=1e-4
    )


@given(seed=st.integers(0, 2**16))
def test_agents_in_another_order_are_the_same_team(seed: int) -> None:
    mixer, module = made("equivariant", 5, seed)
    random = np.random.default_rng(seed)
    one = chosen(random.normal(size=5), random.random(5) < 0.7, seed=seed)
    order = random.permutation(5)
    other = jax.tree.map(lambda x: x[order], one)
    np.testing.assert_allclose(mixer.mix(module, other), mixer.mix(module, one), rtol=1e-4)


def test_rows_of_the_dead_change_nothing() -> None:
    mixer, module = made("equivariant", 3)
    longer = mixing.monotonic(5, SIZE, kind="equivariant", width=4, hidden=5)
    few = chosen([1.0, 2.0, 3.0])
    seen = np.concatenate([few.embedding, np.full((2, SIZE), np.nan)])
    more = chosen([1.0, 2.0, 3.0, np.nan, np.nan], [True] * 3 + [False] * 2, seen)
    np.testing.assert_allclose(longer.mix(module, more), mixer.mix(module, few), rtol=1e-6)


def test_nothing_learns_through_the_state() -> None:
    mixer, module = made("equivariant", 3)
    one = chosen([1.0, 2.0, 3.0])
    slope = jax.grad(lambda x: mixer.mix(module, one._replace(embedding=x)))(one.embedding)
    np.testing.assert_array_equal(slope, np.zeros((3, SIZE)))


def test_the_size_does_not_depend_on_the_number_of_agents() -> None:
    def size(num_agents: int, kind: str) -> int:
        mixer = mixing.monotonic(num_agents, SIZE, kind=kind)
        return sum(x.size for x in jax.tree.leaves(jax.eval_shape(mixer.init, KEY)))

    assert size(3, "equivariant") == size(10_000, "equivariant") == size(10_000, "auto")
    assert size(3, "standard") == size(3, "auto") < size(64, "standard") == size(64, "auto")


def test_ten_thousand_agents_are_mixed() -> None:
    mixer = mixing.monotonic(10_000, SIZE)
    value = mixer.mix(mixer.init(KEY), chosen(np.ones(10_000)))
    assert value.shape == ()
    assert bool(jnp.isfinite(value))
