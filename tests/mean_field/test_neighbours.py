"""The mean action of neighbours: the nearest, and those within a radius."""

from functools import partial

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from toy import NUM_ACTIONS, make_timestep

from swarmfield import mean_field
from swarmfield.mean_field import MeanField, neighbours
from swarmfield.types import Discrete, SwarmfieldError, TeamSpec, Timestep

pytestmark = pytest.mark.usefixtures("strict_dtypes")


def make_team(num_agents: int) -> TeamSpec:
    return TeamSpec("team", num_agents, Discrete(NUM_ACTIONS), None, 0)


def line(places: list[int], last_action: list[int], alive: list[int] | None = None) -> Timestep:
    """Agents on a line."""
    position = [[place, 0] for place in places]
    return standing(position, last_action, [1] * len(places) if alive is None else alive)


def standing(position, last_action, alive) -> Timestep:
    return make_timestep(
        len(last_action),
        position=np.asarray(position, np.int16),
        last_action=np.asarray(last_action, np.uint8),
        alive=np.asarray(alive, bool),
    )


@partial(jax.jit, static_argnums=0)
def every_part(field: MeanField, timestep: Timestep) -> jax.Array:
    value = field.compute(timestep, None)
    return jax.vmap(lambda i: field.at(value, i)[0])(jnp.arange(timestep.alive.shape[0]))


def rows(field: MeanField, timestep: Timestep) -> np.ndarray:
    """Every agent's part."""
    return np.asarray(every_part(field, timestep))


def test_two_nearest_by_hand() -> None:
    timestep = line([0, 1, 3, 7], [0, 1, 2, 3])
    field = mean_field.nearest(make_team(4), 2)
    expected = [[0, 0.5, 0.5, 0], [0.5, 0, 0.5, 0], [0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0]]
    np.testing.assert_array_equal(rows(field, timestep), expected)


def test_of_equally_near_the_lower_index_counts() -> None:
    timestep = line([5, 4, 6, 5], [0, 1, 2, 3], [1, 1, 1, 0])
    assert rows(mean_field.nearest(make_team(4), 1), timestep)[0].argmax() == 1


def test_fewer_living_than_asked_for() -> None:
    # Alive (1, 1, 1, 0): two others for the living, three for the dead.
    timestep = line([0, 1, 2, 3], [0, 1, 1, 2], [1, 1, 1, 0])
    expected = [[0, 1, 0, 0], [0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [1 / 3, 2 / 3, 0, 0]]
    for count in (3, 100):
        field = rows(mean_field.nearest(make_team(4), count), timestep)
        np.testing.assert_allclose(field, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("num_agents", "fraction", "count"), [(20, 0.1, 2), (20, 0.5, 10), (4, 0.1, 1), (3, 1.0, 2)]
)
def test_a_fraction_of_the_team(num_agents: int, fraction: float, count: int) -> None:
    places = [2**i % 997 for i in range(num_agents)]
    timestep = line(places, [i % NUM_ACTIONS for i in range(num_agents)])
    team = make_team(num_agents)
    np.testing.assert_array_equal(
        rows(mean_field.nearest(team, fraction=fraction), timestep),
        rows(mean_field.nearest(team, count), timestep),
    )


def test_the_radius_is_inclusive_and_euclidean() -> None:
    position = [[0, 0], [3, 4], [4, 4], [0, 5]]
    timestep = standing(position, [0, 1, 2, 3], [1, 1, 1, 1])
    field = rows(mean_field.radius(make_team(4), 5.0), timestep)
    np.testing.assert_array_equal(field[0], [0, 0.5, 0, 0.5])


def test_alone_within_the_radius() -> None:
    timestep = line([0, 10, 20, 30], [0, 1, 2, 3])
    assert not rows(mean_field.radius(make_team(4), 9.5), timestep).any()


def test_a_team_of_one() -> None:
    for field in (mean_field.nearest(make_team(1)), mean_field.radius(make_team(1), 3.0)):
        np.testing.assert_array_equal(rows(field, line([0], [2])), np.zeros((1, NUM_ACTIONS)))


def make_fields(num_agents: int) -> dict[str, MeanField]:
    team = make_team(num_agents)
    return {"nearest": mean_field.nearest(team, 3), "radius": mean_field.radius(team, 4.0)}


FIELDS, PADDED_FIELDS = make_fields(7), make_fields(9)


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_zero_before_the_first_action(field: MeanField) -> None:
    assert not rows(field, line(list(range(7)), [NUM_ACTIONS] * 7)).any()


@pytest.mark.parametrize("build", [mean_field.nearest, lambda team: mean_field.radius(team, 2.0)])
def test_too_many_pairs_are_refused(build) -> None:
    build(make_team(neighbours.LARGEST_DENSE))
    with pytest.raises(SwarmfieldError, match=r"8193; at most 8192 .*--algo.neighbourhood team"):
        build(make_team(neighbours.LARGEST_DENSE + 1))


places = arrays.arrays(np.int16, (7, 2), elements=st.integers(0, 6))
actions = arrays.arrays(np.uint8, 7, elements=st.integers(0, NUM_ACTIONS - 1))
masks = arrays.arrays(np.bool_, 7)
kinds = st.sampled_from(sorted(FIELDS))


@given(places, actions, masks, kinds)
def test_in_the_simplex(position, last_action, alive, kind: str) -> None:
    field = rows(FIELDS[kind], standing(position, last_action, alive))
    assert (field >= 0).all()
    total = field.sum(axis=1)
    assert (np.isclose(total, 1) | (total == 0)).all()
    if kind == "nearest" and alive.sum() >= 2:
        np.testing.assert_allclose(total, np.ones(7), rtol=1e-6)


@given(places, actions, masks, kinds, places, actions)
def test_the_dead_are_inert(
    position, last_action, alive, kind: str, other_position, other_action
) -> None:
    moved = np.where(alive[:, None], position, other_position)
    changed = np.where(alive, last_action, other_action)
    living = rows(FIELDS[kind], standing(position, last_action, alive))[alive]
    np.testing.assert_array_equal(
        living, rows(FIELDS[kind], standing(moved, changed, alive))[alive]
    )


@given(places, actions, masks, kinds)
def test_padding_is_inert(position, last_action, alive, kind: str) -> None:
    padded = standing(
        np.concatenate([position, position[:2]]),
        np.append(last_action, [0, 1]),
        np.append(alive, [False, False]),
    )
    timestep = standing(position, last_action, alive)
    np.testing.assert_array_equal(
        rows(PADDED_FIELDS[kind], padded)[:7], rows(FIELDS[kind], timestep)
    )


@given(st.permutations(range(7)), actions, masks, st.permutations(range(7)), kinds)
def test_agents_permuted_are_rows_permuted(
    marks: list[int], last_action, alive, order: list[int], kind: str
) -> None:
    # A Golomb ruler: no two distances are equal, so that no tie is broken by index.
    position = np.array([[0, 1, 4, 10, 18, 23, 25][mark] for mark in marks])
    position = np.stack([position, np.zeros(7)], axis=1)
    permuted = standing(position[order], last_action[order], alive[order])
    np.testing.assert_array_equal(
        rows(FIELDS[kind], permuted),
        rows(FIELDS[kind], standing(position, last_action, alive))[order],
    )
