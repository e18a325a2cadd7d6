"""Foraging: a crowd gathers what appears here and there, and brings it to a depot that moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from swarmfield.environments.m3fc.crowd import Bins, Crowd
from swarmfield.environments.m3fc.model import Marks, within_ball
from swarmfield.environments.m3fc.square import (
    COARSE,
    EDGE,
    EXTENT,
    MOST_AGENTS,
    anywhere,
    shown,
    walk,
)
from swarmfield.environments.options import require_count
from swarmfield.rule_options import Squash
from swarmfield.types import Box, PRNGKey

TASKS = 5
"""At most at a time."""
SPAWNED = 0.2
"""New tasks of a step in the mean."""
SIZES = (0.5, 1.5)
"""Of a new task, from and to."""
RANGE = 0.5
"""How far agents and depot reach."""
GATHERED = 0.1
"""Of a task in a step at most."""
FASTEST, FASTEST_MAJOR = 0.3, 0.1
STRIP = np.array([[-EDGE, -EDGE], [EDGE, -1.0]], np.float32)
"""Where the depot can be: lowest and highest place."""
PAY = 100.0
_TINY = 1e-10


@dataclass(frozen=True)
class ForagingConfig:
    """Options of Foraging."""

    num_agents: int = 300
    """Minor agents."""
    max_steps: int = 200
    """Steps of an episode."""
    parity: bool = False
    """Hide the tasks from who controls the crowd, as the published code does."""

    def __post_init__(self) -> None:
        require_count("num_agents", self.num_agents, MOST_AGENTS)
        require_count("max_steps", self.max_steps)


class Depot(eqx.Module):
    """Where the depot is, and the tasks: their places and what is left of them, 0 for none."""

    major: Float[Array, " 2"]
    tasks: Float[Array, "5 2"]
    left: Float[Array, " 5"]


class Harvest(NamedTuple):
    """What a step takes from the tasks.

    Attributes:
        left: Of each task after it.
        held: What each agent holds after it, before any is delivered.
        gained: What all have gained in the mean.
    """

    left: Float[Array, " 5"]
    held: Float[Array, " M"]
    gained: Float[Array, ""]


@dataclass(frozen=True)
class Foraging:
    """Minor agents on [-2, 2]^2 gather from tasks and deliver at a depot, the major agent.

    A minor agent is at p and holds z in [0, 1]. In a step, from where all are at its start,

    - at a task at c with L left an agent weighs w_i = max(0, 1 - |p_i - c| / 0.5), and
      q = min(0.1, mean_i w_i, L) is taken from it; an agent gets q w_i / mean_j w_j, and what
      does not fit into z <= 1 is lost;
    - p' = clip(p + 0.3 u / max(1, |u|)), the depot goes at 0.1 within [-2, 2] x [-2, -1];
    - who is within 0.5 of where the depot was delivers all it holds;
    - Poisson(0.2) tasks appear anywhere with L ~ U[0.5, 1.5], as long as there are no more than
      five;
    - r = 100 (what was gained + what was delivered), means over all agents.

    All see the crowd in 7 x 7 x 2 cells (holding more than a half, or not), the depot, and how
    much there is to gather in each of 7 x 7 cells.

    Source: Cui et al. 2024 and its code. Departures: whoever controls the crowd sees the tasks;
    there, and here with `parity`, they are hidden from it. Agents there see the number of tasks,
    here what is left of them.
    """

    config: ForagingConfig

    name = "foraging"
    actions = Box(2)
    has_major = True
    bins = Bins((-EDGE, -EDGE, 0.0), (EDGE, EDGE, 1.0), (7, 7, 2))
    dimensions = 2
    num_own = 3
    num_public = bins.number + 2 + COARSE.number
    extent = EXTENT
    names_of_marks = ("tasks",)
    published_squash: ClassVar[Squash] = "clip"
    cells = None

    @property
    def num_controlled(self) -> int:
        """All but the tasks if they are hidden."""
        return self.bins.number + 2 if self.config.parity else self.num_public

    @property
    def description(self) -> str:
        """What was built."""
        return f"foraging: {self.config.num_agents} minor agents and a depot"

    def begin(self, key: PRNGKey, number: int) -> Float[Array, "N 3"]:
        """Anywhere, with nothing."""
        return jnp.concatenate([anywhere(key, number), jnp.zeros((number, 1))], axis=1)

    def found(self, key: PRNGKey) -> Depot:
        """No tasks, and a depot anywhere, put into its strip: mostly onto the edge."""
        major = _in_strip(anywhere(key, 1)[0])
        return Depot(major, jnp.zeros((TASKS, 2)), jnp.zeros(TASKS))

    def move(
        self, key: PRNGKey, crowd: Crowd, world: Depot, action: Float[Array, "M 2"]
    ) -> Float[Array, "M 3"]:
        """A step, what is gathered, and what is left when some has been delivered."""
        del key  # nothing is left to chance
        place = walk(crowd.state[:, :2], action, FASTEST)
        held = harvest(crowd, world).held
        kept = jnp.where(_near(place, world.major), 0.0, held)
        return jnp.concatenate([place, kept[:, None]], axis=1)

    def change(self, key: PRNGKey, crowd: Crowd, world: Depot, major: Float[Array, " 2"]) -> Depot:
        """The depot's step, what is taken, and new tasks."""
        left = harvest(crowd, world).left
        moved = _in_strip(world.major + FASTEST_MAJOR * within_ball(major[None])[0])
        return _spawned(key, Depot(moved, world.tasks, left))

    def reward(
        self, crowd: Crowd, world: Depot, action: Float[Array, "M 2"], major: Float[Array, " 2"]
    ) -> Float[Array, ""]:
        """What was gained and what was delivered."""
        del major  # moves afterwards
        took = harvest(crowd, world)
        place = walk(crowd.state[:, :2], action, FASTEST)
        delivered = crowd.mean(jnp.where(_near(place, world.major), took.held, 0.0))
        return PAY * (took.gained + delivered)

    def public(self, crowd: Crowd, world: Depot) -> Float[Array, " P"]:
        """The crowd, cell by cell, the depot, and what there is to gather, cell by cell."""
        there = jnp.zeros(COARSE.number).at[COARSE.index(world.tasks)].add(world.left)
        return jnp.concatenate([self.bins.histogram(crowd), world.major, there])

    def own(self, state: Float[Array, " 3"]) -> Float[Array, " 3"]:
        """Its place and what it holds."""
        return state

    def place_of_major(self, world: Depot) -> Float[Array, " 2"]:
        """The depot's."""
        return world.major

    def marks(self, world: Depot) -> Marks:
        """The tasks, the brighter the more is left."""
        return Marks(world.tasks, world.left > 0, world.left / SIZES[1], np.zeros(TASKS, int))

    def drawn(self, place: Float[Array, "L 2"]) -> Float[Array, "L 2"]:
        """As they are."""
        return shown(place)


