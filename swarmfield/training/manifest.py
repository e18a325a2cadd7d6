"""The list of a checkpoint's files, by which it proves that it is whole.

The list holds each file's size and sha256, and last its own, so that no byte can change
unnoticed: not in the files, not in the list.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swarmfield.types import SwarmfieldError

FORMAT = 1
NAME = "manifest.json"


def write(path: Path, body: Mapping[str, Any]) -> None:
    """List the files of a folder; the caller makes the disk keep it.

    Args:
        path: The folder; it must be complete.
        body: What else the manifest should say.
    """
    files = {name: _fingerprint(path / name) for name in sorted(_files(path))}
    (path / NAME).write_bytes(_seal({"format": FORMAT, **body, "files": files}))


def read(path: Path) -> dict[str, Any]:
    """Read the manifest of a folder that is whole.

    Raises:
        SwarmfieldError: The folder is damaged.
    """
    if fault := verify(path):
        raise SwarmfieldError(fault)
    return json.loads((path / NAME).read_bytes())


def verify(path: Path) -> str | None:
    """Say what is wrong with a folder, in one sentence; None if it is as it was written.

    Raises:
        SwarmfieldError: That cannot be said here: it is of a newer version, or the disk fails.
    """
    try:
        content = (path / NAME).read_bytes()
        return _own_fault(path / NAME, content) or _file_fault(path, json.loads(content)["files"])
    except (FileNotFoundError, NotADirectoryError):
        return f"{path} is torn or not a checkpoint: it has no {NAME}."
    except OSError as error:
        raise SwarmfieldError(f"{path} cannot be read: {error}.") from None


def _own_fault(file: Path, content: bytes) -> str | None:
    try:
        body = json.loads(content)
    except ValueError:
        return f"{file} is torn: it is not JSON."
    if not isinstance(body, dict) or not isinstance(body.get("format"), int):
        return f"{file} is not the manifest of a Swarmfield checkpoint."
    if body["format"] > FORMAT:
        raise SwarmfieldError(
            f"{file} has format {body['format']} and this version reads up to {FORMAT}: "
            "upgrade swarmfield."
        )
    body.pop("sha256", None)
    return None if content == _seal(body) else f"{file} was altered: its sha256 does not fit."


def _file_fault(path: Path, listed: Mapping[str, Any]) -> str | None:
    found = _files(path)
    for name in sorted({*listed, *found} - {NAME}):
        file = path / name
        if name not in listed:
            return f"{file} does not belong there: the {NAME} does not list it."
        if name not in found:
            return f"{file} is missing."
        if file.stat().st_size != listed[name]["size"]:
            return f"{file} has {file.stat().st_size} bytes instead of {listed[name]['size']}."
        if _fingerprint(file) != listed[name]:
            return f"{file} was altered: its sha256 does not fit."
    return None


def _files(path: Path) -> list[str]:
    return [file.relative_to(path).as_posix() for file in path.rglob("*") if not file.is_dir()]


def _fingerprint(file: Path) -> dict[str, int | str]:
    with open(file, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"size": file.stat().st_size, "sha256": digest}


def _seal(body: Mapping[str, Any]) -> bytes:
    digest = hashlib.sha256(json.dumps(body).encode()).hexdigest()
    return json.dumps({**body, "sha256": digest}, indent=1).encode() + b"\n"
