"""How a run is laid over the devices of a machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import PyTree

from swarmfield.devices import AGENTS, ENVIRONMENTS, SEEDS, mesh_of, put
from swarmfield.environments.hosted import HostedEnvironment
from swarmfield.training import hosts
from swarmfield.training.config import Job
from swarmfield.types import Environment, SwarmfieldError

LARGE = 2**16
"""Agents worth dividing between devices, unless a number of devices is asked for."""
_EXPERIENCE = {
    ("episodes",): 1,
    ("timesteps",): 1,
    ("memories",): 1,
    ("ring",): 2,
    ("opponent", "ring"): 2,
    ("window", "running"): 2,
}
"""Parts of a run that have an axis of environments, and where, behind the seeds'."""


class Layout(NamedTuple):
    """Which axis of a run is divided over which devices. Static.

    Seeds have nothing to tell each other. Environments are stepped and acted in apart, and what
    is learned from them is summed over devices, so that all have the same parameters. Of worlds
    too large for a device each has a part of every array: of the agents, or of the map.

    Attributes:
        axis: `seeds`, `environments` or `agents`; None on one device.
        mesh: The devices, if there are several.
    """

    axis: str | None = None
    mesh: Mesh | None = None

    @property
    def num_devices(self) -> int:
        """Devices."""
        return 1 if self.mesh is None else self.mesh.size

    def specs(self, tree: PyTree) -> PyTree:
        """Along which axis each array of a run, or of what is saved of it, is divided."""
        return jax.tree_util.tree_map_with_path(self._spec, tree)

    def shardings(self, specs: PyTree) -> PyTree:
        """Where arrays are that are divided so."""
        assert self.mesh is not None
        mesh = self.mesh
        return jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs, is_leaf=_is_spec)

    def placed(self, tree: PyTree) -> PyTree:
        """Shapes of a run's arrays, which say where these belong."""
        if self.mesh is None:
            return tree
        shardings = self.shardings(self.specs(tree))
        return jax.tree.map(lambda leaf, place: leaf.update(sharding=place), tree, shardings)

    def given(self, tree: PyTree, spec: P) -> PyTree:
        """Arrays that every host has, such as keys, where they belong."""
        if self.mesh is None:
            return tree
        return jax.tree.map(partial(put, sharding=self.shardings(spec)), tree)

    @property
    def seedwise(self) -> P:
        """Of arrays that lead with the seeds and have none of the other axes."""
        return P(SEEDS) if self.axis == SEEDS else P()

    @property
    def everywhere(self) -> NamedSharding | None:
        """Where results are that every device has."""
        return None if self.mesh is None else NamedSharding(self.mesh, P())

    def jit(
        self, function: Callable[..., Any], inputs: tuple[Any, ...], outputs: Any, **options: Any
    ) -> Any:
        """`jax.jit` of a function over all seeds, on all devices.

        To be called, or lowered, while the devices are `entered`.

        Args:
            function: Of pytrees; seeds lead those that are divided by seeds.
            inputs: Specifications of its arguments, or of parts of them.
            outputs: Of its results.
            options: More for `jax.jit`.
        """
        if self.mesh is None:
            return jax.jit(function, **options)
        if self.axis == SEEDS:
            function = jax.shard_map(
                function, mesh=self.mesh, in_specs=inputs, out_specs=outputs, check_vma=False
            )
        return jax.jit(
            function,
            in_shardings=self.shardings(inputs),
            out_shardings=self.shardings(outputs),
            **options,
        )

    def entered(self) -> AbstractContextManager[Any]:
        """While programs are traced."""
        return nullcontext() if self.mesh is None else jax.set_mesh(self.mesh)

    def bytes_on_each(self, shapes: PyTree) -> int:
        """What each device keeps of a run."""
        if self.mesh is None:
            return _total_bytes(shapes)
        sharded = self.placed(shapes)
        pieces = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.sharding.shard_shape(x.shape), x.dtype), sharded
        )
        return _total_bytes(pieces)

    def _spec(self, path: tuple[Any, ...], leaf: Any) -> P:
        if self.axis == SEEDS:
            return P(SEEDS)
        place = _place_of_environments(path)
        if self.axis == AGENTS and place > 0:
            behind = range(place + 1, leaf.ndim)
            even = [at for at in behind if leaf.shape[at] % self.num_devices == 0]
            place = max(even, key=lambda at: leaf.shape[at], default=0)
        return P(*[None] * place, self.axis) if place else P()


