"""Files for others: named after what is in them, and never in the place of something else."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from swarmfield.training.json_files import reason_of, replace
from swarmfield.training.player import Player, Which
from swarmfield.types import SwarmfieldError


def export_file(output: str | Path | None, default: Path) -> Path:
    """Where an export goes; asked before anything is computed for it.

    Args:
        output: The file, if one was asked for: there must be none yet.
        default: Otherwise this one, which may take the place of an earlier export.

    Raises:
        SwarmfieldError: There is something already, or no folder to write to.
    """
    if output is None:
        return default
    file = Path(output)
    if not str(output).strip() or file.name == "":
        raise SwarmfieldError(f"--output is {str(output)!r}, but must be the name of a file.")
    if file.exists():
        raise SwarmfieldError(
            f"--output is {file}, which exists already; give another name, or remove it."
        )
    if not file.parent.is_dir():
        raise SwarmfieldError(
            f"--output is {file}, but there is no folder {file.parent}; make it, or give another."
        )
    return file


def named_after(player: Player, which: Which, what: str, suffix: str) -> Path:
    """A file in a run's folder that says whose policy it is about, where there are several."""
    first = player.job.config.seed_list[0]
    parts = [what]
    parts += ["opponent"] if player.is_opponent else []
    parts += [] if player.seed == first else [f"seed{player.seed}"]
    parts += [] if which == "last" else [which]
    return player.path / ("-".join(parts) + suffix)


def write_whole(file: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file, so that there is all of it or nothing.

    Raises:
        SwarmfieldError: The disk is full, or the folder cannot be written.
    """
    try:
        replace(file, write)
    except OSError as error:
        raise SwarmfieldError(
            f"Cannot write {file}: {reason_of(error)}; free space, or give another --output."
        ) from None


def write_zip(file: Path, parts: Mapping[str, bytes]) -> None:
    """Write an archive, which depends on its parts alone.

    Raises:
        SwarmfieldError: As in `write_whole`.
    """

    def write(stream: BinaryIO) -> None:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, part in parts.items():
                entry = zipfile.ZipInfo(name)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, part)

    write_whole(file, write)
