"""Counting whole discs of a map gives what looking at every pair of agents gives, to the bit."""

from functools import partial
from unittest import mock

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from programs import equations, largest_array
from toy import NUM_ACTIONS, make_timestep

from swarmfield import mean_field
from swarmfield.environments import make
from swarmfield.mean_field import MeanField, neighbours, parts_of
from swarmfield.mean_field.discs import longest_squared, most_on_edge, round_root
from swarmfield.types import Box, Discrete, SwarmfieldError, TeamSpec, Timestep

pytestmark = pytest.mark.usefixtures("strict_dtypes")

N = 12
WIDE, TALL, LARGE = (7, 4), (1, 9), (41, 30)
BUILDERS = {
    "nearest": lambda team: mean_field.nearest(team, 1),
    "nearest 4": lambda team: mean_field.nearest(team, 4),
    "nearest of all": lambda team: mean_field.nearest(team, 1000),
    "same cell": lambda team: mean_field.radius(team, 0.5),
    "radius": lambda team: mean_field.radius(team, 5**0.5),
    "everywhere": lambda team: mean_field.radius(team, 3e38),
}


def make_team(num_agents: int, cells: tuple[int, int] | None) -> TeamSpec:
    return TeamSpec("team", num_agents, Discrete(NUM_ACTIONS), None, 0, cells=cells)


def counted(build, num_agents: int, cells: tuple[int, int]) -> MeanField:
    """A field that counts discs, however small the team and large the map."""
    with mock.patch.multiple(neighbours, SMALLEST_COUNTED=1, SPARSEST_COUNTED=10**9):
        field = build(make_team(num_agents, cells))
    assert field.compute_for_few is not None
    return field


FIELDS = {name: counted(build, N, WIDE) for name, build in BUILDERS.items()}
FIELDS |= {f"{name}, tall": counted(BUILDERS[name], N, TALL) for name in ("nearest 4", "radius")}


@partial(jax.jit, static_argnums=(0, 1))
def every_part(field: MeanField, by_pairs: bool, timestep: Timestep) -> jax.Array:
    compute = field.compute_for_few if by_pairs else field.compute
    assert compute is not None
    value = compute(timestep, None)
    return jax.vmap(lambda i: field.at(value, i)[0])(jnp.arange(timestep.alive.shape[0]))


def assert_same(field: MeanField, timestep: Timestep) -> None:
    np.testing.assert_array_equal(
        np.asarray(every_part(field, False, timestep)),
        np.asarray(every_part(field, True, timestep)),
    )


