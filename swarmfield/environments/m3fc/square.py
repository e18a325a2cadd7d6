"""What the models on the square [-2, 2]^2 share."""

from __future__ import annotations

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


def transport_of(
    kind: Transport, cells: int, agents: int, others: int
) -> ExactTransport | GridTransport:
    """How the distance between a crowd and its target is found.

    Raises:
        SwarmfieldError: The exact one would take too long.
    """
    if kind == "grid":
        return GridTransport(Bins(LOW, HIGH, (cells, cells)))
    size_of_assignment(agents, others)
    return ExactTransport()


def require_square(num_agents: int, max_steps: int, transport_cells: int) -> None:
    """Refuse numbers that cannot be."""
    require_count("num_agents", num_agents, MOST_AGENTS)
    require_count("max_steps", max_steps)
    require_count("transport_cells", transport_cells, 100, least=2)
