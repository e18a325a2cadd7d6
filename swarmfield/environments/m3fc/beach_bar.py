"""The beach: everybody wants to be near a bar that moves, but not where all others are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Integer

from swarmfield.environments.m3fc.crowd import Bins, Crowd, shares
from swarmfield.environments.m3fc.model import Marks
from swarmfield.environments.m3fc.square import MOST_AGENTS
from swarmfield.environments.options import require_count
from swarmfield.rule_options import Squash
from swarmfield.types import Discrete, PRNGKey

SIDE = 5
STEPS = np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)])
"""Stay, and back and forth along each axis."""
WANDERS = 0.2
"""How likely the target draws a step, which may be to stay."""
STRAY, CROWDING = 0.3, 1.5
"""What the bar pays for each cell between it and the target, and all for being crowded."""


@dataclass(frozen=True)
class BeachBarConfig:
    """Options of the beach."""

    num_agents: int = 300
    """Minor agents."""
    max_steps: int = 200
    """Steps of an episode."""
    parity: bool = False
    """See the crowd as the published code does, which counts those of rows and columns together
    instead of those of cells."""

    def __post_init__(self) -> None:
        require_count("num_agents", self.num_agents, MOST_AGENTS)
        require_count("max_steps", self.max_steps)


class Bar(eqx.Module):
    """Cells of the bar and of its target."""

    major: Integer[Array, " 2"]
    target: Integer[Array, " 2"]


@dataclass(frozen=True)
class BeachBar:
    """Minor agents on a torus of 5 x 5 cells go to a bar, the major agent, who follows a target.

    - All stay or go one cell along an axis;
    - the target begins where the bar does; each step, and once before the first, it moves by one
      of the five with probability 0.2;
    - with d the L1 distance around the torus,

        r = -mean_i d(x_i, y) - 0.3 d(tau, y) - 1.5 sum_x mu(x)^2.

    All see the share of the crowd in each cell, the bar and the target.

    If nobody moves the return over 200 steps is -624.7201 - 288 / N in the mean.

    Source: Cui et al. 2024 and its code, where the last term is a mean over all pairs of agents,
    the same number. Departures: what is seen of the crowd are its shares in the cells; there, and
    here with `parity`, it is for a cell (i, j) the share of those at any (i, k) or (k, i).
    """

    config: BeachBarConfig

    name = "beach_bar"
    actions = Discrete(len(STEPS))
    has_major = True
    bins = Bins((-0.5, -0.5), (SIDE - 0.5, SIDE - 0.5), (SIDE, SIDE), wraps=True)
    dimensions = 2
    num_own = 2 * SIDE
    num_public = num_controlled = SIDE**2 + 4 * SIDE
    extent = (float(SIDE), float(SIDE))
    names_of_marks = ("target",)
    published_squash: ClassVar[Squash] = "clip"
    cells = (SIDE, SIDE)

    @property
    def description(self) -> str:
        """What was built."""
        return f"beach: {self.config.num_agents} minor agents and a bar on {SIDE} x {SIDE} cells"

    def begin(self, key: PRNGKey, number: int) -> Integer[Array, "N 2"]:
        """Anywhere."""
        return jax.random.randint(key, (number, 2), 0, SIDE, jnp.int32)

    def found(self, key: PRNGKey) -> Bar:
        """A bar anywhere, its target there or beside it."""
        key_major, key_target = jax.random.split(key)
        major = jax.random.randint(key_major, (2,), 0, SIDE, jnp.int32)
        return Bar(major, _wandered(key_target, major))

    def move(
        self, key: PRNGKey, crowd: Crowd, world: Bar, action: Integer[Array, " M"]
    ) -> Integer[Array, "M 2"]:
        """A step; nothing is left to chance."""
        del key, world
        return _step(crowd.state, action)

    def change(self, key: PRNGKey, crowd: Crowd, world: Bar, major: Integer[Array, ""]) -> Bar:
        """The bar's step and the target's."""
        del crowd  # stops nobody
        return Bar(_step(world.major[None], major[None])[0], _wandered(key, world.target))

    def reward(
        self, crowd: Crowd, world: Bar, action: Integer[Array, " M"], major: Integer[Array, ""]
    ) -> Float[Array, ""]:
        """Who is far, who strays, and how crowded it is."""
        del action, major  # cost nothing
        away = crowd.mean(apart(crowd.state, world.major[None]).astype(jnp.float32))
        stray = apart(world.target[None], world.major[None])[0]
        crowded = jnp.sum(self.bins.histogram(crowd) ** 2)
        return -away - STRAY * stray - CROWDING * crowded

    def public(self, crowd: Crowd, world: Bar) -> Float[Array, " P"]:
        """The crowd, cell by cell, the bar and its target."""
        seen = _rows_and_columns(crowd) if self.config.parity else self.bins.histogram(crowd)
        return jnp.concatenate([seen, _told(world.major), _told(world.target)])

    def own(self, state: Integer[Array, " 2"]) -> Float[Array, " 10"]:
        """Its cell."""
        return _told(state)

    def place_of_major(self, world: Bar) -> Integer[Array, " 2"]:
        """The bar's."""
        return world.major

    def marks(self, world: Bar) -> Marks:
        """The target."""
        return Marks(world.target[None], jnp.ones(1, bool), jnp.ones(1), np.zeros(1, int))

    def drawn(self, place: Integer[Array, "L 2"]) -> Integer[Array, "L 2"]:
        """As they are."""
        return place


def apart(one: Integer[Array, "M 2"], other: Integer[Array, "#M 2"]) -> Int[Array, " M"]:
    """Cells between places, around the torus."""
    offset = jnp.abs(one - other)
    return jnp.sum(jnp.minimum(offset, SIDE - offset), axis=-1)


def _step(place: Integer[Array, "M 2"], action: Integer[Array, " M"]) -> Integer[Array, "M 2"]:
    return (place + jnp.asarray(STEPS, jnp.int32)[action]) % SIDE


def _wandered(key: PRNGKey, target: Integer[Array, " 2"]) -> Integer[Array, " 2"]:
    key_whether, key_way = jax.random.split(key)
    way = jax.random.randint(key_way, (1,), 0, len(STEPS))
    wanders = jax.random.uniform(key_whether) < WANDERS
    return jnp.where(wanders, _step(target[None], way)[0], target)


def _told(place: Integer[Array, " 2"]) -> Float[Array, " 10"]:
    """Which column and which row, as one of five each."""
    return jax.nn.one_hot(place, SIDE).reshape(-1)


def _rows_and_columns(crowd: Crowd) -> Float[Array, " 25"]:
    """The published code's histogram: P(x_0 = i or x_1 = i) at every cell of row i."""
    first, second = crowd.state[:, 0], crowd.state[:, 1]
    in_row, in_column = (shares(crowd, index, SIDE) for index in (first, second))
    both = shares(crowd, jnp.where(first == second, first, SIDE), SIDE + 1)[:SIDE]
    return jnp.repeat(in_row + in_column - both, SIDE)
