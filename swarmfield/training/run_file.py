"""A finished run as one small file, to be played anywhere."""

from __future__ import annotations

from pathlib import Path

from swarmfield.training import run_folder
from swarmfield.training.export_file import export_file, write_zip
from swarmfield.training.run_folder import RunFolder
from swarmfield.types import SwarmfieldError

_PARTS = ("config.json", "summary.json", "metrics.jsonl")


def write_run(path: str | Path, *, output: str | Path | None = None) -> Path:
    """Write what is needed to play a run as one file: its options, reports and best policies.

    The file can be given wherever a run's folder is asked for to load, evaluate, watch or play
    against it; it cannot be trained on.

    Args:
        path: The run's folder.
        output: The file, which must not exist; `run.zip` in the run's folder if not given.

    Returns:
        The file.

    Raises:
        SwarmfieldError: The run is not finished or was not evaluated; or the file exists or cannot
            be written.
    """
    folder = run_folder.open_existing(Path(path))
    file = export_file(output, folder.path / "run.zip")
    parts = {name: part.read_bytes() for name, part in _files_of(folder).items()}
    write_zip(file, parts)
    return file


def _files_of(folder: RunFolder) -> dict[str, Path]:
    """What the archive holds, by names there.

    Raises:
        SwarmfieldError: The run is not finished, or was not evaluated on the way.
    """
    best = sorted(each for each in folder.best.rglob("*") if each.is_file())
    if folder.read_summary() is None or not best:
        lacks = "has no best policy, for it was not evaluated" if not best else "is not finished"
        raise SwarmfieldError(
            f"{folder.path} {lacks}; give a run that ended, with --evaluations of at least 1."
        )
    files = [*(folder.path / name for name in _PARTS), *best]
    return {str(file.relative_to(folder.path)): file for file in files}
