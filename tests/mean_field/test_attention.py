"""Graph attention: weights by hand, and only the living neighbours are heeded."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import NUM_ACTIONS, make_timestep

from swarmfield.mean_field.attention import GraphAttention, Neighbours, graph_of, heeded
from swarmfield.types import Discrete, SwarmfieldError, TeamSpec

N, X = 5, 6
KEY = jax.random.key(0)
TEAM = TeamSpec("team", N, Discrete(NUM_ACTIONS), None, X)
RING = TEAM._replace(graph=np.array([[4, 1], [0, 2], [1, 3], [2, 4], [3, 0]]))
LINE = TEAM._replace(graph=np.array([[-1, 1], [0, 2], [1, 3], [2, 4], [3, -1]]))
PLACES = jnp.array([[0, 0], [1, 0], [3, 0], [7, 0], [12, 0]], jnp.int16)


def crowd(alive=(True,) * N):
    return make_timestep(N, alive=list(alive), position=PLACES)


def heeds(neighbours) -> list[set[int]]:
    agent = np.tile(np.arange(N), (N, 1)) if neighbours.agent is None else neighbours.agent
    rows = zip(np.asarray(agent), np.asarray(neighbours.exists), strict=True)
    return [set(agent[exists].tolist()) for agent, exists in rows]


def test_who_is_heeded() -> None:
    timestep = crowd()
    assert heeds(graph_of(RING, "environment", 8)(timestep))[0] == {4, 1}
    assert heeds(graph_of(LINE, "environment", 8)(timestep))[0] == {1}
    nearest = heeds(graph_of(TEAM, "nearest", 2)(timestep))
    assert nearest == [{1, 2}, {0, 2}, {0, 1}, {2, 4}, {2, 3}]
    everybody = heeds(graph_of(TEAM, "full", 2)(timestep))
    assert everybody == [set(range(N)) - {i} for i in range(N)]


@pytest.mark.parametrize("kind", ["environment", "nearest", "full"])
def test_the_dead_are_not_heeded(kind: str) -> None:
    around = graph_of(RING, kind, 3)(crowd([True, False, True, True, True]))
    assert all(1 not in group for group in heeds(around))


def test_weights_by_hand() -> None:
    attention = GraphAttention(X, KEY)
    x = jax.random.normal(KEY, (N, X))
    around = graph_of(LINE, "environment", 8)(crowd())
    weight = np.asarray(attention(x, around))
    query, key = (np.asarray(x) @ np.asarray(w) for w in (attention.query, attention.key))
    score = [(query[1] @ key[j]) ** 2 for j in (0, 2)]
    np.testing.assert_allclose(weight[1], np.array(score) / (sum(score) + 0.001), rtol=1e-4)
    assert weight[0, 0] == 0
    mean = heeded(jnp.asarray(weight), around, x)
    np.testing.assert_allclose(
        mean[1], weight[1, 0] * x[0] + weight[1, 1] * x[2], rtol=1e-4, atol=1e-6
    )


def test_everybody_in_order_is_everybody_by_name() -> None:
    """Without gathering, the same weights and means."""
    attention, x = GraphAttention(X, KEY), jax.random.normal(KEY, (N, X))
    dense = graph_of(TEAM, "full", 8)(crowd([True, True, False, True, True]))
    named = Neighbours(jnp.tile(jnp.arange(N), (N, 1)), dense.exists)
    one, other = (attention(x, around) for around in (dense, named))
    np.testing.assert_allclose(one, other, rtol=1e-5)
    means = heeded(one, dense, x), heeded(other, named, x)
    np.testing.assert_allclose(*means, rtol=1e-5, atol=1e-6)


def test_nobody_around_is_nothing_heeded() -> None:
    around = graph_of(RING, "environment", 8)(crowd([True, False, False, False, False]))
    x = jnp.ones((N, X))
    weight = GraphAttention(X, KEY)(x, around)
    assert not np.asarray(heeded(weight, around, x))[0].any()


@pytest.mark.parametrize("kind", ["nearest", "full"])
def test_agents_permuted_are_rows_permuted(kind: str) -> None:
    order = np.array([3, 0, 4, 1, 2])
    attention, x = GraphAttention(X, KEY), jax.random.normal(KEY, (N, X))

    def told(rows):
        timestep = make_timestep(N, position=PLACES[rows])
        around = graph_of(TEAM, kind, 2)(timestep)
        return np.asarray(heeded(attention(x[rows], around), around, x[rows]))

    np.testing.assert_allclose(told(np.arange(N))[order], told(order), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("team", "kind", "words"),
    [
        (TEAM, "environment", "no graph of its own; choose nearest or full"),
        (TEAM._replace(num_agents=9000), "full", "has 9000; at most 8192"),
        (TEAM._replace(num_agents=9000), "nearest", "has 9000; at most 8192"),
    ],
)
def test_what_cannot_be_is_refused(team: TeamSpec, kind: str, words: str) -> None:
    with pytest.raises(SwarmfieldError, match=words):
        graph_of(team, kind, 8)
