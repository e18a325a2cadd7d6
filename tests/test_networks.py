"""Networks: our convolution is the usual one, sizes are the reference code's."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from swarmfield import chunks, networks
from swarmfield.convolution import convolve
from swarmfield.networks import (
    MLP,
    Conv,
    FieldReader,
    Linear,
    QNetwork,
    Trunk,
    linear,
    linear_layers,
)
from swarmfield.types import Discrete, Observation, TeamSpec

KEY = jax.random.key(0)
BATTLE = TeamSpec("team", 64, Discrete(21), (13, 13, 7), 34)
MEAN_ACTION = partial(FieldReader, (21,))


def see(team: TeamSpec) -> Observation:
    key_view, key_features = jax.random.split(jax.random.key(1))
    view = None if team.view is None else jax.random.normal(key_view, team.view)
    features = jax.random.normal(key_features, (team.features,)) if team.features else None
    return Observation(view, features)


def weights(layers: tuple[Linear, ...]) -> list[tuple[int, int]]:
    return [layer.weight.shape for layer in layers]


@pytest.mark.parametrize(("height", "width", "channels"), [(13, 13, 7), (3, 5, 1), (10, 4, 2)])
def test_convolution_is_the_usual_one(height: int, width: int, channels: int) -> None:
    convolution = Conv(channels, 6, KEY)
    x = jax.random.normal(jax.random.key(1), (height, width, channels))
    kernel = convolution.linear.weight.reshape(3, 3, channels, 6)
    expected = jax.lax.conv_general_dilated(
        x[None], kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(
        convolution(x), expected[0] + convolution.linear.bias[None, None], rtol=1e-5, atol=1e-5
    )


def test_the_gradients_of_a_convolution_are_the_usual_ones() -> None:
    x = jax.random.normal(jax.random.key(1), (4, 7, 6, 3))
    kernels = jax.random.normal(jax.random.key(2), (2, 3, 3, 3, 5))

    def usual(x, kernel):
        layout = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=layout)

    def gradients(function):
        loss = lambda x, kernel: jnp.sum(jnp.sin(function(x, kernel)))  # noqa: E731
        # Over kernels, as seeds are; over images, as environments are; and over both.
        both = jax.grad(loss, argnums=(0, 1))
        return (
            both(x, kernels[0]),
            jax.vmap(both, (None, 0))(x, kernels),
            jax.vmap(lambda one: both(one[None], kernels[1]))(x),
            jax.vmap(both)(jnp.stack([x, x + 1]), kernels),
        )

    found, expected = gradients(convolve), gradients(usual)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), found, expected
    )


def test_linear_by_hand() -> None:
    layer = linear(2, 2, KEY)
    x = jnp.array([[1.0, 2.0], [0.0, -1.0]])
    expected = np.asarray(x) @ np.asarray(layer.weight) + np.asarray(layer.bias)[None]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-6)


def test_first_weights_are_within_their_bound() -> None:
    layer = linear(100, 50, KEY)
    for leaf in (layer.weight, layer.bias):
        assert jnp.abs(leaf).max() <= 0.1
        assert jnp.abs(leaf).max() > 0.09
    assert abs(float(layer.weight.mean())) < 0.005


def test_a_layer_is_the_same_whichever_are_drawn_with_it() -> None:
    sizes, keys = [(5, 64), (64, 3), (0, 2), (1, 1)], jax.random.split(KEY, 4)
    for layer, (inputs, outputs), key in zip(linear_layers(sizes, keys), sizes, keys, strict=True):
        alone = linear(inputs, outputs, key)
        assert layer.weight.shape == (inputs, outputs)
        np.testing.assert_array_equal(layer.weight, alone.weight)
        np.testing.assert_array_equal(layer.bias, alone.bias)


def test_a_layer_without_inputs_is_its_bias() -> None:
    layer = linear(0, 2, KEY)
    np.testing.assert_array_equal(layer(jnp.zeros((3, 1, 0))), np.tile(layer.bias, (3, 1, 1)))


def test_last_layer_is_linear_unless_asked() -> None:
    x = jax.random.normal(jax.random.key(1), (5,))
    plain, positive = (MLP(5, 8, 16, key=KEY, activate_last=last) for last in (False, True))
    assert (plain(x) < 0).any()
    np.testing.assert_array_equal(positive(x), jnp.maximum(plain(x), 0))
    hidden = np.maximum(plain.layers[0](x), 0)
    np.testing.assert_allclose(plain(x), plain.layers[1](jnp.asarray(hidden)), rtol=1e-6)


def test_official_sizes() -> None:
    network = QNetwork("mfrl", BATTLE, 21, MEAN_ACTION, KEY)
    convolutions = [convolution.linear.weight.shape for convolution in network.trunk.convolutions]
    assert convolutions == [(9 * 7, 32), (9 * 32, 32)]
    assert network.trunk.view.weight.shape == (2592, 256)
    assert network.trunk.features.weight.shape == (34, 32)
    assert weights(network.reader.layers[0].layers) == [(21, 64), (64, 32)]
    assert weights(network.head.layers) == [(320, 128), (128, 64), (64, 21)]


def test_without_a_field_nothing_is_joined() -> None:
    network = QNetwork("mfrl", BATTLE, 21, None, KEY)
    assert network.reader is None
    assert weights(network.head.layers)[0] == (288, 128)
    assert network(see(BATTLE), None).shape == (21,)


@pytest.mark.parametrize("name", sorted(networks.TRUNKS))
@pytest.mark.parametrize(
    ("view", "features"), [((13, 13, 5), 34), ((13, 13, 5), 0), (None, 34)], ids=str
)
def test_every_trunk_reads_whatever_there_is(name, view, features) -> None:
    team = BATTLE._replace(view=view, features=features)
    trunk = Trunk(name, team, KEY)
    assert trunk(see(team)).shape == (trunk.size,)
    assert (trunk(see(team)) >= 0).all()


@pytest.mark.parametrize("name", sorted(networks.TRUNKS))
def test_every_input_matters(name: str) -> None:
    network = QNetwork(name, BATTLE, 21, MEAN_ACTION, KEY)

    def first_value(inputs):
        observation, part = inputs
        return network(observation, part)[0]

    gradient = jax.grad(first_value)((see(BATTLE), (jnp.full(21, 1 / 21),)))
    for part in jax.tree.leaves(gradient):
        assert (part != 0).mean() > 0.9


def test_every_leaf_is_an_array_of_floats() -> None:
    for leaf in jax.tree.leaves(QNetwork("mfrl", BATTLE, 21, MEAN_ACTION, KEY)):
        assert isinstance(leaf, jax.Array)
        assert leaf.dtype == jnp.float32


@pytest.mark.parametrize(("num_agents", "chunk"), [(1, 1), (7, 3), (16, 16), (40, 16)])
def test_chunks_change_nothing(num_agents: int, chunk: int) -> None:
    table = np.arange(120.0, dtype=np.float32).reshape(40, 3)
    inputs = {"row": jnp.arange(num_agents)[::-1], "flag": jnp.ones(num_agents, bool)}

    def read(some):
        return jnp.where(some["flag"][:, None], jnp.asarray(table)[some["row"]], -1.0)

    chunked = chunks.in_chunks(read, inputs, chunk)
    np.testing.assert_array_equal(chunked, table[:num_agents][::-1])


def test_a_chunk_is_filled_up_with_zeros() -> None:
    pieces = chunks.into_chunks(jnp.arange(1, 6), 3)
    np.testing.assert_array_equal(pieces, [[1, 2, 3], [4, 5, 0]])
    again = chunks.into_chunks(jnp.arange(1, 6), 3, repeat_last=True)
    np.testing.assert_array_equal(again, [[1, 2, 3], [4, 5, 5]])


def test_chunks_are_even() -> None:
    """16 rows by tens are two chunks of 8, not of 10 with four rows of nothing."""
    assert chunks.into_chunks(jnp.arange(16), 10).shape == (2, 8)
    assert chunks.into_chunks(jnp.arange(7), 3).shape == (3, 3)


def test_a_function_of_chunks_is_never_given_rows_of_nothing() -> None:
    keys = jax.random.split(KEY, 5)
    drawn = chunks.in_chunks(jax.vmap(lambda key: 1 / jax.random.uniform(key)), keys, 2)
    np.testing.assert_array_equal(drawn, jax.vmap(lambda key: 1 / jax.random.uniform(key))(keys))


def test_a_network_in_chunks_is_the_same_network() -> None:
    team = BATTLE._replace(view=None)
    network = QNetwork("mlp", team, 21, None, KEY)
    features = jax.random.normal(jax.random.key(1), (23, 34))

    def values(some):
        return jax.vmap(lambda row: network(Observation(None, row), None))(some)

    np.testing.assert_allclose(
        chunks.in_chunks(values, features, 5), values(features), rtol=1e-5, atol=1e-6
    )