def crowd(num_agents: int, cells: tuple[int, int], seed: int) -> dict[str, np.ndarray]:
    """Agents all over a map, a third of them in one corner of it, some dead, some new."""
    random = np.random.default_rng(seed)
    position = random.integers(0, cells, (num_agents, 2))
    position[: num_agents // 3] %= 3
    return {
        "position": random.permutation(position).astype(np.int16),
        "alive": random.random(num_agents) < 0.8,
        "last_action": random.integers(0, NUM_ACTIONS + 1, num_agents).astype(np.uint8),
    }


places = st.tuples(
    arrays.arrays(np.int16, N, elements=st.integers(0, 999)),
    arrays.arrays(np.int16, N, elements=st.integers(0, 999)),
    st.sampled_from([1, 2, 1000]),
)
actions = arrays.arrays(np.uint8, N, elements=st.integers(0, NUM_ACTIONS))
masks = st.one_of(arrays.arrays(np.bool_, N), st.just(np.ones(N, bool)))


@pytest.mark.parametrize("name", FIELDS)
@given(places=places, last_action=actions, alive=masks)
def test_discs_and_pairs_agree(name: str, places, last_action, alive) -> None:
    cells = TALL if name.endswith("tall") else WIDE
    # Within the first column or two of both axes many stand in one cell.
    column, row, spread = places
    position = np.stack([column % min(cells[0], spread), row % min(cells[1], spread)], axis=1)
    timestep = make_timestep(N, position=position, last_action=last_action, alive=alive)
    assert_same(FIELDS[name], timestep)


@pytest.mark.parametrize("name", ["nearest 4", "radius"])
def test_everybody_in_the_only_cell(name: str) -> None:
    field = counted(BUILDERS[name], N, (1, 1))
    last_action = np.arange(N, dtype=np.uint8) % NUM_ACTIONS
    for number in (0, 1, 3, N):
        assert_same(field, make_timestep(N, alive=np.arange(N) < number, last_action=last_action))


LARGE_BUILDERS = {
    "nearest tenth": mean_field.nearest,
    "nearest of all": lambda team: mean_field.nearest(team, 599),
    "radius 6": lambda team: mean_field.radius(team, 6.0),
    "radius 25": lambda team: mean_field.radius(team, 25.0),
}


@pytest.mark.parametrize("name", LARGE_BUILDERS)
def test_discs_and_pairs_agree_in_a_crowd(name: str) -> None:
    field = LARGE_BUILDERS[name](make_team(600, LARGE))
    for seed in range(3):
        assert_same(field, make_timestep(600, **crowd(600, LARGE, seed)))


def test_of_equally_near_the_lower_index_counts() -> None:
    # Eight cells are at a distance of root 5; agents 1 to 8 stand there, 9 beside agent 8.
    ring = [[1, 2], [2, 1], [-1, 2], [-2, 1], [1, -2], [2, -1], [-1, -2], [-2, -1]]
    position = np.array([[0, 0], *ring[::-1], ring[0], [5, 5], [5, 5]], np.int16) + 3
    last_action = np.array([3, *[0, 1] * 2, *[2] * 7], np.uint8)
    timestep = make_timestep(N, position=position, last_action=last_action)
    field = counted(BUILDERS["nearest 4"], N, (9, 9))
    np.testing.assert_array_equal(every_part(field, False, timestep)[0], [0.5, 0.5, 0, 0])


def test_several_worlds_at_once() -> None:
    worlds = [make_timestep(600, **crowd(600, LARGE, seed)) for seed in range(3)]
    together = jax.tree.map(lambda *x: jnp.stack(x), *worlds)
    field = mean_field.nearest(make_team(600, LARGE))
    many = jax.vmap(lambda timestep: every_part(field, False, timestep))(together)
    for world, found in zip(worlds, many, strict=True):
        np.testing.assert_array_equal(np.asarray(every_part(field, False, world)), found)


@pytest.mark.parametrize("number", [0, 1, 2, 5, 25, 65, 1105, 5000])
def test_the_most_cells_on_the_edge_of_a_disc(number: int) -> None:
    side = np.arange(-71, 72) ** 2
    ways = np.bincount((side[:, None] + side[None]).reshape(-1))
    largest = ways[1 : number + 1].max(initial=4)
    assert most_on_edge(number) == largest


def test_roots_are_rounded_down() -> None:
    root = np.arange(1, 46_341)
    for number, expected in ((root**2 - 1, root - 1), (root**2, root), (root**2 + 2 * root, root)):
        fits = number < 2**31
        found = round_root(jnp.asarray(number[fits].astype(np.int32)))
        np.testing.assert_array_equal(np.asarray(found), expected[fits])


def test_the_longest_distance() -> None:
    assert longest_squared((4, 5)) == 9 + 16


SCALING = {
    "nearest": lambda team: mean_field.nearest(team, 8),
    "nearest tenth": mean_field.nearest,
    "radius": lambda team: mean_field.radius(team, 6.0),
}


@pytest.mark.parametrize("name", SCALING)
def test_memory_is_linear(name: str) -> None:
    for num_agents, side in ((20_000, 500), (200_000, 1600)):
        field = SCALING[name](make_team(num_agents, (side, side)))
        timestep = jax.eval_shape(lambda n=num_agents: make_timestep(n))
        program = jax.make_jaxpr(partial(every_part, field, False))(timestep)
        assert largest_array(program.jaxpr) <= 200 * num_agents


@pytest.mark.parametrize("name", ["nearest", "radius"])
def test_twenty_thousand_agents(name: str) -> None:
    num_agents, cells = 20_000, (510, 490)
    field = SCALING[name](make_team(num_agents, cells))
    given = crowd(num_agents, cells, 0)
    timestep = make_timestep(num_agents, **given)
    asked = jnp.array([0, 1, 777, 19_999])
    (found,) = jax.jit(lambda t: parts_of(field, t, None, num_agents)(asked))(timestep)
    for index, mean in zip(np.asarray(asked), np.asarray(found), strict=True):
        apart = ((given["position"].astype(int) - given["position"][index]) ** 2).sum(axis=1)
        apart = np.where(given["alive"] & (np.arange(num_agents) != index), apart, 10**9)
        near = apart <= 36 if name == "radius" else np.argsort(apart, kind="stable")[:8]
        done = np.bincount(given["last_action"][near], minlength=NUM_ACTIONS + 1)
        expected = done[:NUM_ACTIONS].astype(np.float32) / np.float32(max(1, done.sum()))
        np.testing.assert_array_equal(mean, expected)


def test_few_agents_are_looked_at_one_by_one() -> None:
    field = mean_field.radius(make_team(600, LARGE), 6.0)
    timestep = make_timestep(600, **crowd(600, LARGE, 0))

    def ask(num_asked: int):
        return jax.jit(lambda: parts_of(field, timestep, None, num_asked)(jnp.arange(3))[0])

    for num_asked, sorts in ((600, 1), (3, 0)):
        program = jax.make_jaxpr(ask(num_asked))().jaxpr
        assert len(equations(program, "sort")) == sorts
    np.testing.assert_array_equal(np.asarray(ask(600)()), np.asarray(ask(3)()))


@pytest.mark.parametrize(
    ("num_agents", "cells", "counts"),
    [
        (neighbours.SMALLEST_COUNTED, LARGE, True),
        (neighbours.SMALLEST_COUNTED - 1, LARGE, False),
        (neighbours.SMALLEST_COUNTED, None, False),
        (neighbours.SMALLEST_COUNTED, (1000, 1000), False),
        (neighbours.LARGEST_DENSE + 1, (3000, 3000), True),
    ],
)
def test_when_discs_are_counted(num_agents: int, cells, counts: bool) -> None:
    field = mean_field.radius(make_team(num_agents, cells), 6.0)
    timestep = jax.eval_shape(lambda: make_timestep(num_agents))
    value = jax.eval_shape(lambda t: field.compute(t, None), timestep)
    assert isinstance(value, Timestep) != counts


def test_where_distances_would_be_rounded_pairs_are_never_looked_at() -> None:
    for side, exact in ((2897, True), (2898, False)):
        field = mean_field.radius(make_team(neighbours.LARGEST_DENSE + 1, (side, side)), 6.0)
        assert (field.compute_for_few is not None) == exact


@pytest.mark.parametrize("build", [mean_field.nearest, lambda team: mean_field.radius(team, 2.0)])
def test_what_cannot_be_counted_is_refused(build) -> None:
    too_many = neighbours.LARGEST_DENSE + 1
    real = make_team(too_many, (500, 500))._replace(actions=Box(2))
    for team in (real, make_team(too_many, None), make_team(too_many, (1, 50_000))):
        with pytest.raises(
            SwarmfieldError, match=r"8193; at most 8192 .*--algo.neighbourhood team"
        ):
            build(team)


def test_grid_worlds_have_cells() -> None:
    environment = make("battle", num_agents=20_000)
    side = int(environment.extent[0])
    for team in environment.teams:
        assert team.cells == (side, side)
        mean_field.nearest(team)
