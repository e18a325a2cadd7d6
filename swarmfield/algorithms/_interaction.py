"""What actor and critic are told of the others, beside their own observation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from swarmfield.mean_field import MeanField
from swarmfield.networks import MLP
from swarmfield.types import PRNGKey, Timestep

Told = tuple[Float[Array, "N G1"] | None, Float[Array, "N G2"] | None]
"""What the actor is told, and the critic; None for nothing."""

EMBEDDED = 32


class Interaction(NamedTuple):
    """How the others come in. Static.

    Attributes:
        added: How many numbers it adds for the actor, and for the critic.
        init: `(key) -> module`, its part of the network.
        tell: `(module, embeddings [N, X], timestep) -> Told`.
    """

    added: tuple[int, int]
    init: Callable[[PRNGKey], Any]
    tell: Callable[[Any, Float[Array, "N X"], Timestep], Told]


def alone() -> Interaction:
    """Nothing."""
    return Interaction((0, 0), lambda _: None, lambda _module, _x, _timestep: (None, None))


def through_field(field: MeanField, *, actor_sees: bool) -> Interaction:
    """A mean field, embedded by 64 -> 32 as in Q-networks.

    Args:
        field: The field.
        actor_sees: Whether the policy sees it too; the critic always does.
    """

    def tell(module: MLP, x: Float[Array, "N X"], timestep: Timestep) -> Told:
        value = field.compute(timestep)
        parts: Any = jax.vmap(lambda index: field.at(value, index))(jnp.arange(x.shape[0]))
        told = module(parts)
        return (told if actor_sees else None), told

    added = (EMBEDDED if actor_sees else 0, EMBEDDED)
    return Interaction(
        added, lambda key: MLP(field.size, 64, EMBEDDED, key=key, activate_last=True), tell
    )
