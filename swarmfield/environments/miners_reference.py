"""Scripted miners to compare with."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from swarmfield.environments.miners import Miners, MinersState
from swarmfield.environments.scripted import Choose
from swarmfield.types import PRNGKey


def choose_random(_world: Miners, state: MinersState, key: PRNGKey) -> Float[Array, "N 4"]:
    """Any action of the box, each as likely."""
    return jax.random.uniform(key, state.last_action.shape, minval=-1.0)


def choose_evenly(_world: Miners, state: MinersState, _key: PRNGKey) -> Float[Array, "N 4"]:
    """A quarter each way: as many arrive as leave, and nothing changes."""
    return jnp.zeros_like(state.last_action)


def choose_by_sight(world: Miners, state: MinersState, _key: PRNGKey) -> Float[Array, "N 4"]:
    """Over the edge whose two corners have the larger field: all that a cell sees."""
    features = world.observe(state, "cells").features
    assert features is not None
    above_left, above_right, _, below_left, below_right = features.T[:5]
    edges = (
        above_left + above_right,
        below_left + below_right,
        above_left + below_left,
        above_right + below_right,
    )
    return _all_to_best(jnp.stack(edges, axis=1))


def choose_uphill(world: Miners, state: MinersState, _key: PRNGKey) -> Float[Array, "N 4"]:
    """To the neighbour with the largest field, which cells do not see: the best there is."""
    return _all_to_best(world.field(state.diamonds)[jnp.asarray(world.teams[0].graph)])


def _all_to_best(score: Float[Array, "N 4"]) -> Float[Array, "N 4"]:
    best: Bool[Array, "N 4"] = jax.nn.one_hot(jnp.argmax(score, axis=1), score.shape[1]) > 0
    return jnp.where(best, 1.0, -1.0)


POLICIES: dict[str, Choose] = {
    "random": choose_random,
    "even": choose_evenly,
    "sight": choose_by_sight,
    "uphill": choose_uphill,
}
