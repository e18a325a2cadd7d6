"""Distributions of actions of any kind: categorical, normal, and several side by side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from swarmfield import distributions
from swarmfield.types import Actions, Box, Discrete, PRNGKey

LOWEST_LOG_DEVIATION, HIGHEST_LOG_DEVIATION = -10.0, 2.0
"""Of normal distributions: none is narrower than a rounding error or far wider than a box."""
_LOG_2_PI = math.log(2 * math.pi)


class Family(NamedTuple):
    """A family of distributions of one agent's action. Static.

    Actions are vectors of `length` numbers, a discrete one its number, and all functions take
    any leading axes, `sample` one of agents.

    Attributes:
        num_parameters: That one distribution has.
        length: Of an action.
        sample: `(parameters [N, P], key) -> action [N, L]`.
        mode: `(parameters) -> action`: the most likely one.
        log_probability: `(parameters, action) -> number`.
        entropy: `(parameters) -> number`, in nats.
        divergence: `(of, from) -> number`: KL(of || from), both parameters.
    """

    num_parameters: int
    length: int
    sample: Callable[[Array, PRNGKey], Array]
    mode: Callable[[Array], Array]
    log_probability: Callable[[Array, Array], Array]
    entropy: Callable[[Array], Array]
    divergence: Callable[[Array, Array], Array]


def family_of(actions: Actions) -> Family:
    """The distributions that policies choose from: normal in a box, independent side by side."""
    if isinstance(actions, Discrete):
        return categorical(actions.num_actions)
    if isinstance(actions, Box):
        return normal(actions.dimensions)
    return product([family_of(part) for part in actions.parts])


def executed(actions: Actions, numbers: Float[Array, "*N L"]) -> Num[Array, "*N ..."]:
    """Actions as an environment takes them: [-1, 1] is the whole of a box."""
    if isinstance(actions, Discrete):
        return numbers[..., 0].astype(jnp.int32)
    if isinstance(actions, Box):
        return actions.low + (numbers + 1) / 2 * (actions.high - actions.low)
    return numbers


def categorical(number: int) -> Family:
    """Any of some actions, from logits.

    Example:
        >>> import jax.numpy as jnp
        >>> float(categorical(2).log_probability(jnp.array([0.0, 0.0]), jnp.array([1.0])))
        -0.6931471824645996
    """

    def sample(logits: Float[Array, "N A"], key: PRNGKey) -> Float[Array, "N 1"]:
        drawn = distributions.sample(jax.nn.softmax(logits), key)
        return drawn[:, None].astype(jnp.float32)

    def mode(logits: Float[Array, "*B A"]) -> Float[Array, "*B 1"]:
        return jnp.argmax(logits, axis=-1, keepdims=True).astype(jnp.float32)

    def log_probability(
        logits: Float[Array, "*B A"], action: Float[Array, "*B 1"]
    ) -> Float[Array, "*B"]:
        index = action.astype(jnp.int32)
        logs = jax.nn.log_softmax(logits)
        return jnp.take_along_axis(logs, index, axis=-1, mode="clip")[..., 0]

    def entropy(logits: Float[Array, "*B A"]) -> Float[Array, "*B"]:
        logs = jax.nn.log_softmax(logits)
        return -jnp.sum(jnp.exp(logs) * logs, axis=-1)

    def divergence(of: Float[Array, "*B A"], other: Float[Array, "*B A"]) -> Float[Array, "*B"]:
        logs, others = jax.nn.log_softmax(of), jax.nn.log_softmax(other)
        return jnp.sum(jnp.exp(logs) * (logs - others), axis=-1)

    return Family(number, 1, sample, mode, log_probability, entropy, divergence)


def normal(dimensions: int) -> Family:
    """Independent normal distributions, from means and logarithms of standard deviations.

    Example:
        >>> import jax.numpy as jnp
        >>> float(normal(1).log_probability(jnp.zeros(2), jnp.zeros(1)))
        -0.9189385175704956
    """

    def read(parameters: Float[Array, "*B P"]) -> tuple[Array, Array]:
        mean, logs = jnp.split(parameters, 2, axis=-1)
        return mean, jnp.clip(logs, LOWEST_LOG_DEVIATION, HIGHEST_LOG_DEVIATION)

    def sample(parameters: Float[Array, "N P"], key: PRNGKey) -> Float[Array, "N D"]:
        mean, logs = read(parameters)
        return mean + jnp.exp(logs) * jax.random.normal(key, mean.shape)

    def log_probability(
        parameters: Float[Array, "*B P"], action: Float[Array, "*B D"]
    ) -> Float[Array, "*B"]:
        mean, logs = read(parameters)
        far = (action - mean) * jnp.exp(-logs)
        return -jnp.sum(far**2 / 2 + logs + _LOG_2_PI / 2, axis=-1)

    def entropy(parameters: Float[Array, "*B P"]) -> Float[Array, "*B"]:
        return jnp.sum(read(parameters)[1] + (1 + _LOG_2_PI) / 2, axis=-1)

    def divergence(of: Float[Array, "*B P"], other: Float[Array, "*B P"]) -> Float[Array, "*B"]:
        (mean, logs), (its_mean, its_logs) = read(of), read(other)
        variance, its_variance = jnp.exp(2 * logs), jnp.exp(2 * its_logs)
        each = its_logs - logs + (variance + (mean - its_mean) ** 2) / (2 * its_variance) - 0.5
        return jnp.sum(each, axis=-1)

    return Family(
        2 * dimensions,
        dimensions,
        sample,
        lambda parameters: read(parameters)[0],
        log_probability,
        entropy,
        divergence,
    )


def product(parts: Sequence[Family]) -> Family:
    """Independent parts side by side, parameters and actions alike."""
    parameters = _ends([part.num_parameters for part in parts])
    lengths = _ends([part.length for part in parts])

    def split(x: Array, ends: Sequence[int]) -> list[Array]:
        return jnp.split(x, ends[:-1], axis=-1)

    def sample(together: Float[Array, "N P"], key: PRNGKey) -> Float[Array, "N L"]:
        each = zip(parts, split(together, parameters), strict=True)
        drawn = [
            part.sample(own, jax.random.fold_in(key, index))
            for index, (part, own) in enumerate(each)
        ]
        return jnp.concatenate(drawn, axis=-1)

    def mode(together: Float[Array, "*B P"]) -> Float[Array, "*B L"]:
        each = zip(parts, split(together, parameters), strict=True)
        return jnp.concatenate([part.mode(own) for part, own in each], axis=-1)

    def log_probability(
        together: Float[Array, "*B P"], action: Float[Array, "*B L"]
    ) -> Float[Array, "*B"]:
        each = zip(parts, split(together, parameters), split(action, lengths), strict=True)
        return sum((part.log_probability(*own) for part, *own in each), start=jnp.zeros(()))

    def entropy(together: Float[Array, "*B P"]) -> Float[Array, "*B"]:
        each = zip(parts, split(together, parameters), strict=True)
        return sum((part.entropy(own) for part, own in each), start=jnp.zeros(()))

    def divergence(of: Float[Array, "*B P"], other: Float[Array, "*B P"]) -> Float[Array, "*B"]:
        each = zip(parts, split(of, parameters), split(other, parameters), strict=True)
        return sum((part.divergence(*own) for part, *own in each), start=jnp.zeros(()))

    return Family(parameters[-1], lengths[-1], sample, mode, log_probability, entropy, divergence)


def _ends(sizes: Sequence[int]) -> list[int]:
    return list(itertools.accumulate(sizes))
