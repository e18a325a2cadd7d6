"""Means, distances and physics are computed in full precision, also where networks are not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from programs import equations
from toy import NUM_ACTIONS, make_timestep

from swarmfield import mean_field
from swarmfield.environments import make
from swarmfield.environments.voronoi import flee
from swarmfield.mean_field.clustering import as_before, group_means, in_order, nearest_centre
from swarmfield.precision import matmul
from swarmfield.types import Discrete, TeamSpec

POINTS = jnp.ones((6, 3))
LABEL = jnp.zeros(6, jnp.int32)
ALIVE = jnp.ones(6, bool)


def mean_of_the_near():
    team = TeamSpec("team", 6, Discrete(NUM_ACTIONS), None, 0)
    field = mean_field.nearest(team, 2)
    return field.at(make_timestep(6), jnp.int32(0))


def field_of_diamonds():
    return make("miners", num_agents=9).field(jnp.array([[1, 1], [2, 5]]))


PROGRAMS = {
    "means of groups": lambda: group_means(POINTS, LABEL, ALIVE, 2),
    "nearest group": lambda: nearest_centre(POINTS, POINTS[:2]),
    "order of groups": lambda: in_order(POINTS[:2]),
    "groups as before": lambda: as_before(LABEL, LABEL, ALIVE, 2),
    "mean action of the near": mean_of_the_near,
    "physics": field_of_diamonds,
    "edges of cells": lambda: flee(POINTS[0, :2], POINTS[:, :2] + 1, 9.0, "torus"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_products_are_of_full_precision(name):
    products = equations(jax.make_jaxpr(PROGRAMS[name])().jaxpr, "dot_general")
    assert products
    highest = (jax.lax.Precision.HIGHEST,) * 2
    assert all(each.params["precision"] == highest for each in products)


def test_the_product():
    x, y = np.random.default_rng(0).normal(size=(2, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(matmul(jnp.asarray(x), jnp.asarray(y)), x @ y, rtol=1e-5)
