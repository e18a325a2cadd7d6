"""One step of Adam down a gradient, as every method takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from swarmfield import schedules


class DescentConfig(Protocol):
    """The options that say how to descend."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def learning_rate_decay(self) -> float: ...
    @property
    def max_gradient_norm(self) -> float: ...


class Descent(NamedTuple):
    """Adam with a norm that gradients do not exceed and a step size that falls. Static.

    Attributes:
        init: `(parameters) -> state`.
        step: `(parameters, gradients, state, progress) -> parameters, state, norm`, the norm
            being the gradient's as it was.
    """

    init: Callable[[PyTree], optax.OptState]
    step: Callable[..., tuple[Any, optax.OptState, Float[Array, ""]]]


def towards(target: PyTree, parameters: PyTree, tau: float) -> PyTree:
    """A target network that follows, by Polyak's rule: target + tau (parameters - target)."""
    return jax.tree.map(lambda old, new: old + tau * (new - old), target, parameters)


def descent(config: DescentConfig) -> Descent:
    """Adam, from `learning_rate` down to `learning_rate_decay` of it over the run."""
    optimizer = optax.chain(
        optax.clip_by_global_norm(config.max_gradient_norm), optax.adam(config.learning_rate)
    )
    share = schedules.linear(1.0, config.learning_rate_decay, 1.0)

    # As one vector, the optimizer is a few operations rather than a few for every layer.
    def init(parameters: PyTree) -> optax.OptState:
        return optimizer.init(ravel_pytree(parameters)[0])

    def step(
        parameters: PyTree, gradients: PyTree, state: optax.OptState, progress: Float[Array, ""]
    ) -> tuple[PyTree, optax.OptState, Float[Array, ""]]:
        gradient, unravel = ravel_pytree(gradients)
        changes: Any
        changes, state = optimizer.update(gradient, state)
        # Adam's changes are proportional to its step size.
        updated = eqx.apply_updates(parameters, unravel(changes * share(progress)))
        return updated, state, jnp.linalg.norm(gradient)

    return Descent(init, step)
