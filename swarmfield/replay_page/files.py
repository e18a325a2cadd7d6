"""Writing a picture's file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swarmfield.types import SwarmfieldError


@contextmanager
def finished_file(path: str | Path) -> Iterator[Path]:
    """A path to write to that becomes `path` once the block ends without an error.

    Args:
        path: Where the finished file goes; its folder must exist.

    Yields:
        A temporary path beside it, with the same suffix.

    Raises:
        SwarmfieldError: The file cannot be written.
    """
    path = Path(path)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
            temporary = Path(folder) / path.name
            yield temporary
            os.replace(temporary, path)
    except OSError as error:
        raise SwarmfieldError(
            f"Cannot write {path}: {error.strerror or error}; choose an existing folder that may "
            "be written to and has room."
        ) from error