def harvest(crowd: Crowd, world: Depot) -> Harvest:
    """What a step takes from the tasks.

    The published code goes through the tasks one by one, and clips what an agent holds after each.
    As nothing is ever taken away in between, all at once is the same.
    """
    offset = crowd.state[:, None, :2] - world.tasks[None]
    weight = jnp.maximum(0.0, 1 - jnp.sqrt(jnp.sum(offset**2, axis=-1)) / RANGE)
    total = crowd.mean(weight)
    taken = jnp.minimum(jnp.minimum(GATHERED, total), world.left)
    got = jnp.sum(taken[None] * weight / (total + _TINY)[None], axis=1)
    before = crowd.state[:, 2]
    held = jnp.clip(before + got, 0.0, 1.0)
    return Harvest(world.left - taken, held, crowd.mean(held - before))


def _near(place: Float[Array, "M 2"], major: Float[Array, " 2"]) -> Bool[Array, " M"]:
    return jnp.sum((place - major[None]) ** 2, axis=1) <= RANGE**2


def _in_strip(place: Float[Array, " 2"]) -> Float[Array, " 2"]:
    return jnp.clip(place, *jnp.asarray(STRIP))


def _spawned(key: PRNGKey, world: Depot) -> Depot:
    """New tasks where there is room."""
    key_number, key_place, key_size = jax.random.split(key, 3)
    is_free = world.left <= 0
    is_new = is_free & (jnp.cumsum(is_free) <= jax.random.poisson(key_number, SPAWNED))
    size = jax.random.uniform(key_size, (TASKS,), minval=SIZES[0], maxval=SIZES[1])
    place = jnp.where(is_new[:, None], anywhere(key_place, TASKS), world.tasks)
    return Depot(world.major, place, jnp.where(is_new, size, world.left))
