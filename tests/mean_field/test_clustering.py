"""k-means: as scikit-learn's from the same centres, and the dead count for nothing."""

import warnings

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score

from swarmfield.mean_field.clustering import (
    Clusters,
    adjusted_rand_index,
    as_before,
    best_of,
    group_means,
    in_order,
    k_means,
    numbered,
    spread_out,
)

pytestmark = pytest.mark.usefixtures("strict_dtypes")

N, D, K = 40, 5, 4
KEY = jax.random.key(0)
find = jax.jit(k_means, static_argnums=3)


@jax.jit
def begin(points, alive):
    """First centres."""
    return spread_out(points, alive, K, KEY)


@jax.jit
def find_anew(points, alive):
    """From four draws of first centres."""
    return best_of(
        points,
        alive,
        lambda number: spread_out(points, alive, K, jax.random.fold_in(KEY, number)),
        K,
        jnp.int32(0),
        jnp.int32(3),
        10,
    )


def scattered(seed: int, count: int = N) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, D)).astype(np.float32)


def planted(seed: int, count: int = N, apart: float = 6.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    label = np.concatenate([np.arange(K), random.integers(0, K, count - K)])
    centre = apart * np.eye(K, D)
    return (centre[label] + random.normal(size=(count, D))).astype(np.float32), label


def everyone(count: int = N) -> jnp.ndarray:
    return jnp.ones(count, bool)


@pytest.mark.parametrize("iterations", [1, 3, 50])
@pytest.mark.parametrize("seed", range(4))
def test_as_scikit_learn_from_the_same_centres(seed: int, iterations: int) -> None:
    points = scattered(seed)
    first = points[:K]
    with warnings.catch_warnings():
        # It says so where it has not converged, which is what few iterations are for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        oracle = KMeans(K, init=first, n_init=1, max_iter=iterations, tol=0).fit(points)
    found = find(points, everyone(), first, iterations)
    if len(set(oracle.labels_)) == K:
        np.testing.assert_array_equal(found.label, oracle.labels_)
    if iterations == 50:
        np.testing.assert_allclose(found.centre, oracle.cluster_centers_, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_planted_clusters_are_found(seed: int) -> None:
    points, label = planted(seed)
    found = find_anew(points, everyone())
    assert adjusted_rand_score(label, found.label) >= 0.95


def test_one_move_by_hand() -> None:
    points = jnp.array([[0.0], [1.0], [4.0], [10.0]])
    found = find(points, everyone(4), jnp.array([[0.0], [5.0]]), 1)
    np.testing.assert_allclose(found.centre, [[0.5], [7.0]])
    # The nearest to where the centres went: 4 is 3.5 from the first and 3 from the second.
    np.testing.assert_array_equal(found.label, [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("first", "last", "label"),
    [(0, 2, [0, 0, 1, 1]), (0, 0, [1, 1, 1, 1]), (2, 2, [0, 0, 0, 0]), (1, 2, [0, 0, 1, 1])],
)
def test_the_closest_of_those_tried_is_kept(first: int, last: int, label: list[int]) -> None:
    points = jnp.array([[0.0], [1.0], [10.0], [11.0]])
    starts = jnp.array([[[1e6], [0.0]], [[0.0], [10.0]], [[0.0], [1e6]]])
    numbers = jnp.int32(first), jnp.int32(last)
    found = best_of(points, everyone(4), lambda n: starts[n], 2, *numbers, 1)
    np.testing.assert_array_equal(found.label, label)


def test_environments_try_as_many_starts_as_each_needs() -> None:
    """Side by side, one that tries a single start keeps what that leads to."""
    points = jnp.asarray(scattered(0))
    starts = jnp.asarray(scattered(1, 4 * K).reshape(4, K, D))

    def of(first, last):
        return best_of(points, everyone(), lambda n: starts[n], K, first, last, 2)

    numbers = jnp.array([0, 1]), jnp.array([0, 3])
    together = jax.vmap(of)(*numbers)
    for environment in range(2):
        alone = of(*(each[environment] for each in numbers))
        np.testing.assert_array_equal(together.label[environment], alone.label)


def test_an_empty_group_keeps_its_centre() -> None:
    points = jnp.array([[0.0], [1.0], [2.0]])
    found = find(points, everyone(3), jnp.array([[1.0], [50.0]]), 5)
    np.testing.assert_allclose(found.centre, [[1.0], [50.0]])
    np.testing.assert_array_equal(found.label, [0, 0, 0])


def test_the_first_centres_are_living_points_far_apart() -> None:
    """Three heaps: once one is drawn from, only the others are far."""
    heaps = jnp.array([0.0, 100.0, 200.0])[jnp.arange(30) % 3, None]
    points = heaps + jnp.linspace(0.0, 1e-3, 30)[:, None]
    alive = jnp.arange(30) >= 6
    draw = jax.vmap(lambda key: spread_out(points, alive, 3, key))
    drawn = np.asarray(draw(jax.random.split(KEY, 500)))[..., 0]
    living = set(np.asarray(points)[6:, 0].tolist())
    assert set(drawn.ravel().tolist()) == living
    np.testing.assert_array_equal(np.sort(drawn.round(-1)), [[0, 100, 200]] * 500)


@pytest.mark.parametrize("living", [0, 1, 3, K])
def test_the_few_are_each_a_group(living: int) -> None:
    alive = jnp.arange(N) % 7 == 0
    alive = alive & (jnp.cumsum(alive) <= living)
    points = scattered(0)
    found = find(points, alive, begin(points, alive), 10)
    np.testing.assert_array_equal(np.asarray(found.label)[np.asarray(alive)], np.arange(living))
    assert np.isfinite(found.centre).all()


def test_the_means_of_groups_by_hand() -> None:
    points = jnp.array([[1.0], [3.0], [5.0], [jnp.nan]])
    mean, size = group_means(points, jnp.array([0, 0, 2, 0]), jnp.array([1, 1, 1, 0], bool), 3)
    np.testing.assert_allclose(mean, [[2.0], [0.0], [5.0]])
    np.testing.assert_array_equal(size, [2, 0, 1])


def test_groups_keep_the_numbers_of_those_they_share_most_with() -> None:
    label, before = jnp.array([0, 0, 0, 1, 1, 2]), jnp.array([2, 2, 0, 0, 0, 2])
    centre = jnp.array([[5.0], [6.0], [7.0]])
    found = numbered(Clusters(label, centre), as_before(label, before, everyone(6), 3))
    # 0 shares two with 2, as 1 does with 0; what is left, 2, gets the number that is left.
    np.testing.assert_array_equal(found.label, [2, 2, 2, 0, 0, 1])
    np.testing.assert_allclose(found.centre, [[6.0], [7.0], [5.0]])


@given(st.permutations(range(K)), st.integers(0, 10**6))
def test_groups_renamed_get_their_numbers_back(order: list[int], seed: int) -> None:
    _, label = planted(seed)
    alive = jnp.asarray(np.random.default_rng(seed).random(N) < 0.8).at[:K].set(True)
    centre = jnp.arange(K, dtype=jnp.float32)[:, None]
    renamed = Clusters(jnp.asarray(np.asarray(order)[label], jnp.int32), centre[np.argsort(order)])
    number = as_before(renamed.label, jnp.asarray(label, jnp.int32), alive, K)
    found = numbered(renamed, number)
    np.testing.assert_array_equal(found.label, label)
    np.testing.assert_array_equal(found.centre, centre)


@given(st.permutations(range(K)), st.integers(0, 10**6))
def test_an_order_of_groups_does_not_depend_on_the_one_before(order: list[int], seed: int) -> None:
    points, label = planted(seed)
    centre, _ = group_means(jnp.asarray(points), jnp.asarray(label, jnp.int32), everyone(), K)
    renamed = Clusters(jnp.asarray(np.asarray(order)[label], jnp.int32), centre[np.argsort(order)])
    named = Clusters(jnp.asarray(label, jnp.int32), centre)
    ours, theirs = (numbered(each, in_order(each.centre)) for each in (named, renamed))
    np.testing.assert_array_equal(ours.label, theirs.label)
    np.testing.assert_array_equal(ours.centre, theirs.centre)
    assert adjusted_rand_score(ours.label, label) == 1
    np.testing.assert_array_equal(ours.centre[ours.label], centre[label])


seeds = st.integers(0, 10**6)


@given(seeds, st.integers(5, N))
def test_the_dead_are_inert(seed: int, living: int) -> None:
    points, other = scattered(seed), scattered(seed + 1)
    alive = np.random.default_rng(seed).permutation(N) < living
    changed = np.where(alive[:, None], points, 100 * other).astype(np.float32)
    ours, theirs = (find(x, alive, begin(x, jnp.asarray(alive)), 5) for x in (points, changed))
    np.testing.assert_array_equal(ours.centre, theirs.centre)
    np.testing.assert_array_equal(np.asarray(ours.label)[alive], np.asarray(theirs.label)[alive])


@given(seeds)
def test_padding_is_inert(seed: int) -> None:
    points = scattered(seed)
    padded = np.concatenate([points, np.full((6, D), np.nan, np.float32)])
    alive = np.arange(N + 6) < N
    ours = find(points, everyone(), begin(points, everyone()), 5)
    theirs = find(padded, alive, begin(points, everyone()), 5)
    np.testing.assert_allclose(ours.centre, theirs.centre, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ours.label, theirs.label[:N])


@given(seeds, st.permutations(range(N)))
def test_agents_permuted_are_labels_permuted(seed: int, order: list[int]) -> None:
    points, _ = planted(seed)
    first = begin(points, everyone())
    ours, theirs = (find(x, everyone(), first, 10) for x in (points, points[order]))
    np.testing.assert_array_equal(np.asarray(ours.label)[order], theirs.label)


@given(seeds, st.permutations(range(K)))
def test_centres_permuted_are_labels_renamed(seed: int, order: list[int]) -> None:
    points = scattered(seed)
    ours, theirs = (find(points, everyone(), first, 5) for first in (points[:K], points[:K][order]))
    np.testing.assert_array_equal(ours.label, np.asarray(order)[np.asarray(theirs.label)])
    np.testing.assert_allclose(ours.centre[np.asarray(order)], theirs.centre, rtol=1e-5)


@given(st.integers(0, 2**16), st.integers(1, 5), st.integers(1, 5))
def test_agreement_is_that_of_scikit_learn(seed: int, num_groups: int, num_kinds: int) -> None:
    random = np.random.default_rng(seed)
    label, kind = random.integers(0, num_groups, N), random.integers(0, num_kinds, N)
    alive = random.random(N) < random.random()
    alive[0] = True
    ours = adjusted_rand_index(
        jnp.asarray(label, jnp.int32), jnp.asarray(kind, jnp.int32), jnp.asarray(alive), 5, 5
    )
    theirs = adjusted_rand_score(kind[alive], label[alive])
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_agreement_by_hand() -> None:
    """Of six agents, pairs together: 3 and 1 in groups, 1 and 3 in kinds, 1 and 1 in both."""
    label, kind = jnp.array([0, 0, 0, 1, 1, 2]), jnp.array([0, 0, 1, 1, 1, 2])
    ours = adjusted_rand_index(label, kind, everyone(6), 3, 3)
    expected = 4 * 4 / 15
    np.testing.assert_allclose(ours, (2 - expected) / (4 - expected), rtol=1e-6)
