"""What actor and critic are told of the others, beside their own observation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from swarmfield.mean_field import MeanField, Tracker, parts_of
from swarmfield.types import Groups, PRNGKey, Timestep

Told = tuple[Float[Array, "N G1"] | None, Float[Array, "N G2"] | None]
"""What the actor is told, and the critic; None for nothing."""


class Interaction(NamedTuple):
    """How the others come in. Static.

    Attributes:
        init: `(key) -> module`, its part of the network.
        added: `(module) -> sizes`: how many numbers it adds for the actor, and for the critic.
        tell: `(module, embeddings [N, X], timestep, record) -> Told`, `record` being the
            tracker's. A critic of actions adds those it judges, `[N, A]`, for means of what is
            done now instead of what was done last.
        tracker: What must be followed from step to step, if anything.
        delayed: As a `MeanField`'s.
        groups: As a `MeanField`'s.
    """

    init: Callable[[PRNGKey], Any]
    added: Callable[[Any], tuple[int, int]]
    tell: Callable[..., Told]
    tracker: Tracker | None = None
    delayed: bool = True
    groups: Groups | None = None


def join(x: Float[Array, "*M N X"], told: Float[Array, "*M N G"] | None) -> Float[Array, "*M N X2"]:
    """What agents see beside what they are told, if anything."""
    return x if told is None else jnp.concatenate([x, told], axis=-1)


def alone() -> Interaction:
    """Nothing."""
    return Interaction(lambda _: None, lambda _: (0, 0), lambda *_: (None, None))


def through_field(field: MeanField, *, actor_sees: bool) -> Interaction:
    """A mean field, read as in Q-networks.

    Args:
        field: The field.
        actor_sees: Whether the policy sees it too; the critic always does.
    """
    assert field.reader is not None

    def tell(
        module: Any, x: Float[Array, "N X"], timestep: Timestep, record: Any, _judged: Any = None
    ) -> Told:
        num_agents = x.shape[0]
        told = module(parts_of(field, timestep, record, num_agents)(jnp.arange(num_agents)))
        return (told if actor_sees else None), told

    def added(module: Any) -> tuple[int, int]:
        return (module.size if actor_sees else 0), module.size

    return Interaction(field.reader, added, tell, field.tracker, field.delayed, field.groups)
