"""Two Gaussians: a crowd follows users who move between two places."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from swarmfield.environments.m3fc.crowd import Crowd
from swarmfield.environments.m3fc.model import Marks
from swarmfield.environments.m3fc.square import (
    COARSE,
    EXTENT,
    TransportConfig,
    anywhere,
    inside,
    shown,
    walk,
)
from swarmfield.environments.m3fc.transport import ExactTransport, GridTransport
from swarmfield.rule_options import Squash
from swarmfield.types import Box, PRNGKey

USERS = 100
PERIOD = 50
"""Steps in which the users go over to the other side and come back."""
SPREAD = float(np.sqrt(0.05))
"""Standard deviation of the users around their place."""
NOISE = 0.03
"""Standard deviation of a minor agent's step."""
STRETCH = 10.0
"""Shares of cells are seen this many times as large."""


@dataclass(frozen=True)
class TwoGaussiansConfig(TransportConfig):
    """Options of Two Gaussians."""

    others: ClassVar[int] = USERS


class Users(eqx.Module):
    """Where the users are, and the time, which nobody sees."""

    place: Float[Array, "U 2"]
    time: Int[Array, ""]


@dataclass(frozen=True)
class TwoGaussians:
    """Minor agents on [-2, 2]^2 are to be where 100 users are.

    - x' = clip(x + 0.2 u / max(1, |u|) + 0.03 e), e ~ N(0, I);
    - users are drawn anew every step: n(t) = floor(50 (cos(2 pi t / 50) + 1)) of them from
      N((-1, 0), 0.05 I), the others from N((1, 0), 0.05 I), clipped;
    - r = -W_2^2(mu, users), the cost of transporting the crowd onto the users by squared
      distances (no root is taken).

    There is no major agent. All see the crowd and the users in 7 x 7 cells each, times 10. Since
    users are drawn, a crowd that is distributed as they are still pays about 0.017 a step.

    Source: Cui et al. 2024 and its code. Departures: the cost is found on a grid of 25 x 25 unless
    `transport` is exact; an agent that acts for itself sees its own place as two numbers.
    """

    config: TwoGaussiansConfig

    name = "two_gaussians"
    actions = Box(2)
    has_major = False
    bins = COARSE
    dimensions = 2
    num_own = 2
    num_public = num_controlled = 2 * COARSE.number
    extent = EXTENT
    names_of_marks = ("users",)
    published_squash: ClassVar[Squash] = "clip_tanh"
    cells = None

    @property
    def description(self) -> str:
        """What was built."""
        return (
            f"two gaussians: {self.config.num_agents} minor agents and {USERS} users, "
            f"{self.config.transport} transport"
        )

    @cached_property
    def transport(self) -> ExactTransport | GridTransport:
        """Between the crowd and the users."""
        return self.config.transporting()

    def begin(self, key: PRNGKey, number: int) -> Float[Array, "N 2"]:
        """Anywhere."""
        return anywhere(key, number)

    def found(self, key: PRNGKey) -> Users:
        """All users on the left."""
        return Users(users_at(key, jnp.int32(0)), jnp.int32(0))

    def move(
        self, key: PRNGKey, crowd: Crowd, world: Users, action: Float[Array, "M 2"]
    ) -> Float[Array, "M 2"]:
        """A noisy step."""
        del world  # stops nobody
        noise = NOISE * jax.random.normal(key, crowd.state.shape)
        return inside(walk(crowd.state, action) + noise)

    def change(self, key: PRNGKey, crowd: Crowd, world: Users, major: Num[Array, ...]) -> Users:
        """New users."""
        del crowd, major  # change nothing
        return Users(users_at(key, world.time + 1), world.time + 1)

    def reward(
        self, crowd: Crowd, world: Users, action: Float[Array, "M 2"], major: Num[Array, ...]
    ) -> Float[Array, ""]:
        """How far the crowd is from the users."""
        del action, major  # cost nothing
        return -self.transport.cost(crowd, Crowd(world.place))

    def public(self, crowd: Crowd, world: Users) -> Float[Array, " P"]:
        """Crowd and users, cell by cell."""
        seen = [self.bins.histogram(each) for each in (crowd, Crowd(world.place))]
        return STRETCH * jnp.stack(seen, axis=-1).reshape(-1)

    def own(self, state: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Its place."""
        return state

    def place_of_major(self, world: Users) -> Float[Array, " 2"]:
        """There is none."""
        del world
        return jnp.zeros(2)

    def marks(self, world: Users) -> Marks:
        """The users."""
        return Marks(world.place, jnp.ones(USERS, bool), jnp.ones(USERS), np.zeros(USERS, int))

    def drawn(self, place: Float[Array, "L 2"]) -> Float[Array, "L 2"]:
        """As they are."""
        return shown(place)


def number_on_the_left(time: Int[Array, ""]) -> Int[Array, ""]:
    """n(t)."""
    swing = np.cos(2 * np.pi * np.arange(PERIOD) / PERIOD)
    # A cosine that is 1 but for its last bit counts as 1.
    numbers = np.floor(USERS * (swing + 1) / 2 + 1e-9).astype(np.int32)
    return jnp.asarray(numbers)[time % PERIOD]


def users_at(key: PRNGKey, time: Int[Array, ""]) -> Float[Array, "U 2"]:
    """New users."""
    is_left = jnp.arange(USERS) < number_on_the_left(time)
    middle = jnp.stack([jnp.where(is_left, -1.0, 1.0), jnp.zeros(USERS)], axis=1)
    return inside(middle + SPREAD * jax.random.normal(key, (USERS, 2)))
