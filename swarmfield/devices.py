"""One run on several devices: how programs are cut along the axis that is laid over them.

Which axis that is, training decides. A program is traced while its devices are entered
(`jax.set_mesh`); what is here asks for them then, and does nothing where there is only one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, Sharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, PyTree

SEEDS, ENVIRONMENTS, AGENTS = "seeds", "environments", "agents"
"""Axes that can be laid over devices, one of them in a run."""


def mesh_of(axis: str, devices: list[Any]) -> Mesh:
    """Devices in a row, along an axis."""
    return Mesh(np.asarray(devices), (axis,), axis_types=(AxisType.Auto,))


def apart(function: Callable[[PyTree, PyTree], PyTree]) -> Callable[[PyTree, PyTree], PyTree]:
    """A function of parallel environments that each device computes of its own ones.

    Nothing is sent between devices, and no device waits for another's loops.

    Args:
        function: Of what all environments share, and of arrays that lead with them; returns
            arrays that lead with them. Each environment's results depend on it alone.
    """

    def on_every_device(shared: PyTree, each: PyTree) -> PyTree:
        if _axis() != ENVIRONMENTS:
            return function(shared, each)
        own = P(ENVIRONMENTS)
        divided = jax.shard_map(function, in_specs=(P(), own), out_specs=own, check_vma=False)
        return divided(shared, each)

    return on_every_device


def spread(batch: PyTree, axis: int = 0) -> PyTree:
    """A batch whose rows, along an axis of its arrays, are computed by all devices.

    It changes no number. Where the rows cannot be dealt out evenly it is left as it is.
    """
    name, count = _axis(), num_devices()

    def place(x: Array) -> Array:
        if name is None or x.shape[axis] % count:
            return x
        return jax.lax.with_sharding_constraint(x, P(*[None] * axis, name))

    return jax.tree.map(place, batch)


def spread_filled(batch: PyTree, axis: int = 0) -> PyTree:
    """The same, with rows of zeros behind the others, so that they always can be dealt out."""
    count = num_devices()

    def fill(x: Array) -> Array:
        missing = [(0, 0)] * x.ndim
        missing[axis] = (0, -x.shape[axis] % count)
        return jnp.pad(x, missing) if missing[axis] != (0, 0) else x

    return spread(jax.tree.map(fill, batch), axis)


def gathered(batch: PyTree) -> PyTree:
    """What parallel environments led to, told to every device; agents stay where they are."""
    if _axis() != ENVIRONMENTS:
        return batch
    return jax.lax.with_sharding_constraint(batch, P())


def put(array: Any, sharding: Sharding) -> Array:
    """An array that every host has, laid over devices, which may be those of several hosts.

    A copy, for JAX may go on using NumPy's memory otherwise, and that can't be donated.
    """
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        state = put(jax.random.key_data(array), sharding)
        return jax.random.wrap_key_data(state, impl=jax.random.key_impl(array))
    whole = np.asarray(array)
    return jax.make_array_from_callback(whole.shape, sharding, lambda at: jnp.array(whole[at]))


def num_devices() -> int:
    """How many devices compute the program being traced; 1 inside one device's part."""
    return 1 if _axis() is None else jax.sharding.get_abstract_mesh().size


def num_apart() -> int:
    """How many devices parallel environments are divided over."""
    return num_devices() if _axis() == ENVIRONMENTS else 1


def agents_are_divided() -> bool:
    """Whether each device has a part of every environment."""
    return _axis() == AGENTS


def _axis() -> str | None:
    """The axis laid over the devices of the program being traced; None inside one device's part."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or AxisType.Manual in mesh.axis_types:
        return None
    return mesh.axis_names[0]
