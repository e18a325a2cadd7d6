"""One mean action a type: types given, and types found from recent actions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from toy import NUM_ACTIONS, make_timestep

from swarmfield.mean_field import type_means, types_by_actions
from swarmfield.mean_field.tracking import GroupingConfig
from swarmfield.networks import Glimpse
from swarmfield.types import Discrete, Observation, TeamSpec

KEY = jax.random.key(0)
N = 8
TEAM = TeamSpec("team", N, Discrete(NUM_ACTIONS), None, 0)


def test_given_types_by_hand() -> None:
    field = type_means(TEAM, 3, None)
    timestep = make_timestep(
        N,
        kind=jnp.array([0, 0, 0, 1, 1, 1, 0, 1], jnp.uint8),
        last_action=jnp.array([0, 1, 1, 2, 2, 3, 3, 0], jnp.uint8),
        alive=[True] * 6 + [False, True],
    )
    assert field.groups is not None
    np.testing.assert_array_equal(field.groups(timestep, None), timestep.kind)
    value = field.compute(timestep, None)
    ours = [np.asarray(part) for part in field.at(value, jnp.int32(5))]
    np.testing.assert_allclose(ours[0], [1 / 3, 2 / 3, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(ours[1], [0.25, 0, 0.5, 0.25])
    np.testing.assert_array_equal(ours[2], np.zeros(4))


def test_types_are_found_from_five_actions() -> None:
    """Two habits that share four of five actions in turn: the last one alone does not tell."""
    tracker = types_by_actions(GroupingConfig(num_groups=2, interval=1), TEAM)
    habit = np.arange(N) % 2
    actions = np.stack(
        [np.where(habit, [0, 1, 2, 3, 1][t % 5], [0, 2, 1, 3, 1][t % 5]) for t in range(10)]
    ).astype(np.uint8)
    track = jax.jit(partial(tracker.track, None))
    memory = tracker.begin(make_timestep(N))
    nothing = tracker.represent(None, _glimpse(actions[0]), jax.random.split(KEY, N))
    found = []
    for action in actions:
        timestep = make_timestep(N, last_action=jnp.asarray(action))
        memory, record = track(timestep, nothing, memory, KEY)
        found.append(np.asarray(record.label))
    # All do the same at the sixth step, and yet are told apart, by what they did before.
    assert len(set(actions[5])) == 1
    for label in found[5:]:
        assert adjusted_rand_score(habit, label) == 1
        np.testing.assert_array_equal(label, found[5])
    np.testing.assert_array_equal(memory.actions, actions[9:4:-1].T)


@pytest.mark.parametrize("habits", [[0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1, 1]])
def test_a_habit_has_the_same_number_however_many_have_it(habits) -> None:
    """Before anybody has acted all are of one type, whose number must not be the larger one's."""
    tracker = types_by_actions(GroupingConfig(num_groups=2, interval=1), TEAM)
    memory = tracker.begin(make_timestep(N))
    for action in (np.full(N, NUM_ACTIONS), *[np.asarray(habits)] * 3):
        timestep = make_timestep(N, last_action=jnp.asarray(action, jnp.uint8))
        nothing = tracker.represent(None, _glimpse(action), jax.random.split(KEY, N))
        memory, record = tracker.track(None, timestep, nothing, memory, KEY)
    np.testing.assert_array_equal(record.label, NUMBER[np.asarray(habits)])


NUMBER = np.array([1, 0])
"""Of either habit, as their centres lie."""


def _glimpse(action):
    return Glimpse(Observation(None, None), jnp.zeros((N, 1)), jnp.asarray(action))


def test_before_anybody_acted_nobody_did_anything() -> None:
    tracker = types_by_actions(GroupingConfig(num_groups=2), TEAM)
    memory = tracker.begin(make_timestep(N))
    assert (memory.actions == NUM_ACTIONS).all()
