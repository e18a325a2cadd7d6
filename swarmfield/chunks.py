"""Large batches in pieces that fit a cache, or a memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from swarmfield.devices import agents_are_divided, num_devices, spread, spread_filled
from swarmfield.types import PRNGKey

AGENTS_AT_ONCE = 2**18
"""Agents of all episodes that are played together; more are played one group after another."""


def in_chunks(
    function: Callable[[PyTree], PyTree], inputs: PyTree, chunk: int, *, on_all: bool = False
) -> PyTree:
    """A function of a batch, applied a chunk at a time: bounds memory, not results.

    Args:
        function: Takes and returns arrays that lead with the batch.
        inputs: Arrays that lead with the batch.
        chunk: Rows at once, at most.
        on_all: Deal a chunk's rows out to all devices; not to be mapped over. Done anyway where
            agents are divided between devices.
    """
    on_all = on_all or agents_are_divided()
    size = jax.tree.leaves(inputs)[0].shape[0]
    if size <= chunk:
        return function(spread(inputs) if on_all else inputs)
    # Filled up with a row of that chunk: it makes nothing due that is not due there anyway.
    dealt = num_devices() if on_all else 1
    chunks = into_chunks(inputs, chunk, repeat_last=True, multiple=dealt)
    result = jax.lax.map(function, spread(chunks, axis=1) if on_all else chunks)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:size], result)


def into_chunks(
    inputs: PyTree, chunk: int, *, repeat_last: bool = False, multiple: int = 1
) -> PyTree:
    """A batch `[B, ...]` as chunks `[K, C, ...]` of one size, as few and as even as can be.

    Of one size, since XLA would compile what is done with the last one a second time.

    Args:
        inputs: Arrays that lead with the batch.
        chunk: C at most.
        repeat_last: Fill the last chunk up with the last row, instead of zeros.
        multiple: What C has to be divisible by, even if that makes it larger than `chunk`.
    """
    size = jax.tree.leaves(inputs)[0].shape[0]
    number = -(-size // chunk)
    even = -(-size // (number * multiple)) * multiple
    missing = number * even - size

    def split(x: Array) -> Array:
        last = x[-1:] if repeat_last else jnp.zeros_like(x[-1:])
        full = jnp.concatenate([x, jnp.broadcast_to(last, (missing, *x.shape[1:]))])
        return full.reshape(number, even, *x.shape[1:])

    return jax.tree.map(split, inputs)


def sum_over_chunks(
    function: Callable[[PyTree, PRNGKey], PyTree], inputs: PyTree, chunk: int, key: PRNGKey
) -> PyTree:
    """A function of a batch whose results add up, such as a gradient, a chunk at a time.

    Args:
        function: Takes arrays that lead with the batch and a key; rows of zeros must add nothing.
        inputs: Arrays that lead with the batch.
        chunk: Rows at once, at most.
        key: Split between the chunks.
    """
    if jax.tree.leaves(inputs)[0].shape[0] <= chunk:
        return function(spread_filled(inputs), key)
    chunks = spread_filled(into_chunks(inputs, chunk), axis=1)
    keys = jax.random.split(key, jax.tree.leaves(chunks)[0].shape[0])

    def add(total: PyTree, some: tuple[PyTree, PRNGKey]) -> tuple[PyTree, None]:
        return jax.tree.map(jnp.add, total, function(*some)), None

    first = jax.tree.map(lambda x: x[0], (chunks, keys))
    shapes: Any = jax.eval_shape(function, *first)
    zero = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    return jax.lax.scan(add, zero, (chunks, keys))[0]
