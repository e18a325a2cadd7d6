"""Potential: a crowd pushes something to where it should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from swarmfield.environments.m3fc.crowd import Bins, Crowd
from swarmfield.environments.m3fc.model import Marks, within_ball
from swarmfield.environments.m3fc.square import EDGE, EXTENT, FASTEST, MOST_AGENTS
from swarmfield.environments.options import require_count
from swarmfield.rule_options import Squash
from swarmfield.types import Box, PRNGKey

REACH = 1.0
"""From how far an agent pushes."""
PUSH = 0.1
"""How far all of them push in a step, if all are as near as can be on one side."""
KEPT, DRIFT = 0.99, float(np.sqrt(0.005))
"""Share of the target's place that is left in a step, and the standard deviation of its step."""
_RADIUS = 1.5
_TINY = 1e-10


@dataclass(frozen=True)
class PotentialConfig:
    """Options of Potential."""

    num_agents: int = 300
    """Minor agents."""
    max_steps: int = 100
    """Steps of an episode."""
    parity: bool = False
    """Have a major agent that acts without effect, as in the published code."""

    def __post_init__(self) -> None:
        require_count("num_agents", self.num_agents, MOST_AGENTS)
        require_count("max_steps", self.max_steps)


class Pushed(eqx.Module):
    """What is pushed, and where to."""

    major: Float[Array, " 1"]
    target: Float[Array, " 1"]


@dataclass(frozen=True)
class Potential:
    """Minor agents on a circle, [-2, 2) with its ends joined, push a body towards a target.

    - x' = x + 0.2 u / max(1, |u|), around the circle;
    - with d_i the short way from x_i to the body y, it goes away from the agents around it:
      y' = y + 0.1 mean_i max(0, 1 - |d_i|) sign(d_i);
    - the target: tau' = clip(0.99 tau + N(0, 0.005)), drawn around 0 at first;
    - r = -|y - tau|, not around the circle.

    The body is no agent. All see the crowd in 7 cells, y and tau.

    Source: Cui et al. 2024 and its code, there with a major agent whose actions have no effect;
    `parity` has it too. It can do the same in two dimensions, which was never published.
    """

    config: PotentialConfig

    name = "potential"
    actions = Box(1)
    bins = Bins((-EDGE,), (EDGE,), (7,), wraps=True)
    dimensions = 1
    num_own = 1
    num_public = num_controlled = 7 + 2
    extent = EXTENT
    names_of_marks = ("body", "target")
    published_squash: ClassVar[Squash] = "clip_tanh"
    cells = None

    @property
    def has_major(self) -> bool:
        """Whether somebody acts for the body, in vain."""
        return self.config.parity

    @property
    def description(self) -> str:
        """What was built."""
        return f"potential: {self.config.num_agents} minor agents on a circle push a body"

    def begin(self, key: PRNGKey, number: int) -> Float[Array, "N 1"]:
        """Anywhere."""
        return jax.random.uniform(key, (number, 1), minval=-EDGE, maxval=EDGE)

    def found(self, key: PRNGKey) -> Pushed:
        """A body anywhere, the target near 0."""
        key_major, key_target = jax.random.split(key)
        major = jax.random.uniform(key_major, (1,), minval=-EDGE, maxval=EDGE)
        return Pushed(major, _drifted(key_target, jnp.zeros(1)))

    def move(
        self, key: PRNGKey, crowd: Crowd, world: Pushed, action: Float[Array, "M 1"]
    ) -> Float[Array, "M 1"]:
        """A step; nothing is left to chance."""
        del key, world
        return around(crowd.state + FASTEST * within_ball(action))

    def change(
        self, key: PRNGKey, crowd: Crowd, world: Pushed, major: Float[Array, " 1"]
    ) -> Pushed:
        """The body is pushed, the target drifts."""
        del major  # in vain
        away = around(world.major[None] - crowd.state)
        far = jnp.abs(away)
        push = PUSH * crowd.mean(jnp.maximum(0.0, REACH - far) * away / (far + _TINY))
        return Pushed(around(world.major + push), _drifted(key, world.target))

    def reward(
        self, crowd: Crowd, world: Pushed, action: Float[Array, "M 1"], major: Float[Array, " 1"]
    ) -> Float[Array, ""]:
        """How far the body is from the target."""
        del crowd, action, major  # cost nothing
        return -jnp.abs(world.major - world.target)[0]

    def public(self, crowd: Crowd, world: Pushed) -> Float[Array, " 9"]:
        """The crowd, cell by cell, the body and the target."""
        return jnp.concatenate([self.bins.histogram(crowd), world.major, world.target])

    def own(self, state: Float[Array, " 1"]) -> Float[Array, " 1"]:
        """Its place."""
        return state

    def place_of_major(self, world: Pushed) -> Float[Array, " 1"]:
        """The body's."""
        return world.major

    def marks(self, world: Pushed) -> Marks:
        """The body and the target."""
        places = jnp.stack([world.major, world.target])
        return Marks(places, jnp.ones(2, bool), jnp.ones(2), np.arange(2))

    def drawn(self, place: Float[Array, "L 1"]) -> Float[Array, "L 2"]:
        """On a circle, 0 at the top."""
        angle = place[:, 0] * (np.pi / EDGE)
        return EDGE + _RADIUS * jnp.stack([jnp.sin(angle), -jnp.cos(angle)], axis=1)


def around(place: Float[Array, "*M 1"]) -> Float[Array, "*M 1"]:
    """Places, and short ways, on the circle."""
    return (place + EDGE) % (2 * EDGE) - EDGE


def _drifted(key: PRNGKey, target: Float[Array, " 1"]) -> Float[Array, " 1"]:
    return jnp.clip(KEPT * target + DRIFT * jax.random.normal(key, (1,)), -EDGE, EDGE)
