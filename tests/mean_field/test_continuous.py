"""Mean fields of continuous actions: numbers by hand, and the dead count for nothing."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from toy import make_timestep

from swarmfield import mean_field
from swarmfield.mean_field.attention import last_actions
from swarmfield.mean_field.groups import Grouping, Levels, between, group_actions
from swarmfield.mean_field.representation import RepresentationConfig, inputs_of
from swarmfield.networks import Glimpse
from swarmfield.types import Box, Discrete, Observation, Product, SwarmfieldError, TeamSpec

N, K = 6, 3
TEAM = TeamSpec("team", N, Box(2), None, 0)
DONE = np.array([[1, 0], [0, 1], [-1, 0], [1, 1], [0.5, 0], [0, 0]], np.float32)
ALIVE = np.array([True, True, True, False, True, True])


def played(action=DONE, alive=ALIVE, position=None):
    position = np.zeros((N, 2), np.int16) if position is None else position
    return make_timestep(N, last_action=action, alive=alive, position=position)


def parts(field, timestep, record=None):
    value = field.compute(timestep, record)
    return jax.vmap(lambda i: field.at(value, i))(jnp.arange(N))


def test_the_teams_mean_by_hand() -> None:
    with_self, without = (
        parts(mean_field.team_mean(TEAM, include_self=own), played())[0] for own in (True, False)
    )
    np.testing.assert_allclose(with_self, [[0.1, 0.2]] * N, rtol=1e-6)
    np.testing.assert_allclose(without[1], [0.125, 0.0], atol=1e-7)
    np.testing.assert_allclose(without[3], [0.1, 0.2], rtol=1e-6)


def test_means_of_groups_by_hand() -> None:
    mean, size = group_actions(jnp.array([0, 0, 1, 1, 1, 2]), played(), K, 2)
    np.testing.assert_allclose(mean, [[0.5, 0.5], [-0.25, 0], [0, 0]])
    np.testing.assert_array_equal(size, [2, 2, 1])


def test_the_nearests_mean_by_hand() -> None:
    places = np.array([[0, 0], [1, 0], [3, 0], [4, 0], [6, 0], [9, 0]], np.int16)
    found = parts(mean_field.nearest(TEAM, 2), played(position=places))[0]
    # The fourth is dead: the first two are nearest to the third (the fifth, as near, is later).
    np.testing.assert_allclose(found[2], [0.5, 0.5])


def test_vectors_are_taken_as_they_are() -> None:
    np.testing.assert_array_equal(last_actions(TEAM, played()), DONE)
    expected = np.where(ALIVE[:, None], DONE, 0)
    np.testing.assert_array_equal(mean_field.last_vectors(played(), 2), expected)
    glimpse = Glimpse(Observation(None, None), jnp.ones((N, 4)), jnp.asarray(DONE))
    x = inputs_of(RepresentationConfig(), 2, glimpse)
    np.testing.assert_array_equal(x, np.concatenate([np.ones((N, 4)), DONE], axis=1))


@pytest.mark.parametrize(
    ("actions", "size"), [(Box(3), 3), (Discrete(5), 5)], ids=["box", "discrete"]
)
def test_the_length_of_a_vector(actions, size: int) -> None:
    assert mean_field.action_size(TEAM._replace(actions=actions)) == size


def test_what_has_no_vector_is_refused() -> None:
    team = TEAM._replace(name="both", actions=Product((Discrete(2), Box(2))))
    with pytest.raises(SwarmfieldError, match=r"'both' has Product"):
        mean_field.team_mean(team)
    with pytest.raises(SwarmfieldError, match=r"'team' has Box.*algorithm for continuous"):
        mean_field.num_actions(TEAM)


FIELDS = {
    "team": mean_field.team_mean(TEAM),
    "others": mean_field.team_mean(TEAM, include_self=False),
    "groups": mean_field.bilevel(TEAM, None, K, 2, Levels()),
}
actions = arrays.arrays(np.float32, (N, 2), elements=st.floats(-1, 1, width=16))
masks = arrays.arrays(np.bool_, N)
labels = arrays.arrays(np.uint8, N, elements=st.integers(0, K - 1))


@jax.jit
def everything(action, alive, label):
    centre = jnp.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    occupied = jnp.zeros(K, bool).at[label].max(alive)
    grouping = Grouping(label, between(Levels(), centre, occupied))
    timestep = make_timestep(N, last_action=action, alive=alive)
    return [parts(field, timestep, grouping) for field in FIELDS.values()]


@given(actions, masks, labels, actions)
def test_the_dead_are_inert(action, alive, label, other) -> None:
    changed = np.where(alive[:, None], action, other)
    ours, theirs = everything(action, alive, label), everything(changed, alive, label)
    for one, two in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(one[alive], two[alive])


@given(actions, masks, labels, st.permutations(range(N)))
def test_agents_permuted_are_parts_permuted(action, alive, label, order) -> None:
    order = np.array(order)
    plain = everything(action, alive, label)
    turned = everything(action[order], alive[order], label[order])
    for one, two in zip(jax.tree.leaves(plain), jax.tree.leaves(turned), strict=True):
        np.testing.assert_allclose(np.asarray(one)[order], two, atol=1e-6)


@given(actions, masks, labels)
def test_means_stay_in_the_box(action, alive, label) -> None:
    for part in jax.tree.leaves(everything(action, alive, label)):
        assert (np.abs(part) <= 1 + 1e-6).all()
