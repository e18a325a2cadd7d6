"""How bodies on a plane move: any way at once, or by steering."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

Dynamics = Literal["holonomic", "steered", "accelerated"]

FASTEST = 10.0
"""Units a second."""
FASTEST_TURN = {"steered": 2 * jnp.pi, "accelerated": jnp.pi}
"""Radians a second."""
_SUBSTEPS, _TICK = 10, 0.01
"""A step is a tenth of a second."""
_KEPT = 0.99
"""Share of the speed that is left after a tick, where speeds are not set but changed."""


class Motion(eqx.Module):
    """Where N bodies are, which way they face, and how fast they go and turn.

    Speeds are shares of the fastest, in [-1, 1]. Who does not steer faces nowhere in particular.
    """

    position: Float[Array, "N 2"]
    heading: Float[Array, " N"]
    rates: Float[Array, "N 2"]


def move_all(
    motion: Motion,
    action: Num[Array, "N ..."],
    dynamics: Dynamics,
    headings: int,
    inside: Callable[[Float[Array, "N 2"]], Float[Array, "N 2"]],
) -> Motion:
    """A step of 0.1 s, in ten ticks where bodies steer.

    - holonomic: stay (0), or go one unit at angle 2 pi (a - 1) / headings;
    - steered: go at speed 10 max(a_0, 0) and turn by 2 pi a_1 radians a second;
    - accelerated: change the speed by 10 a_0 and the turning by pi a_1 a second; a hundredth of
      both is lost in a tick, and neither goes beyond 10 and pi.

    Who steers goes as it faces, and then turns.

    Args:
        motion: Where all are.
        action: Numbers `[N]`, or two numbers in [-1, 1] each `[N, 2]`.
        dynamics: Which of the three.
        headings: Of the first.
        inside: Puts positions back into the world. A wall stops nobody's speed.

    Source: the unicycles of Huettenrauch et al. 2019. Departures: the first is ours; nobody is
    steered backwards.
    """
    if dynamics == "holonomic":
        angle = 2 * jnp.pi * (action.astype(jnp.float32) - 1) / headings
        reach = FASTEST * _TICK * _SUBSTEPS * (action > 0)
        position = inside(motion.position + reach[:, None] * facing(angle))
        return Motion(position, motion.heading, motion.rates)

    def tick(now: Motion, _: None) -> tuple[Motion, None]:
        if dynamics == "steered":
            rates = jnp.stack([jnp.maximum(action[:, 0], 0.0), action[:, 1]], axis=1)
        else:
            rates = jnp.clip(_KEPT * now.rates + _TICK * action, -1.0, 1.0)
        reach = _TICK * FASTEST * rates[:, 0]
        position = inside(now.position + reach[:, None] * facing(now.heading))
        heading = now.heading + _TICK * FASTEST_TURN[dynamics] * rates[:, 1]
        return Motion(position, heading, rates), None

    moved, _ = jax.lax.scan(tick, motion, None, length=_SUBSTEPS)
    # Headings stay in [-pi, pi), where sines are exact.
    heading = (moved.heading + jnp.pi) % (2 * jnp.pi) - jnp.pi
    return eqx.tree_at(lambda each: each.heading, moved, heading)


def facing(angle: Float[Array, " N"]) -> Float[Array, "N 2"]:
    """Unit vectors at these angles."""
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
