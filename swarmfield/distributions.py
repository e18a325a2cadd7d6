"""Policies over discrete actions: sampling, Boltzmann, epsilon-greedy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from swarmfield.types import PRNGKey


def mask_illegal(
    values: Float[Array, "*N A"], legal: Bool[Array, "*N A"] | None
) -> Float[Array, "*N A"]:
    """Values with illegal actions at the lowest finite number, so that no maximum takes them."""
    if legal is None:
        return values
    return jnp.where(legal, values, jnp.finfo(values.dtype).min)


def sample(probabilities: Float[Array, "N A"], key: PRNGKey) -> Int[Array, " N"]:
    """Draw one action for each agent by inverting the cumulative distribution.

    One uniform number an agent: an order of magnitude cheaper than Gumbel sampling, and the
    draw of an agent does not depend on how many others follow it.
    """
    cumulative = jnp.cumsum(probabilities, axis=-1)
    uniform = jax.random.uniform(key, probabilities.shape[:-1])[..., None]
    threshold = uniform * cumulative[..., -1:]
    return jnp.sum(cumulative <= threshold, axis=-1, dtype=jnp.int32)


def boltzmann(
    values: Float[Array, "*N A"], temperature: Float[Array, "*#N"] | float
) -> Float[Array, "*N A"]:
    """pi(a) proportional to exp(Q(a) / T); T -> 0 is greedy, shared equally by equal values.

    Args:
        values: Action values; illegal ones masked.
        temperature: T >= 0, in the units of the values.
    """
    floor = jnp.asarray(1e-6, values.dtype)
    scale = jnp.maximum(jnp.asarray(temperature, values.dtype), floor)[..., None]
    return jax.nn.softmax((values - jnp.max(values, axis=-1, keepdims=True)) / scale)


def epsilon_greedy(
    values: Float[Array, "N A"],
    legal: Bool[Array, "N A"] | None,
    epsilon: Float[Array, " N"],
) -> Float[Array, "N A"]:
    """Greedy with probability 1 - epsilon, else uniform over the legal actions."""
    greedy = jax.nn.one_hot(jnp.argmax(values, axis=-1), values.shape[-1], dtype=values.dtype)
    return (1 - epsilon[:, None]) * greedy + epsilon[:, None] * uniform(values.shape, legal)


def uniform(shape: tuple[int, ...], legal: Bool[Array, "*N A"] | None) -> Float[Array, "*N A"]:
    """Equal probability for every legal action."""
    if legal is None:
        return jnp.full(shape, 1.0 / shape[-1])
    count = jnp.sum(legal, axis=-1, keepdims=True, dtype=jnp.float32)
    return jnp.where(legal, 1.0 / jnp.maximum(count, 1.0), 0.0)
