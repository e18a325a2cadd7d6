"""Groups of agents that are alike where an episode begins."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import make_timestep

from swarmfield.mean_field.clustering import farthest_first
from swarmfield.mean_field.consistency import (
    ConsistencyConfig,
    acquaint,
    features,
    meet_again,
    strangers,
)

KEY = jax.random.key(0)
LEFT, RIGHT = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [[50.0, 10.0], [51.0, 10.0], [50.0, 11.0]]
NEITHER = jnp.full((6, 2), 0.5)
GO, STAY = jnp.tile(jnp.array([0.0, 1.0]), (6, 1)), jnp.tile(jnp.array([1.0, 0.0]), (6, 1))
BY_PLACE = ConsistencyConfig(2, "position", 0, 0.9)


def make(position, alive=(True,) * 6):
    return make_timestep(6, position=jnp.asarray(position), alive=jnp.asarray(alive, bool))


def step(config, timestep, policy, memory, embedding=None):
    embedding = jnp.zeros((6, 1)) if embedding is None else embedding
    return acquaint(config, timestep, embedding, policy, memory, KEY)


def together(label) -> list[list[int]]:
    """Groups whatever their numbers, as lists of agents."""
    label = np.asarray(label)
    return sorted(np.flatnonzero(label == k).tolist() for k in np.unique(label))


@pytest.mark.parametrize("seed", range(6))
def test_each_centre_is_the_living_point_farthest_from_those_before(seed: int) -> None:
    """On a line, with one dead point beyond all others."""
    points = np.array([0.0, 1.0, 4.0, 10.0, 500.0])
    alive = np.array([1, 1, 1, 1, 0], bool)
    got = farthest_first(jnp.asarray(points)[:, None], jnp.asarray(alive), 4, jax.random.key(seed))
    centres = np.asarray(got)[:, 0]
    assert centres[0] in points[alive]
    for k in range(1, 4):
        apart = np.abs(points[alive][:, None] - centres[None, :k]).min(axis=1)
        assert np.abs(centres[k] - centres[:k]).min() == apart.max()
    assert sorted(centres) == [0, 1, 4, 10]


def test_groups_are_found_where_an_episode_begins_and_kept() -> None:
    first, record = step(BY_PLACE, make(LEFT + RIGHT), NEITHER, strangers(6, 2))
    assert together(record.label) == [[0, 1, 2], [3, 4, 5]]
    mixed = make(LEFT[:1] + RIGHT[:2] + LEFT[1:] + RIGHT[2:])
    second, kept = step(BY_PLACE, mixed, NEITHER, first)
    np.testing.assert_array_equal(kept.label, record.label)
    _, anew = step(BY_PLACE, mixed, NEITHER, meet_again(second))
    assert together(anew.label) == [[0, 3, 4], [1, 2, 5]]


def test_groups_are_found_anew_every_so_many_steps() -> None:
    config = BY_PLACE._replace(regroup_every=2)
    mixed = make(LEFT[:1] + RIGHT[:2] + LEFT[1:] + RIGHT[2:])
    memory, _ = step(config, make(LEFT + RIGHT), NEITHER, strangers(6, 2))
    memory, second = step(config, mixed, NEITHER, memory)
    assert together(second.label) == [[0, 1, 2], [3, 4, 5]]
    _, third = step(config, mixed, NEITHER, memory)
    assert together(third.label) == [[0, 3, 4], [1, 2, 5]]


def test_what_is_done_is_remembered_by_hand_over_episodes() -> None:
    """h = 0.9 h + 0.1 pi, of the living; agent 5 is dead, and so is not in its group's mean."""
    alive = (True,) * 5 + (False,)
    policy = jnp.concatenate([GO[:3], STAY[:3]])
    memory, record = step(BY_PLACE, make(LEFT + RIGHT, alive), policy, strangers(6, 2))
    np.testing.assert_allclose(memory.history[0], [0.45, 0.55], rtol=1e-6)
    np.testing.assert_allclose(memory.history[4], [0.55, 0.45], rtol=1e-6)
    np.testing.assert_allclose(memory.history[5], [0.5, 0.5], rtol=1e-6)
    left, right = np.asarray(record.label)[[0, 3]]
    np.testing.assert_allclose(record.policy[left], [0.45, 0.55], rtol=1e-6)
    np.testing.assert_allclose(record.policy[right], [0.55, 0.45], rtol=1e-6)
    again, _ = step(BY_PLACE, make(LEFT + RIGHT), policy, meet_again(memory))
    np.testing.assert_allclose(again.history[0], [0.405, 0.595], rtol=1e-6)


def test_a_group_of_nobody_has_done_nothing() -> None:
    alive = (True,) + (False,) * 5
    _, record = step(BY_PLACE, make(LEFT + RIGHT, alive), GO, strangers(6, 2))
    assert sorted(np.asarray(record.policy).sum(axis=1).tolist()) == [0.0, 1.0]


@pytest.mark.parametrize("by", ["policy", "embedding", "both"])
def test_agents_are_alike_by_what_is_asked_for(by: str) -> None:
    odd = np.arange(6) % 2 == 1
    memory = dataclasses.replace(
        strangers(6, 2), history=jnp.where(odd[:, None], GO, STAY).astype(jnp.float32)
    )
    embedding = jnp.asarray(odd, jnp.float32)[:, None]
    if by == "embedding":
        memory = strangers(6, 2)
    config = BY_PLACE._replace(by=by)
    # Places tell the same as policies for `both`, and something else for the others.
    order = [0, 3, 1, 4, 2, 5] if by == "both" else range(6)
    place = np.array(LEFT + RIGHT)[list(order)]
    _, record = step(config, make(place), NEITHER, memory, embedding)
    assert together(record.label) == [[0, 2, 4], [1, 3, 5]]


def test_places_are_told_in_units_of_their_own() -> None:
    alive = (True,) * 5 + (False,)
    far = np.array(LEFT + RIGHT)
    far[5] = 1e6  # of the dead
    one = features("position", make(far, alive), jnp.zeros((6, 1)), NEITHER)
    other = features("position", make(7 + 1000 * far, alive), jnp.zeros((6, 1)), NEITHER)
    np.testing.assert_allclose(one[:5], other[:5], rtol=1e-4, atol=1e-5)
    assert float(jnp.max(one)) == pytest.approx(1.0)
    same = features("position", make(np.ones((6, 2))), jnp.zeros((6, 1)), NEITHER)
    np.testing.assert_array_equal(same, np.zeros((6, 2)))


def test_many_environments_are_grouped_as_one_by_one() -> None:
    """Of two, only the second is where an episode begins."""
    places = jnp.asarray([LEFT + RIGHT, RIGHT + LEFT])
    met, _ = step(BY_PLACE, make(LEFT[:1] + RIGHT[:2] + LEFT[1:] + RIGHT[2:]), GO, strangers(6, 2))
    memories = [met, strangers(6, 2)]
    single = [
        step(BY_PLACE, make(place), NEITHER, memory)
        for place, memory in zip(places, memories, strict=True)
    ]
    timesteps, memory = (
        jax.tree.map(lambda *x: jnp.stack(x), *several)
        for several in ([make(place) for place in places], memories)
    )
    many = jax.vmap(lambda t, m: step(BY_PLACE, t, NEITHER, m))(timesteps, memory)
    for number, one in enumerate(single):
        jax.tree.map(
            lambda x, y, number=number: np.testing.assert_allclose(x[number], y, rtol=1e-6),
            many,
            one,
        )