ONE_DEVICE = Layout()


def layout_of(job: Job, environment: Environment) -> Layout:
    """How a job is laid over the devices it asks for.

    All devices are as many as can be used evenly: for the seeds, else for the environments, and
    for the agents only of large teams, whose steps cost more than telling other devices of them.

    Raises:
        SwarmfieldError: There are fewer, or nothing of the job can be divided over so many.
    """
    asked, processes = job.config.devices, hosts.num_processes()
    if isinstance(environment, HostedEnvironment):
        _require_one_device(environment, asked, processes)
        return ONE_DEVICE
    there = jax.device_count()
    world = _sizes_of_world(environment)
    sizes = {SEEDS: [len(job.config.seed_list)], ENVIRONMENTS: [job.config.num_envs], AGENTS: world}
    if asked == "all":
        allowed = [1, *range(processes, there + 1, processes)]
        if max(world) < LARGE:
            del sizes[AGENTS]
    else:
        _require_devices(asked, there, sizes)
        allowed = (1, asked)
    counts = {
        axis: max(n for n in allowed if any(size % n == 0 for size in each))
        for axis, each in sizes.items()
    }
    axis = max(counts, key=lambda axis: counts[axis])
    if counts[axis] > 1:
        return Layout(axis, mesh_of(axis, _of_every_process(counts[axis] // processes)))
    if processes > 1:
        raise SwarmfieldError(
            f"{processes} processes cannot be given equal shares of {sizes[ENVIRONMENTS][0]} "
            f"environments or {sizes[SEEDS][0]} seeds; choose --num-envs, or a number of seeds, "
            f"that is a multiple of {processes}."
        )
    return ONE_DEVICE


def describe(layout: Layout, job: Job) -> str | None:
    """One line on the devices of a run; None on the only one there is."""
    there, used = jax.device_count(), layout.num_devices
    if there == 1:
        return None
    if layout.axis is None:
        return f"devices: 1 of {there}"
    what = {
        SEEDS: f"each trains {len(job.config.seed_list) // used} of the seeds",
        ENVIRONMENTS: f"each has {job.config.num_envs // used} of the environments",
        AGENTS: f"each has 1/{used} of the agents or of the map",
    }
    return f"devices: {used} of {there}; {what[layout.axis]}"


def _of_every_process(number: int) -> list[Any]:
    """As many devices of each process."""
    every = range(hosts.num_processes())
    return [device for process in every for device in jax.local_devices(process)[:number]]


def _require_devices(asked: int, there: int, sizes: dict[str, list[int]]) -> None:
    if asked % (processes := hosts.num_processes()):
        raise SwarmfieldError(
            f"--devices is {asked}, but must be a multiple of the {processes} processes."
        )
    if asked > there:
        raise SwarmfieldError(
            f"--devices is {asked}, but JAX finds {there}; give --devices all, or a number up to "
            "that."
        )
    if all(size % asked for each in sizes.values() for size in each):
        seeds, environments, agents = (", ".join(map(str, each)) for each in sizes.values())
        raise SwarmfieldError(
            f"--devices is {asked}, but cannot be given equal shares of {seeds} seeds, "
            f"{environments} environments or arrays of {agents} agents or cells; choose a divisor "
            "of one of these."
        )


def _require_one_device(environment: HostedEnvironment, asked: int | str, processes: int) -> None:
    if asked not in (1, "all") or processes > 1:
        raise SwarmfieldError(
            f"--devices is {asked}, in {processes} process(es), but {environment.name} is stepped "
            "by Python, which feeds one device in one process; leave these options out."
        )


def _place_of_environments(path: tuple[Any, ...]) -> int:
    """The axis of environments in a part of a run, or of what is saved of it; 0 without one."""
    names = tuple(getattr(key, "name", None) for key in path)
    names = names[1:] if names[:1] == ("run",) else names
    found = (place for part, place in _EXPERIENCE.items() if names[: len(part)] == part)
    return next(found, 0)


def _sizes_of_world(environment: Environment) -> list[int]:
    """Lengths of the longest axes of an environment's arrays: of agents, in a large one."""
    arrays = jax.tree.leaves(jax.eval_shape(environment.reset, jax.random.key(0)))
    sizes = {size for array in arrays for size in (1, *array.shape)}
    return [size for size in sizes if size > max(sizes) // 2]


def _is_spec(leaf: Any) -> bool:
    return isinstance(leaf, P)


def _total_bytes(shapes: PyTree) -> int:
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(shapes))
