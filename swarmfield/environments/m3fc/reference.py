"""Scripted crowds to compare with. They know all there is, and each agent its own number."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from swarmfield.environments.m3fc.beach_bar import SIDE, STEPS
from swarmfield.environments.m3fc.crowd import Crowd
from swarmfield.environments.m3fc.foraging import FASTEST as FASTEST_FORAGER
from swarmfield.environments.m3fc.foraging import FASTEST_MAJOR, Depot
from swarmfield.environments.m3fc.formation import Lead
from swarmfield.environments.m3fc.minor_major import MinorMajor, MinorMajorState
from swarmfield.environments.m3fc.potential import PUSH, Pushed, around
from swarmfield.environments.m3fc.square import FASTEST
from swarmfield.environments.m3fc.transport import ExactTransport
from swarmfield.environments.m3fc.two_gaussians import Users
from swarmfield.environments.scripted import Choose
from swarmfield.types import Box, PRNGKey

_FULL = 0.5
"""What an agent holds before it goes to deliver."""
_BESIDE = 0.05
"""How near agents that push stand to the body."""


def choose_nothing(
    _world: MinorMajor, state: MinorMajorState, _key: PRNGKey
) -> Num[Array, "M ..."]:
    """Nobody moves."""
    return jnp.zeros_like(state.last_action)


def choose_random(world: MinorMajor, state: MinorMajorState, key: PRNGKey) -> Num[Array, "M ..."]:
    """Each anything, all as likely."""
    actions, shape = world.model.actions, state.last_action.shape
    if isinstance(actions, Box):
        return jax.random.uniform(key, shape, minval=actions.low, maxval=actions.high)
    return jax.random.randint(key, shape, 0, actions.num_actions)


def choose_users(_world: MinorMajor, state: MinorMajorState, _key: PRNGKey) -> Float[Array, "M 2"]:
    """Each to its users in the plan that transports the crowd onto them."""
    assert isinstance(state.world, Users)
    return _follow_plan(state.minors, state.world.place)


def choose_formation(
    _world: MinorMajor, state: MinorMajorState, _key: PRNGKey
) -> Float[Array, "M 2"]:
    """Each to its places in the formation, the leader to the target."""
    assert isinstance(state.world, Lead)
    minors = _follow_plan(state.minors, state.world.particles)
    major = towards(state.world.major[None], state.world.target[None], FASTEST)
    return jnp.concatenate([minors, major])


def choose_bar(_world: MinorMajor, state: MinorMajorState, _key: PRNGKey) -> Int[Array, " M"]:
    """All to the bar, and the bar to its target."""
    bar, target = state.world.major, state.world.target
    minors = step_towards(state.minors, jnp.broadcast_to(bar, state.minors.shape))
    return jnp.concatenate([minors, step_towards(bar[None], target[None])])


def choose_shuttle(world: MinorMajor, state: MinorMajorState, _key: PRNGKey) -> Float[Array, "M 2"]:
    """Who holds enough to the depot, the others to the tasks in turn, and the depot in between.

    Without tasks all wait at the depot.
    """
    depot = state.world
    assert isinstance(depot, Depot)
    there = depot.left > 0
    number = jnp.maximum(jnp.sum(there), 1)
    order = jnp.argsort(~there)
    own = depot.tasks[order[jnp.arange(world.num_minors) % number]]
    delivers = (state.minors[:, 2] >= _FULL) | ~jnp.any(there)
    goal = jnp.where(delivers[:, None], depot.major[None], own)
    minors = towards(state.minors[:, :2], goal, FASTEST_FORAGER)
    middle = jnp.sum(jnp.where(there[:, None], depot.tasks, 0.0), axis=0) / number
    major = towards(depot.major[None], middle[None], FASTEST_MAJOR)
    return jnp.concatenate([minors, jnp.where(jnp.any(there), major, 0.0)])


def choose_push(world: MinorMajor, state: MinorMajorState, _key: PRNGKey) -> Float[Array, "M 1"]:
    """On both sides of the body, and on that away from the target as many more as are needed."""
    pushed = state.world
    assert isinstance(pushed, Pushed)
    after = world.model.change(jax.random.key(0), world.crowd(state), pushed, jnp.zeros(1)).major
    wanted = jnp.clip((pushed.target - after) / PUSH, -1.0, 1.0)
    share = (jnp.arange(world.num_minors) + 0.5) / world.num_minors
    side = jnp.where(share < (1 + wanted) / 2, -1.0, 1.0)
    offset = around(after[None] + _BESIDE * side[:, None] - state.minors)
    minors = offset / FASTEST
    return jnp.concatenate([minors, jnp.zeros((int(world.model.has_major), 1))])


def towards(
    place: Float[Array, "M D"], goal: Float[Array, "M D"], fastest: float
) -> Float[Array, "M D"]:
    """Actions that lead to a goal, as fast as can be, and stop there."""
    return (goal - place) / fastest


def _follow_plan(place: Float[Array, "N 2"], others: Float[Array, "L 2"]) -> Float[Array, "N 2"]:
    """Each towards its mean place in the plan that transports them onto the others."""
    return towards(place, ExactTransport().goals(Crowd(place), Crowd(others)), FASTEST)


def step_towards(place: Int[Array, "M 2"], goal: Int[Array, "M 2"]) -> Int[Array, " M"]:
    """The action that brings each nearest."""
    after = (place[:, None] + jnp.asarray(STEPS)[None]) % SIDE
    offset = jnp.abs(after - goal[:, None])
    return jnp.argmin(jnp.sum(jnp.minimum(offset, SIDE - offset), axis=-1), axis=1)


_ANYWHERE: dict[str, Choose] = {"random": choose_random, "nothing": choose_nothing}
POLICIES: dict[str, dict[str, Choose]] = {
    "two_gaussians": {**_ANYWHERE, "transport": choose_users},
    "formation": {**_ANYWHERE, "transport": choose_formation},
    "beach_bar": {**_ANYWHERE, "to-the-bar": choose_bar},
    "foraging": {**_ANYWHERE, "shuttle": choose_shuttle},
    "potential": {**_ANYWHERE, "push": choose_push},
}
