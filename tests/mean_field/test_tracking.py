"""Groups over time: formed when due, kept between, the same whoever else is in the batch."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from toy import NUM_ACTIONS, make_timestep

from swarmfield.mean_field.groups import Levels, softmax_cos
from swarmfield.mean_field.representation import RepresentationConfig
from swarmfield.mean_field.tracking import (
    GroupingConfig,
    Memory,
    dynamic_groups,
    first_memory,
    measure_groups,
    track_groups,
)
from swarmfield.networks import Glimpse
from swarmfield.types import Discrete, Observation, TeamSpec

KEY = jax.random.key(0)
N, Z, K = 24, 3, 3
CONFIG = GroupingConfig(num_groups=K, interval=4, levels=Levels("learned"))


def crowd(alive=None):
    return make_timestep(N, alive=[True] * N if alive is None else alive)


def heaps(seed: int, turn: int = 0) -> tuple[jax.Array, np.ndarray]:
    """Three heaps of agents; `turn` moves who is in which."""
    random = np.random.default_rng(seed)
    kind = (np.arange(N) + turn * (np.arange(N) % 2)) % K
    z = 10 * np.eye(K)[kind] + random.normal(size=(N, Z))
    return jnp.asarray(z, jnp.float32), kind


def play(steps, config=CONFIG, alive=None, memory=None):
    """Memories and records of tracking some representations, step after step."""
    track = jax.jit(partial(track_groups, config))
    memory = first_memory(config, Z, crowd()) if memory is None else memory
    found = []
    for number, z in enumerate(steps):
        memory, record = track(crowd(alive), z, memory, jax.random.fold_in(KEY, number))
        found.append((memory, record))
    return found


def test_groups_of_different_episodes_have_the_same_numbers() -> None:
    """Else a mean action a type would mean another type in every episode."""
    z, kind = heaps(0)
    track = jax.jit(partial(track_groups, CONFIG))
    memory = first_memory(CONFIG, Z, crowd())
    labels = {
        tuple(np.asarray(track(crowd(), z, memory, jax.random.key(seed))[1].label).tolist())
        for seed in range(20)
    }
    assert len(labels) == 1
    assert adjusted_rand_score(kind, labels.pop()) == 1


def test_groups_are_formed_at_once_and_then_every_interval() -> None:
    """Everybody is somewhere else in each step, and groups follow where they are due."""
    steps = [heaps(0, turn=turn) for turn in range(9)]
    found = play([z for z, _ in steps])
    pairs = zip(found, steps, strict=True)
    fits = [adjusted_rand_score(kind, record.label) == 1 for (_, record), (_, kind) in pairs]
    # Three turns bring everybody back.
    assert fits == [True, False, False, True, True, False, False, True, True]


def test_between_assignments_everybody_keeps_their_group() -> None:
    first, kind = heaps(0)
    moved, other = heaps(1, turn=1)
    found = play([first, moved, moved, moved, moved])
    labels = [np.asarray(record.label) for _, record in found]
    assert adjusted_rand_score(kind, labels[0]) == 1
    for label in labels[1:4]:
        np.testing.assert_array_equal(label, labels[0])
    assert adjusted_rand_score(other, labels[4]) == 1


def test_centres_are_refreshed_in_every_step() -> None:
    first, moved = heaps(0)[0], heaps(1, turn=1)[0]
    (_, before), (_, after) = play([first, moved])
    label = np.asarray(before.label)
    expected = [np.asarray(moved)[label == group].mean(0) for group in range(K)]
    np.testing.assert_allclose(after.between, expected, rtol=1e-5)


def test_weights_are_recorded_of_the_living_as_they_are_now() -> None:
    """Of a step between two assignments, at which one group has died out."""
    config = CONFIG._replace(levels=Levels("softmax_cos", temperature=0.3))
    z, kind = heaps(0)
    (memory, _), *_ = play([z], config)
    alive, moved = kind != kind[0], np.asarray(z) + np.array([0.0, 20.0, 5.0])
    after, record = track_groups(config, crowd(alive), jnp.asarray(moved), memory, KEY)
    label = np.asarray(memory.label)
    np.testing.assert_array_equal(after.label, label)
    left = [group for group in range(K) if group != label[0]]
    mean = np.zeros((K, Z), np.float32)
    mean[left] = [moved[label == group].mean(0) for group in left]
    expected = softmax_cos(jnp.asarray(mean), jnp.arange(K) != label[0], 0.3)
    np.testing.assert_allclose(record.between, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(record.between[:, label[0]], np.zeros(K))


def test_a_group_keeps_its_number() -> None:
    """k-means starts where it ended."""
    drifting = [heaps(0)[0] + 0.2 * step for step in range(13)]
    labels = [np.asarray(record.label) for _, record in play(drifting)]
    np.testing.assert_array_equal(labels[0], labels[12])


def test_an_episode_starts_afresh() -> None:
    moved, kind = heaps(1, turn=1)
    (memory, _), *_ = play([heaps(0)[0]])
    again = Memory(memory.centre + 100, memory.label, jnp.int32(0))
    ((_, record),) = play([moved], memory=again)
    assert adjusted_rand_score(kind, record.label) == 1


def test_worlds_side_by_side_are_as_they_are_alone() -> None:
    """Also where only some are due, and whatever their ages."""
    memories, steps = [], []
    for age, seed in enumerate((0, 1, 2, 3, 4)):
        (memory, _), *_ = play([heaps(seed)[0]])
        memories.append(Memory(memory.centre, memory.label, jnp.int32(age)))
        steps.append(heaps(seed + 10, turn=1)[0])
    keys = jax.random.split(KEY, 5)
    stack = lambda *leaves: jnp.stack(leaves)  # noqa: E731
    timesteps = jax.tree.map(stack, *[crowd()] * 5)
    track = partial(track_groups, CONFIG)
    together = jax.jit(jax.vmap(track))(
        timesteps, jnp.stack(steps), jax.tree.map(stack, *memories), keys
    )
    for row in range(5):
        alone = jax.jit(track)(crowd(), steps[row], memories[row], keys[row])
        for one, other in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(one[row], other, rtol=1e-5, atol=1e-6)


def test_random_groups_are_redrawn_when_due_and_tell_nothing() -> None:
    config = CONFIG._replace(how="random")
    z, kind = heaps(0)
    labels = [np.asarray(record.label) for _, record in play([z] * 5, config)]
    assert set(labels[0]) == set(range(K))
    np.testing.assert_array_equal(labels[0], labels[3])
    assert (labels[4] != labels[0]).any()
    assert abs(adjusted_rand_score(kind, labels[0])) < 0.4


def test_the_dead_are_inert() -> None:
    alive = np.arange(N) % 5 != 0
    z = heaps(0)[0]
    other = jnp.where(jnp.asarray(alive)[:, None], z, 77.0)
    ours, theirs = (play([x] * 5, alive=alive) for x in (z, other))
    for (_, one), (_, two) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.between, two.between)
        np.testing.assert_array_equal(np.asarray(one.label)[alive], np.asarray(two.label)[alive])


def test_what_is_measured_by_hand() -> None:
    alive = [True] * 6 + [False] * (N - 6)
    before, after = (
        jnp.zeros(N, jnp.uint8).at[:6].set(jnp.array(x, jnp.uint8))
        for x in ([0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 0, 0])
    )
    (_, record), *_ = play([heaps(0)[0]])
    old, new = record._replace(label=before), record._replace(label=after)
    found = measure_groups(CONFIG, 1, crowd(alive), old, new)
    assert found["groups"] == 2
    np.testing.assert_allclose(found["largest_group"], 5 / 6, rtol=1e-6)
    # Two of six have changed, in what would be one step of four.
    np.testing.assert_allclose(found["group_stability"], 1 - 4 * 2 / 6, rtol=1e-5)
    first = make_timestep(N, alive=alive, first=True)
    assert measure_groups(CONFIG, 1, first, old, new)["group_stability"] == 1


def test_groups_are_compared_with_the_kinds_that_a_team_has() -> None:
    z, kind = heaps(0)
    (_, record), *_ = play([z])
    assert "kind_agreement" not in measure_groups(CONFIG, 1, crowd(), record, record)
    mixed = eqx.tree_at(lambda t: t.kind, crowd(), jnp.asarray(kind, jnp.uint8))
    assert measure_groups(CONFIG, K, mixed, record, record)["kind_agreement"] == 1
    of_one = eqx.tree_at(lambda t: t.kind, mixed, jnp.zeros(N, jnp.uint8))
    assert measure_groups(CONFIG, K, of_one, record, record)["kind_agreement"] == 0


@pytest.mark.parametrize("kind", ["vae", "ae", "raw"])
@pytest.mark.parametrize("inputs", ["embedding", "observation"])
def test_every_representation_can_be_grouped(kind: str, inputs: str) -> None:
    team = TeamSpec("team", N, Discrete(NUM_ACTIONS), (2, 2, 1), 3)
    config = RepresentationConfig(kind=kind, inputs=inputs, size=5, sample=True)
    tracker, size = dynamic_groups(CONFIG, config, team, NUM_ACTIONS, 7)
    seen = Observation(jnp.ones((N, 2, 2, 1)), jnp.ones((N, 3)))
    glimpse = Glimpse(seen, jnp.ones((N, 7)), jnp.zeros(N, jnp.uint8))
    parameters = tracker.init(KEY)
    z = tracker.represent(parameters, glimpse, jax.random.split(KEY, N))
    assert z.shape == (N, size)
    memory, record = tracker.track(parameters, crowd(), z, tracker.begin(crowd()), KEY)
    assert memory.centre.shape == record.between.shape == (K, size)
    assert (parameters is None) == (tracker.learning is None) == (kind == "raw")
