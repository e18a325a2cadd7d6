"""Teams in which nobody dies."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, PyTree

from swarmfield.types import Timestep


def timestep_of_immortals(
    *,
    position: Num[Array, "N D"],
    last_action: Num[Array, "N ..."],
    reward: Float[Array, " N"],
    time: Int[Array, ""],
    max_steps: int,
    measures: Mapping[str, Float[Array, ""]],
    shared: PyTree = None,
    own: PyTree = None,
    over: bool | Bool[Array, ""] = False,
) -> Timestep:
    """A timestep of a team of one kind, in which all live to the end and may do anything.

    Args:
        position: Where they are.
        last_action: What they did.
        reward: For it.
        time: Steps since the reset.
        max_steps: Steps of an episode.
        measures: The environment's own totals.
        shared: What there is once for all.
        own: What each has of its own.
        over: Whether the game is over.
    """
    everyone = jnp.ones(reward.shape, bool)
    return Timestep(
        shared=shared,
        own=own,
        first=time == 0,
        alive=everyone,
        legal=None,
        kind=jnp.zeros(reward.shape, jnp.uint8),
        position=position,
        last_action=last_action,
        reward=reward,
        terminated=everyone & over,
        truncated=time >= max_steps,
        trained=everyone,
        measures=measures,
    )
