"""Checkpoints of a whole run that are complete or not there, and prove themselves.

A checkpoint is a folder named after its environment steps::

    000000012800/
        arrays/          every array of the run, as orbax wrote it
        manifest.json    format, leaves, the caller's extra, size and sha256 of each file

It is written beside its place and renamed into it once the disk has every byte, so a kill
or a power cut leaves either nothing of it or all of it. Reading starts with the manifest:
orbax restores an altered byte without a word.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from swarmfield.devices import put
from swarmfield.training import arrays, hosts, manifest
from swarmfield.training.json_files import JSON, sync, to_json
from swarmfield.types import SwarmfieldError

ARRAYS = "arrays"
# Named after its environment steps, or the same standing aside while it is replaced.
_CHECKPOINT = re.compile(r"\.?(\d{12,})(?:\.old)?$")


def save(folder: Path, run: PyTree, *, env_steps: int, extra: Mapping[str, JSON]) -> Path:
    """Write a checkpoint; one of the same step is replaced. The first process writes all of it.

    Only arrays are kept, and none of size 0. Everything else of a run is rebuilt from its
    config.

    Args:
        folder: Holds the checkpoints, one folder each; made if missing.
        run: The pytree to keep.
        env_steps: Environment steps so far; names the checkpoint.
        extra: What else must come back with it; numbers that are not finite become null.

    Returns:
        The checkpoint's own folder.

    Raises:
        SwarmfieldError: It could not be written; what was there before is unharmed.
    """
    target = folder / f"{env_steps:012d}"
    kept = _named_arrays(run)
    leaves = [_describe(name, leaf) for name, leaf in kept.items()]
    numbers = [_bare(leaf) for leaf in kept.values()]
    body = {"env_steps": env_steps, "extra": to_json(extra), "leaves": leaves}
    hosts.decided(lambda: _save(target, numbers, body))
    return target


def restore(path: Path, like: PyTree) -> PyTree:
    """Read a checkpoint back, bit for bit.

    Args:
        path: The checkpoint's own folder.
        like: A run of the same structure; what `eqx.filter_eval_shape` gives will do.
            Whatever is not an array, or is of size 0, is taken from it.

    Returns:
        `like` with its arrays replaced, spread over the same devices.

    Raises:
        SwarmfieldError: The checkpoint is damaged, or a leaf of `like` does not fit.
    """
    stored = {leaf["name"]: leaf for leaf in read_manifest(path)["leaves"]}
    _check_fit(path, stored, _named_arrays(like))
    kept = dict(zip(stored, arrays.read(path / ARRAYS, len(stored)), strict=True))

    def revive(place: tuple[Any, ...], leaf: Any) -> Any:
        if not _is_kept(leaf):
            return leaf
        name = _name(place)
        return _revive(kept[name], leaf, stored[name].get("key"))

    return jax.tree_util.tree_map_with_path(revive, like)


def verify(path: Path) -> str | None:
    """Say what is wrong with a checkpoint, in one sentence; None if it is good."""
    return manifest.verify(path)


def read_manifest(path: Path) -> dict[str, Any]:
    """Read what a good checkpoint says of itself: `env_steps`, `extra`, `leaves`, `files`.

    Raises:
        SwarmfieldError: The checkpoint is damaged.
    """
    return manifest.read(path)


def newest_good(folder: Path) -> tuple[Path | None, list[str]]:
    """Find the newest checkpoint that is whole.

    Returns:
        Its folder, or None if there is none; and what is wrong with each newer one.
    """
    faults = []
    for path in _newest_first(folder):
        fault = verify(path)
        if fault is None:
            return path, faults
        faults.append(fault)
    return None, faults


def drop_others(folder: Path, env_steps: int) -> None:
    """Delete every checkpoint but the one at that step."""
    for path in _newest_first(folder):
        if path.name != f"{env_steps:012d}":
            _delete(path)


def prune(folder: Path, keep: int) -> None:
    """Delete what is older than the newest `keep` good checkpoints (at least one is kept)."""
    num_good = 0
    for path in _newest_first(folder):
        if num_good < max(keep, 1):
            num_good += verify(path) is None
        else:
            _delete(path)


def _save(target: Path, numbers: Sequence[np.ndarray], body: Mapping[str, Any]) -> None:
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(target.parent)
        _write(temporary, numbers, body)
        _publish(temporary, target)
    except OSError as error:
        raise SwarmfieldError(
            f"Cannot write checkpoint {target}: {error.strerror or error}; free space or make "
            "the folder writable, then resume."
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(temporary: Path, numbers: Sequence[np.ndarray], body: Mapping[str, Any]) -> None:
    temporary.mkdir()
    arrays.write(temporary / ARRAYS, numbers)
    manifest.write(temporary, body)
    for path in [*temporary.rglob("*"), temporary]:
        sync(path)


def _publish(temporary: Path, target: Path) -> None:
    """Put a complete checkpoint in its place.

    Between the two renames the old one still stands aside, where `newest_good` finds it.
    """
    aside = target.with_name(f".{target.name}.old")
    if target.exists():
        os.rename(target, aside)
    os.rename(temporary, target)
    sync(target.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _delete(path: Path) -> None:
    """Delete under a name that no one takes for a checkpoint, lest a kill leave half of it."""
    doomed = path.with_name(f".{path.name.strip('.')}.tmp")
    os.rename(path, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _clear_leftovers(folder: Path) -> None:
    for path in folder.glob(".*.tmp"):
        shutil.rmtree(path)
    for aside in folder.glob(".*.old"):
        target = folder / aside.name[1 : -len(".old")]
        if target.exists():
            shutil.rmtree(aside)
        else:
            os.rename(aside, target)


def _newest_first(folder: Path) -> list[Path]:
    paths = folder.iterdir() if folder.is_dir() else ()
    found = [(int(match[1]), path) for path in paths if (match := _CHECKPOINT.match(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def _is_kept(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | jax.ShapeDtypeStruct) and leaf.size > 0


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _name(place: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(place).lstrip(".")


def _named_arrays(tree: PyTree) -> dict[str, Any]:
    """The leaves to keep, by name."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {_name(place): leaf for place, leaf in leaves if _is_kept(leaf)}


