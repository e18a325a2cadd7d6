"""Formation: a crowd keeps a formation around a leader who follows a target."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

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

PARTICLES = 300
"""Of the formation."""
WIDTH = float(np.sqrt(0.3))
"""Standard deviation of the formation around the leader."""
KEPT, DRIFT = 0.95, float(np.sqrt(0.02))
"""Share of the target's place that is left in a step, and the standard deviation of its step."""


@dataclass(frozen=True)
class FormationConfig(TransportConfig):
    """Options of Formation."""

    others: ClassVar[int] = PARTICLES


class Lead(eqx.Module):
    """Where the leader and its target are, and particles of the formation around the leader."""

    major: Float[Array, " 2"]
    target: Float[Array, " 2"]
    particles: Float[Array, "P 2"]


@dataclass(frozen=True)
class Formation:
    """Minor agents on [-2, 2]^2 form up around a major agent, who is to stay with a target.

    - x' = clip(x + 0.2 u / max(1, |u|)), and the major y alike;
    - the target, drawn around 0 at first: tau' = clip(0.95 tau + N(0, 0.02 I));
    - r = -W_2^2(mu, nu) - |y - tau|, with nu the formation: 300 particles of N(y, 0.3 I), clipped,
      drawn anew every step, and W_2^2 as in Two Gaussians.

    All see the crowd and the formation in 7 x 7 cells each, y and tau.

    Source: Cui et al. 2024 and its code. Departures: the cost is found on a grid of 25 x 25 unless
    `transport` is exact.
    """

    config: FormationConfig

    name = "formation"
    actions = Box(2)
    has_major = True
    bins = COARSE
    dimensions = 2
    num_own = 2
    num_public = num_controlled = 2 * COARSE.number + 4
    extent = EXTENT
    names_of_marks = ("target",)
    published_squash: ClassVar[Squash] = "clip_tanh"
    cells = None

    @property
    def description(self) -> str:
        """What was built."""
        return (
            f"formation: {self.config.num_agents} minor agents around a major one, "
            f"{self.config.transport} transport"
        )

    @cached_property
    def transport(self) -> ExactTransport | GridTransport:
        """Between the crowd and the formation."""
        return self.config.transporting()

    def begin(self, key: PRNGKey, number: int) -> Float[Array, "N 2"]:
        """Anywhere."""
        return anywhere(key, number)

    def found(self, key: PRNGKey) -> Lead:
        """A leader anywhere, the target near the middle."""
        key_major, key_rest = jax.random.split(key)
        return _lead(key_rest, anywhere(key_major, 1)[0], jnp.zeros(2))

    def move(
        self, key: PRNGKey, crowd: Crowd, world: Lead, action: Float[Array, "M 2"]
    ) -> Float[Array, "M 2"]:
        """A step; nothing is left to chance."""
        del key, world
        return walk(crowd.state, action)

    def change(self, key: PRNGKey, crowd: Crowd, world: Lead, major: Float[Array, " 2"]) -> Lead:
        """The leader's step and the target's."""
        del crowd  # stops nobody
        return _lead(key, walk(world.major[None], major[None])[0], world.target)

    def reward(
        self, crowd: Crowd, world: Lead, action: Float[Array, "M 2"], major: Float[Array, " 2"]
    ) -> Float[Array, ""]:
        """How far the crowd is from the formation, and the leader from the target."""
        del action, major  # cost nothing
        strays = jnp.sqrt(jnp.sum((world.major - world.target) ** 2))
        return -self.transport.cost(crowd, Crowd(world.particles)) - strays

    def public(self, crowd: Crowd, world: Lead) -> Float[Array, " P"]:
        """Crowd and formation, cell by cell, the leader and the target."""
        seen = [self.bins.histogram(each) for each in (crowd, Crowd(world.particles))]
        return jnp.concatenate([jnp.stack(seen, axis=-1).reshape(-1), world.major, world.target])

    def own(self, state: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Its place."""
        return state

    def place_of_major(self, world: Lead) -> Float[Array, " 2"]:
        """The leader's."""
        return world.major

    def marks(self, world: Lead) -> Marks:
        """The target."""
        return Marks(world.target[None], jnp.ones(1, bool), jnp.ones(1), np.zeros(1, int))

    def drawn(self, place: Float[Array, "L 2"]) -> Float[Array, "L 2"]:
        """As they are."""
        return shown(place)


def _lead(key: PRNGKey, major: Float[Array, " 2"], target: Float[Array, " 2"]) -> Lead:
    """A leader at its place, the target a step on, and new particles."""
    key_target, key_particles = jax.random.split(key)
    target = inside(KEPT * target + DRIFT * jax.random.normal(key_target, (2,)))
    particles = major[None] + WIDTH * jax.random.normal(key_particles, (PARTICLES, 2))
    return Lead(major, target, inside(particles))
