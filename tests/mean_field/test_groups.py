"""Two levels: numbers by hand, and what permuting, dying and padding must not change."""

from functools import partial

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from toy import NUM_ACTIONS, make_timestep

from swarmfield.mean_field import bilevel
from swarmfield.mean_field.groups import (
    AttentionReader,
    Grouping,
    Levels,
    between,
    cosine_raw,
    group_actions,
    masked_softmax,
    softmax_cos,
)
from swarmfield.types import Discrete, TeamSpec

K, Z = 3, 2
TEAM = TeamSpec("team", 6, Discrete(NUM_ACTIONS), None, 0)
LABEL = [0, 0, 1, 1, 2, 2]
CENTRE = [[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]
ACTIONS = [0, 1, 2, 2, 3, 3]
ALL = [True] * 6


def played(actions=ACTIONS, alive=ALL):
    return make_timestep(len(actions), last_action=np.asarray(actions, np.uint8), alive=alive)


def parts(levels, timestep, label=LABEL, centre=CENTRE):
    """Everybody's part of the field, of groups formed at this very step."""
    label = jnp.asarray(label)
    occupied = jnp.zeros(K, bool).at[label].max(timestep.alive)
    record = Grouping(label.astype(jnp.uint8), between(levels, jnp.asarray(centre), occupied))
    field = bilevel(TEAM, None, K, Z, levels)
    value = field.compute(timestep, record)
    return jax.vmap(lambda i: field.at(value, i))(jnp.arange(timestep.alive.shape[0]))


def test_mean_actions_of_groups_by_hand() -> None:
    mean, size = group_actions(jnp.array(LABEL), played(), K, NUM_ACTIONS)
    np.testing.assert_allclose(mean, [[0.5, 0.5, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    np.testing.assert_array_equal(size, [2, 2, 2])


def test_who_has_not_acted_counts_as_living() -> None:
    mean, size = group_actions(jnp.array(LABEL), played([NUM_ACTIONS, 1, 2, 2, 3, 3]), K, 4)
    np.testing.assert_allclose(mean[0], [0, 0.5, 0, 0])
    assert size[0] == 2


def test_softmax_of_cosines_by_hand() -> None:
    """cos is 0 between the first two groups and 1/sqrt(2) from either to the third."""
    weight = softmax_cos(jnp.array(CENTRE), jnp.ones(K, bool), 0.5)
    near, far = np.exp(np.sqrt(0.5) / 0.5), 1.0
    row = np.array([far, near]) / (far + near)
    np.testing.assert_allclose(weight[0], [0, row[0], row[1]], rtol=1e-6)
    np.testing.assert_allclose(weight[1], [row[0], 0, row[1]], rtol=1e-6)
    np.testing.assert_allclose(weight[2], [0.5, 0.5, 0], rtol=1e-6)


def test_raw_cosines_by_hand() -> None:
    weight = cosine_raw(jnp.array(CENTRE), jnp.ones(K, bool), with_own=True)
    cos = np.sqrt(0.5)
    expected = np.array([[1, 1e-6, cos], [1e-6, 1, cos], [cos, cos, 1]])
    np.testing.assert_allclose(weight, expected / expected.sum(1, keepdims=True), rtol=1e-5)
    opposed = cosine_raw(jnp.array([[1.0, 0], [-1.0, 0]]), jnp.ones(2, bool), with_own=False)
    # A negative cosine is next to nothing, and the only one there is.
    np.testing.assert_allclose(opposed, [[0, 1], [1, 0]], atol=1e-6)


def test_both_levels_by_hand() -> None:
    """Eq. 6."""
    intra, inter = parts(Levels(), played())
    np.testing.assert_allclose(intra[0], [0.5, 0.5, 0, 0])
    np.testing.assert_allclose(intra[2], [0, 0, 1, 0])
    near = np.exp(np.sqrt(2)) / (1 + np.exp(np.sqrt(2)))
    np.testing.assert_allclose(inter[0], [0, 0, 1 - near, near], rtol=1e-6)
    np.testing.assert_allclose(inter[2], [(1 - near) / 2, (1 - near) / 2, 0, near], rtol=1e-6)
    np.testing.assert_allclose(inter[4], [0.25, 0.25, 0.5, 0], rtol=1e-6)


@pytest.mark.parametrize("weights", ["softmax_cos", "learned"])
def test_a_mean_without_oneself_by_hand(weights) -> None:
    label, actions = [0, 0, 0, 0, 1, 2], [0, 1, 1, 2, NUM_ACTIONS, 3]
    alive = [True, True, True, False, True, True]
    intra, *_ = parts(Levels(weights, include_self=False), played(actions, alive), label)
    np.testing.assert_allclose(intra[0], [0, 1, 0, 0])
    np.testing.assert_allclose(intra[1], [0.5, 0.5, 0, 0])
    # Nobody else is there.
    np.testing.assert_array_equal(intra[4:], np.zeros((2, NUM_ACTIONS)))


@pytest.mark.parametrize("temperature", [1e-3, 0.04, 0.5, 1e3])
def test_weights_add_up_at_any_temperature(temperature: float) -> None:
    weight = softmax_cos(jnp.array(CENTRE), jnp.ones(K, bool), temperature)
    np.testing.assert_allclose(weight.sum(1), np.ones(K), rtol=1e-6)


def test_merged_into_one_by_hand() -> None:
    (merged,) = parts(Levels("cosine_raw", merged=True), played())
    cos = np.sqrt(0.5)
    expected = np.array([0.5, 0.5, 1e-6, cos]) / (1 + 1e-6 + cos)
    np.testing.assert_allclose(merged[0], expected, rtol=1e-5)


def test_a_single_group_has_no_others() -> None:
    _, inter = parts(Levels(), played(), [1] * 6)
    np.testing.assert_array_equal(inter, np.zeros((6, NUM_ACTIONS)))


def test_learned_weights_attend_to_occupied_others_only() -> None:
    reader = AttentionReader(Z, NUM_ACTIONS, jax.random.key(0))
    read = jax.jit(lambda *groups: reader(parts(Levels("learned"), played(), *groups)))
    ours = read(LABEL)
    assert ours.shape == (6, reader.size)
    # What an empty group's centre is does not matter, nor what its number is.
    two = [0, 0, 1, 1, 1, 1]
    other = [[1.0, 0.0], [0.0, 2.0], [-9.0, 7.0]]
    np.testing.assert_allclose(read(two), read(two, other), rtol=1e-6)
    alone = read([2] * 6)
    assert np.isfinite(alone).all()


@pytest.mark.parametrize(
    ("score", "allowed"),
    [
        ([0.3, 1.2, -0.5], [True, True, True]),
        ([0.3, 1.2, -0.5], [False, True, False]),  # a single one: whatever its score, it is 1
        ([0.0, 25.0, 3.0], [True, True, False]),  # far ahead
        ([0.0, 1.0, 2.0], [False, False, False]),
    ],
)
def test_a_softmax_of_what_is_allowed_has_its_slopes(score: list, allowed: list) -> None:
    """Beside JAX's own softmax of those alone."""
    chosen = np.flatnonzero(allowed)
    expected, slopes = np.zeros(3), np.zeros((3, 3))
    if len(chosen):
        some = jnp.array(score)[chosen]
        expected[chosen] = jax.nn.softmax(some)
        slopes[np.ix_(chosen, chosen)] = jax.jacobian(jax.nn.softmax)(some)
    ours = partial(masked_softmax, allowed=jnp.array(allowed))
    np.testing.assert_allclose(ours(jnp.array(score)), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.jacobian(ours)(jnp.array(score)), slopes, atol=1e-7)


def test_learned_weights_are_the_softmax_of_scores() -> None:
    reader = AttentionReader(Z, NUM_ACTIONS, jax.random.key(1))
    intra, mean, own, centre, others = (x[0] for x in parts(Levels("learned"), played()))
    linear = lambda layer, x: np.asarray(x) @ np.asarray(layer.weight) + np.asarray(layer.bias)  # noqa: E731
    score = linear(reader.key, centre) @ linear(reader.query, own) / np.sqrt(32)
    weight = np.where(np.asarray(others), np.exp(score), 0)
    inter = (weight / weight.sum()) @ np.asarray(mean)
    expected = reader.vectors((intra, jnp.asarray(inter, jnp.float32)))
    np.testing.assert_allclose(
        reader((intra, mean, own, centre, others)), expected, rtol=1e-4, atol=1e-6
    )


labels = st.lists(st.integers(0, K - 1), min_size=6, max_size=6)
actions = st.lists(st.integers(0, NUM_ACTIONS), min_size=6, max_size=6)
masks = st.lists(st.booleans(), min_size=6, max_size=6)
every_part = jax.jit(partial(parts, Levels()))


@given(labels, actions, masks, actions, labels)
def test_the_dead_are_inert(label, action, alive, other_action, other_label) -> None:
    changed = np.where(alive, action, other_action), np.where(alive, label, other_label)
    ours = every_part(played(action, alive), np.asarray(label))
    theirs = every_part(played(changed[0], alive), changed[1])
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(np.asarray(one)[alive], np.asarray(other)[alive])


@given(labels, actions, masks, st.permutations(range(6)))
def test_agents_permuted_are_parts_permuted(label, action, alive, order) -> None:
    at = lambda values: np.asarray(values)[order]  # noqa: E731
    ours = every_part(played(action, alive), np.asarray(label))
    theirs = every_part(played(at(action), at(alive)), at(label))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(one)[order], other, rtol=1e-6, atol=1e-7)


@given(labels, actions, masks, st.permutations(range(K)))
def test_groups_renamed_change_nothing(label, action, alive, order) -> None:
    ours = every_part(played(action, alive), np.asarray(label))
    renamed = np.asarray(order)[label], np.asarray(CENTRE)[np.argsort(order)]
    theirs = every_part(played(action, alive), *renamed)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@given(labels, actions, masks)
def test_both_levels_lie_in_the_simplex(label, action, alive) -> None:
    for level in every_part(played(action, alive), np.asarray(label)):
        assert (np.asarray(level) >= 0).all()
        assert (np.asarray(level).sum(axis=1) <= 1 + 1e-5).all()
