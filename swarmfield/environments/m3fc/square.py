"""What the models on the square [-2, 2]^2 share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from swarmfield.environments.m3fc.crowd import Bins
from swarmfield.environments.m3fc.model import within_ball
from swarmfield.environments.m3fc.transport import (
    ExactTransport,
    GridTransport,
    Transport,
    size_of_assignment,
)
from swarmfield.environments.options import require_count
from swarmfield.types import PRNGKey

EDGE = 2.0
LOW, HIGH = (-EDGE, -EDGE), (EDGE, EDGE)
COARSE = Bins(LOW, HIGH, (7, 7))
"""In which a crowd is seen."""
EXTENT = (2 * EDGE, 2 * EDGE)
FASTEST = 0.2
"""Units a step."""
MOST_AGENTS = 10**7


def inside(place: Float[Array, "*M D"]) -> Float[Array, "*M D"]:
    """Places on the square, which has walls."""
    return jnp.clip(place, -EDGE, EDGE)


def walk(
    place: Float[Array, "M D"], action: Float[Array, "M D"], fastest: float = FASTEST
) -> Float[Array, "M D"]:
    """Where steps lead, without noise."""
    return inside(place + fastest * within_ball(action))


def anywhere(key: PRNGKey, number: int) -> Float[Array, "M 2"]:
    """Uniform places on the square."""
    return jax.random.uniform(key, (number, 2), minval=-EDGE, maxval=EDGE)


def shown(place: Float[Array, "L 2"]) -> Float[Array, "L 2"]:
    """Places in a picture that begins at zero."""
    return place + EDGE


@dataclass(frozen=True)
class TransportConfig:
    """Options where a crowd is to be as something else is."""

    num_agents: int = 300
    """Minor agents."""
    max_steps: int = 100
    """Steps of an episode."""
    transport: Transport = "grid"
    """How far the crowd and its target are apart: on a grid, or exactly, for few agents."""
    transport_cells: int = 25
    """Cells along each side of that grid."""
    parity: bool = False
    """Control a crowd as the published code does; see `--algo.squash`."""

    others: ClassVar[int]
    """Points that the crowd is to be at."""

    def __post_init__(self) -> None:
        require_count("num_agents", self.num_agents, MOST_AGENTS)
        require_count("max_steps", self.max_steps)
        require_count("transport_cells", self.transport_cells, 100, least=2)
        self.transporting()

    def transporting(self) -> ExactTransport | GridTransport:
        """How the distance between crowd and target is found.

        Raises:
            SwarmfieldError: The exact one would take too long.
        """
        if self.transport == "grid":
            return GridTransport(Bins(LOW, HIGH, (self.transport_cells, self.transport_cells)))
        size_of_assignment(self.num_agents, self.others)
        return ExactTransport()
