"""Functions of a whole batch, as functions of one element."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float, PyTree


@dataclass(frozen=True, eq=False)
class FlatBatched:
    """A function of one element, and the same of a whole batch."""

    one: Callable[..., Any]
    many: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        """Of one element, which `vmap` makes a batch of."""
        return self.one(*arguments)


def flat_batched(batched: Callable[..., Any]) -> FlatBatched:
    """Make a function of ONE element from one that is written for a whole batch.

    `batched` takes and returns pytrees whose arrays all lead with one axis E. The returned
    function works on single elements; vmapping it, however deeply nested and also inside
    loops, merges all mapped axes and calls `batched` once. Arrays that a `vmap` does not map
    are repeated. So the protocol stays one environment while the engine sees
    seeds x environments as one flat batch: the layout in which scatters, loops that run to a
    fixpoint and conditionals are cheap.

    To vmap it JAX traces it for one element first, whose program is thrown away; `vmapped` does
    without.
    """

    @custom_vmap
    def many(*arguments: Any) -> Any:
        return batched(*arguments)

    @many.def_vmap
    def merge(size: int, mapped: Any, *arguments: Any) -> tuple[Any, Any]:
        arguments = _repeat_unmapped(size, mapped, arguments)
        flat = jax.tree.map(lambda x: x.reshape(size * x.shape[1], *x.shape[2:]), arguments)
        result = many(*flat)
        result = jax.tree.map(lambda x: x.reshape(size, x.shape[0] // size, *x.shape[1:]), result)
        return result, jax.tree.map(lambda _: True, result)

    @custom_vmap
    def one(*arguments: Any) -> Any:
        result = many(*jax.tree.map(lambda x: x[None], arguments))
        return jax.tree.map(lambda x: x[0], result)

    @one.def_vmap
    def widen(size: int, mapped: Any, *arguments: Any) -> tuple[Any, Any]:
        result = many(*_repeat_unmapped(size, mapped, arguments))
        return result, jax.tree.map(lambda _: True, result)

    return FlatBatched(one, many)


def vmapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """`jax.vmap(function)`; what comes from `flat_batched` is traced once instead of twice."""
    return function.many if isinstance(function, FlatBatched) else jax.vmap(function)


def for_each(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose first argument and results gain a leading axis; the rest is shared.

    Where that axis holds a single element it is only taken off and put back: the program is the
    plain one, which XLA may compile to run several times as fast.
    """

    def each(first: PyTree, *rest: Any) -> Any:
        if jax.tree.leaves(first)[0].shape[0] > 1:
            return jax.vmap(lambda one: function(one, *rest))(first)
        result = function(jax.tree.map(lambda x: x[0], first), *rest)
        return jax.tree.map(lambda x: x[None], result)

    return each


def _repeat_unmapped(size: int, mapped: Any, arguments: Any) -> Any:
    def repeat(is_mapped: bool, x: jax.Array) -> jax.Array:
        return x if is_mapped else jnp.broadcast_to(x, (size, *x.shape))

    return jax.tree.map(repeat, tuple(mapped), arguments)


def select(condition: Bool[Array, " E"], new: Any, old: Any) -> Any:
    """`jnp.where` for pytrees whose arrays lead with the condition's axis."""

    def choose(x: Array, y: Array) -> Array:
        return jnp.where(condition.reshape(-1, *[1] * (x.ndim - 1)), x, y)

    return jax.tree.map(choose, new, old)


def renewed(due: Bool[Array, " E"], renew: Callable[[], Any], kept: Any) -> Any:
    """What is renewed where it is due, and kept elsewhere; nothing is computed where nothing is.

    Args:
        due: Where.
        renew: Makes all anew, pytrees whose arrays lead with E.
        kept: What was so far.
    """
    return jax.lax.cond(jnp.any(due), lambda: select(due, renew(), kept), lambda: kept)


def mean_of(share: Float[Array, ...], values: PyTree) -> PyTree:
    """Means over leading axes; what has no share may be no number.

    Args:
        share: Each value's part of the mean, adding up to 1 (or less, for a part of a batch).
        values: Arrays `[*share.shape, ...]` of one or more numbers for each share. Those that a
            loss does not depend on get a gradient of zero all the same.
    """
    leaves, structure = jax.tree.flatten(values)
    inner = [x.shape[share.ndim :] for x in leaves]
    sizes = [math.prod(shape) for shape in inner]
    # All in one sum, which XLA compiles once.
    flat = [jax.lax.collapse(x[..., None], share.ndim) for x in leaves]
    table, weight = jnp.concatenate(flat, axis=-1), share[..., None]
    means = jnp.sum(weight * jnp.where(weight > 0, table, 0.0), axis=tuple(range(share.ndim)))
    each = jnp.split(means, list(itertools.accumulate(sizes))[:-1])
    shaped = [mean.reshape(shape) for mean, shape in zip(each, inner, strict=True)]
    return jax.tree.unflatten(structure, shaped)


def shares(weight: Float[Array, ...]) -> Float[Array, ...]:
    """Each weight's part of their sum; zeros where there is none."""
    return weight / jnp.maximum(jnp.sum(weight), 1e-9)
