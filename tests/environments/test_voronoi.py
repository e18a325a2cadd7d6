"""The evader's direction against scipy's Voronoi diagrams, and against differences of areas."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial import ConvexHull, Voronoi

from swarmfield.environments.voronoi import edge_to_nearest, flee

SIDE = 100.0
TOPOLOGIES = ["torus", "closed"]


def everyone(site, others, topology: str) -> np.ndarray:
    """All sites of the diagram, the evader's first and the others after it, then their copies."""
    sites = np.concatenate([site[None], others])
    copies = [sites]
    if topology == "torus":
        shifts = itertools.product((-2, -1, 0, 1, 2), repeat=2)
        copies += [sites + SIDE * np.array(shift) for shift in shifts if any(shift)]
    else:
        for axis, wall in itertools.product((0, 1), (0, SIDE)):
            mirrored = sites.copy()
            mirrored[:, axis] = 2 * wall - mirrored[:, axis]
            copies.append(mirrored)
    return np.concatenate(copies)


def ends_by_scipy(site, others, topology: str) -> np.ndarray:
    """Where the edge to the nearest of the others ends, as seen from the evader."""
    sites = everyone(site, others, topology)
    rivals = sites[1:] if topology == "torus" else others
    nearest = 1 + np.argmin(((rivals - site) ** 2).sum(axis=1))
    diagram = Voronoi(sites)
    for pair, corners in zip(diagram.ridge_points, diagram.ridge_vertices, strict=True):
        if set(pair) == {0, nearest}:
            return diagram.vertices[corners] - site
    raise AssertionError("the nearest has no edge")


def area_by_scipy(site, others, topology: str) -> float:
    diagram = Voronoi(everyone(site, others, topology))
    corners = diagram.vertices[diagram.regions[diagram.point_region[0]]]
    return ConvexHull(corners).volume


def places(seed: int, count: int):
    random = np.random.default_rng(seed)
    return random.uniform(0.5, 99.5, 2), random.uniform(0.5, 99.5, (count, 2))


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_the_edge_is_scipys(topology: str, count: int) -> None:
    """2,400 cases in all, among them evaders near walls and corners."""
    with jax.enable_x64(True):
        find = jax.jit(partial(edge_to_nearest, side=SIDE, topology=topology))
        for seed in range(300):
            site, others = places(seed, count)
            edge = find(jnp.asarray(site), jnp.asarray(others))
            ours = np.stack([edge.xi / 2 + s * edge.eta for s in (edge.low, edge.high)])
            theirs = ends_by_scipy(site, others, topology)
            fits = [np.abs(ours - theirs[order]).max() for order in ([0, 1], [1, 0])]
            assert min(fits) < 1e-9


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_it_flees_from_what_shrinks_its_cell(topology: str) -> None:
    """The direction is minus the slope of the cell's area by where the nearest one is.

    There are so many that only one copy of it around the torus borders on the cell.
    """
    with jax.enable_x64(True):
        for seed in range(20):
            site, others = places(1000 + seed, 40)
            direction = flee(jnp.asarray(site), jnp.asarray(others), SIDE, topology)
            edge = edge_to_nearest(jnp.asarray(site), jnp.asarray(others), SIDE, topology)
            away = (others - site - np.asarray(edge.xi)) / SIDE
            nearest = np.argmin(np.abs(away - np.round(away)).max(axis=1))
            slope = np.zeros(2)
            for axis, sign in itertools.product((0, 1), (1, -1)):
                moved = others.copy()
                moved[nearest, axis] += sign * 1e-4
                slope[axis] += sign * area_by_scipy(site, moved, topology) / 2e-4
            np.testing.assert_allclose(direction, -slope / np.hypot(*slope), atol=1e-5)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_second_one_in_the_same_place_changes_nothing(topology: str) -> None:
    """In single precision, where numbers that should be 0 are not."""
    find = jax.jit(partial(flee, side=SIDE, topology=topology))
    for seed in range(300):
        site, others = (jnp.asarray(x, jnp.float32) for x in places(seed, 5))
        nearest = jnp.argmin(jnp.sum((others - site[None]) ** 2, axis=1))
        doubled = jnp.concatenate([others, others[nearest][None]])
        one = find(site, jnp.concatenate([others, others[:1]]))
        np.testing.assert_allclose(find(site, doubled), one, atol=1e-4)


@pytest.mark.parametrize("corner", [(0.0, 0.0), (100.0, 0.0), (100.0, 37.0)])
def test_an_evader_at_a_wall_finds_its_way(corner: tuple[float, float]) -> None:
    for seed in range(50):
        _, others = places(seed, 3)
        away = flee(jnp.array(corner), jnp.asarray(others, jnp.float32), SIDE, "closed")
        assert float(jnp.hypot(*away)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_away_from_the_only_one_in_the_middle(topology: str) -> None:
    site, others = jnp.array([50.0, 50.0]), jnp.array([[53.0, 50.0]])
    np.testing.assert_allclose(flee(site, others, SIDE, topology), [-1, 0], atol=1e-6)


def test_who_is_caught_flees_nowhere() -> None:
    site = jnp.array([50.0, 50.0])
    np.testing.assert_array_equal(flee(site, site[None], SIDE, "closed"), 0)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_who_is_who_does_not_matter(topology: str) -> None:
    site, others = (jnp.asarray(x, jnp.float32) for x in places(3, 8))
    one = flee(site, others, SIDE, topology)
    np.testing.assert_allclose(flee(site, others[::-1], SIDE, topology), one, atol=1e-6)
