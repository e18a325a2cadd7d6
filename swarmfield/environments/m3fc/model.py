"""What a crowd of minor agents, one major agent and their world are made of."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer, Num

from swarmfield.environments.m3fc.crowd import Bins, Crowd
from swarmfield.rule_options import Squash
from swarmfield.types import Box, Discrete, PRNGKey

World = Any
"""x0: the major agent's state, and whatever else is no minor agent's; a pytree."""


class Sizes(Protocol):
    """What the options of every model have.

    Attributes:
        num_agents: Minor agents, N.
        max_steps: Steps of an episode.
        parity: Whether to do as the published code where that is odd.
    """

    @property
    def num_agents(self) -> int:
        """N."""
        ...

    @property
    def max_steps(self) -> int:
        """Steps."""
        ...

    @property
    def parity(self) -> bool:
        """As the published code does."""
        ...


class Marks(NamedTuple):
    """Things to draw beside the agents: targets, tasks, users.

    Attributes:
        place: Where they are.
        there: Which of them there are now.
        level: How brightly they are drawn.
        sort: Which of a model's `names_of_marks` each is.
    """

    place: Num[Array, "L D"]
    there: Bool[Array, " L"]
    level: Float[Array, " L"]
    sort: Integer[np.ndarray, " L"]


@runtime_checkable
class Model(Protocol):
    """A major-minor model: p, p0 and r, each once, for crowds of any kind.

    Minor agents x and the world x0 go on by

        x' ~ p(. | x, u, x0, u0, mu),   x0' ~ p0(. | x0, u0, mu),   r = r(x0, u0, mu),

    where mu is the distribution of the minors, u what each does and u0 what the major does. Where
    r is paid for what happens on the way, it depends on u, too. All of it is for the instant
    before the step.

    Attributes:
        name: In the registry.
        bins: Cells of the minors' state space in which they are counted.
        dimensions: Leading entries of a minor's state that are its place.
        num_own: Length of `own`.
        num_public: Length of `public`.
        extent: Width and height of the picture.
        published_squash: How the published code brings numbers of rules into [-1, 1].
    """

    name: str
    bins: Bins
    dimensions: int
    num_own: int
    num_public: int
    extent: tuple[float, float]
    published_squash: ClassVar[Squash]

    @property
    def actions(self) -> Discrete | Box:
        """What a minor agent may do; the major agent acts in the same way."""
        ...

    @property
    def cells(self) -> tuple[int, int] | None:
        """As in `TeamSpec`."""
        ...

    @property
    def names_of_marks(self) -> tuple[str, ...]:
        """What is drawn beside the agents."""
        ...

    @property
    def description(self) -> str:
        """One line for people."""
        ...

    @property
    def config(self) -> Sizes:
        """Its options."""
        ...

    @property
    def has_major(self) -> bool:
        """Whether there is a major agent that acts."""
        ...

    @property
    def num_controlled(self) -> int:
        """How many leading entries of `public` one who controls all agents sees.

        What follows them is for the agents alone.
        """
        ...

    def begin(self, key: PRNGKey, number: int) -> Num[Array, "N D"]:
        """Minor agents at the start of an episode."""
        ...

    def found(self, key: PRNGKey) -> World:
        """The world at the start of an episode."""
        ...

    def move(
        self, key: PRNGKey, crowd: Crowd, world: World, action: Num[Array, "M ..."]
    ) -> Num[Array, "M D"]:
        """p: where minor agents are next, one draw each."""
        ...

    def change(self, key: PRNGKey, crowd: Crowd, world: World, major: Num[Array, ...]) -> World:
        """p0: what the world is next. Draws are those of any number of agents."""
        ...

    def reward(
        self, crowd: Crowd, world: World, action: Num[Array, "M ..."], major: Num[Array, ...]
    ) -> Float[Array, ""]:
        """r, which all share."""
        ...

    def public(self, crowd: Crowd, world: World) -> Float[Array, " P"]:
        """What everybody sees: the crowd in bins, and the world."""
        ...

    def own(self, state: Num[Array, " D"]) -> Float[Array, " O"]:
        """What a minor agent sees of itself."""
        ...

    def place_of_major(self, world: World) -> Num[Array, " D"]:
        """Where the major agent is, or the middle if there is none."""
        ...

    def marks(self, world: World) -> Marks:
        """What to draw beside the agents."""
        ...

    def drawn(self, place: Num[Array, "L D"]) -> Num[Array, "L 2"]:
        """Where places are in the picture."""
        ...


def within_ball(action: Float[Array, "M D"]) -> Float[Array, "M D"]:
    """Velocities u / max(1, |u|), none of which is faster than one."""
    length = jnp.sqrt(jnp.sum(action**2, axis=-1, keepdims=True))
    return action / jnp.maximum(1.0, length)
