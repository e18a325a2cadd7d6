"""JSON files that survive a power cut."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from swarmfield.types import SwarmfieldError

JSON: TypeAlias = "str | int | float | bool | Mapping[str, JSON] | Sequence[JSON] | None"


def to_json(value: Any) -> Any:
    """Turn a value into what JSON can hold.

    Scalars and arrays of NumPy and JAX become numbers and lists. JSON has no word for
    numbers that are not finite, so they become null, which every parser reads.
    """
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "tolist"):
        return to_json(value.tolist())
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a file by a JSON object, so that a power cut leaves the old or the new one.

    Raises:
        SwarmfieldError: The disk is full or the folder cannot be written.
    """
    text = json.dumps(to_json(value), indent=2, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, lambda stream: stream.write(text.encode()))
        sync(path.parent)
    except OSError as error:
        raise SwarmfieldError(
            f"Cannot write {path}: {reason_of(error)}; free space or make the folder writable."
        ) from None


def replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file, so that there is all of it or what was there before.

    Raises:
        OSError: The disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as stream:
            write(stream)
        sync(temporary)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Wait until the disk has a file, or a folder's list of names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_object(path: Path, otherwise: str = "train anew with another --run-dir") -> dict[str, Any]:
    """Read a file that holds a JSON object.

    Args:
        path: The file.
        otherwise: What to do where there is no copy of it.

    Raises:
        SwarmfieldError: It cannot be read or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SwarmfieldError(f"Cannot read {path}: {reason_of(error)}.") from None
    except ValueError as error:
        value = f"not JSON ({error})"
    if not isinstance(value, dict):
        found = value if isinstance(value, str) else f"a {type(value).__name__}"
        raise SwarmfieldError(
            f"{path} is damaged: it should hold a JSON object and is {found}; "
            f"restore it from a copy, or {otherwise}."
        )
    return value


def reason_of(error: OSError) -> str:
    """What the system says of a failure."""
    return error.strerror or str(error)