def _outline(leaf: Any) -> dict[str, Any]:
    return {"shape": list(leaf.shape), "dtype": str(leaf.dtype)}


def _describe(name: str, leaf: Any) -> dict[str, Any]:
    generator = {"key": str(jax.random.key_impl(leaf))} if _is_key(leaf) else {}
    return {"name": name, **_outline(leaf), **generator}


def _check_fit(path: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Compare names, shapes and dtypes.

    Raises:
        SwarmfieldError: Naming the first leaf that differs.
    """
    remedy = "resume with the settings it was made with."
    for name in {**wanted, **stored}:
        if name not in stored:
            raise SwarmfieldError(f"Checkpoint {path} lacks {name}, which this run has; {remedy}")
        if name not in wanted:
            raise SwarmfieldError(f"Checkpoint {path} holds {name}, which this run lacks; {remedy}")
        there, here = stored[name], _outline(wanted[name])
        if {there["dtype"], here["dtype"]} == {"float32", "float64"}:
            remedy = "set JAX_ENABLE_X64 as it was then."
        if (there["shape"], there["dtype"]) != (here["shape"], here["dtype"]):
            raise SwarmfieldError(
                f"Checkpoint {path} holds {name} as {there['dtype']}{there['shape']}, but this "
                f"run has {here['dtype']}{here['shape']}; {remedy}"
            )


def _bare(leaf: Any) -> np.ndarray:
    """The numbers of a leaf on the host; of a random key, its state."""
    return hosts.fetched(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _revive(bare: np.ndarray, like: Any, key: str | None) -> Any:
    """Undo `_bare`: an array of the kind and placement of `like`; a key of generator `key`."""
    if isinstance(like, np.ndarray):
        return bare
    sharding = like.sharding
    if sharding is not None and len(sharding.device_set) == 1:
        sharding = None
    # A copy in any case: JAX may go on using NumPy's memory, and that can't be donated.
    array = jnp.array(bare) if sharding is None else put(bare, sharding)
    if key is not None:
        return jax.random.wrap_key_data(array, impl=key)
    if not like.weak_type:
        return array
    return jax.jit(_weakly_typed, out_shardings=sharding)(array)


def _weakly_typed(array: jax.Array) -> jax.Array:
    """The same numbers, typed as weakly as Python's: or a resumed program compiles anew."""
    zero = jnp.asarray(array.dtype.type(0).item())
    return jnp.broadcast_to(zero, array.shape).at[...].set(array)
