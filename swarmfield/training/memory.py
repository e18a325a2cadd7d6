"""Whether a run fits into memory: before it is compiled what it keeps, after that all of it."""

from __future__ import annotations

import os
from pathlib import Path

import jax
from jaxtyping import PyTree

from swarmfield import replay
from swarmfield.training.layout import Layout
from swarmfield.types import SwarmfieldError

_ADVICE = "lower --algo.capacity, --num-envs, --env.num-agents or the number of seeds."
_CONTAINER = Path("/sys/fs/cgroup")


def check_kept(shapes: PyTree, ring: replay.PackedStep, layout: Layout) -> str:
    """One line on the memory a run keeps, on all devices together.

    Args:
        shapes: What it keeps, as shapes.
        ring: The experience among it, of all seeds.
        layout: The devices.

    Raises:
        SwarmfieldError: It is more than there is.
    """
    needed = layout.bytes_on_each(shapes) * layout.num_devices
    available = _available_bytes() * _num_memories(layout.num_devices)
    if needed > available:
        raise SwarmfieldError(
            f"This run would keep {needed / 1e9:.1f} GB, but {available / 1e9:.1f} GB are free; "
            + _ADVICE
        )
    num_steps = ring.flags.shape[1] - 1
    return (
        f"memory kept: {needed / 1e6:.0f} MB, with the last {num_steps} steps of every "
        f"environment at {replay.bytes_per_transition(ring):.0f} bytes an agent-transition"
    )


def check_working(on_each: int, layout: Layout) -> str:
    """One line on the memory the compiled program takes besides, in bytes on each device.

    Raises:
        SwarmfieldError: It is more than there is.
    """
    needed = on_each * layout.num_devices
    available = _available_bytes() * _num_memories(layout.num_devices)
    if needed > available:
        raise SwarmfieldError(
            f"Training would need another {needed / 1e9:.1f} GB, but {available / 1e9:.1f} GB are "
            f"free; {_ADVICE}"
        )
    return f"memory while training: another {needed / 1e6:.0f} MB"


def _num_memories(num_devices: int) -> int:
    """Devices of a CPU share one."""
    return 1 if jax.default_backend() == "cpu" else num_devices


def _available_bytes() -> int | float:
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return min(_free_bytes_of_machine(), _free_bytes_of_container())
    stats = device.memory_stats() or {}
    limit = stats.get("bytes_limit")
    return float("inf") if limit is None else limit - stats.get("bytes_in_use", 0)


def _free_bytes_of_machine() -> int:
    """Memory that programs can still take, the system's file cache included."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(available.split()[1]) * 1024
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _free_bytes_of_container() -> int | float:
    """What a container of Linux may still take; without one, or without a limit, infinity."""
    try:
        most, used = ((_CONTAINER / f"memory.{kind}").read_text() for kind in ("max", "current"))
        return int(most) - int(used)
    except (OSError, ValueError):
        return float("inf")
