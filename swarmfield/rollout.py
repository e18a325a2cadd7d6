"""Rollouts: the last steps of all environments, whole and in order, to learn from once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from swarmfield.replay import PackedStep, unpack
from swarmfield.types import Trajectory


def trajectory(ring: PackedStep, time: Int[Array, ""], num_new: Int[Array, ""]) -> Trajectory:
    """The T + 1 steps a ring holds, oldest first.

    Args:
        ring: The stored steps, T + 1 of them.
        time: Of the newest step; steps count up from 0, and at least T have been made.
        num_new: Transitions that nothing has been learned from; older ones weigh 0.
    """
    length = ring.flags.shape[0] - 1
    slots = (time - length + jnp.arange(length + 1)) % (length + 1)
    packed = jax.tree.map(lambda x: x[slots], ring)
    steps = unpack(packed)
    follows = ~steps.first[1:, :, None]
    is_new = jnp.arange(length) >= length - num_new
    valid = steps.alive[:-1] & steps.trained[:-1] & follows & is_new[:, None, None]
    before = jax.tree.map(lambda x: x[0], packed.record)
    record = jax.tree.map(lambda x: x[1:], packed.record)
    return Trajectory(steps, before, record, valid.astype(jnp.float32))
