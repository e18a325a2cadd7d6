"""Runs as single small files: what is needed to play them, without what goes on training.

The file is a ZIP archive of a run's folder with the best policy of each seed. Wherever a run's
folder is asked for such a file will do, and so will `pretrained:NAME` for one of ours.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from contextlib import suppress
from importlib import resources
from pathlib import Path

from swarmfield.options import suggest
from swarmfield.training.json_files import reason_of
from swarmfield.types import SwarmfieldError

PRETRAINED = "pretrained:"
"""Before the name of a run that comes with this package."""
SUFFIX = ".zip"
_CONFIG, _SUMMARY = "config.json", "summary.json"


def pretrained() -> dict[str, Path]:
    """The runs that come with this package, by name."""
    folder = Path(str(resources.files("swarmfield") / "pretrained"))
    return {file.stem: file for file in sorted(folder.glob(f"*{SUFFIX}"))}


def summaries_of_pretrained() -> dict[str, str]:
    """A line on each of these runs, by how it is asked for."""
    return {f"{PRETRAINED}{name}": _summary(file) for name, file in pretrained().items()}


def _summary(file: Path) -> str:
    with zipfile.ZipFile(file) as archive:
        config = json.loads(archive.read(_CONFIG))
        came_to = json.loads(archive.read(_SUMMARY))
    learner = came_to["evaluation"]["learner"]
    score = learner.get("shared_return", learner["return_mean"])
    return (
        f"{config['algorithm']} in {config['environment']}, {came_to['env_steps']:,} steps: return "
        f"{score:.4g}"
    )


def unpacked(path: Path) -> Path:
    """A run's folder; of an archive the one it is unpacked to, once, among the user's caches.

    Raises:
        SwarmfieldError: There is no such pretrained run, or the archive holds no run.
    """
    text = str(path)
    if text.startswith(PRETRAINED):
        name, there = text.removeprefix(PRETRAINED), pretrained()
        if name not in there:
            raise SwarmfieldError(f"There is no run {text}; {suggest(name, list(there))}.")
        path = there[name]
    elif path.suffix != SUFFIX or not path.is_file():
        return path
    try:
        return _unpacked(path)
    except (zipfile.BadZipFile, KeyError):
        raise SwarmfieldError(
            f"{path} holds no run; give what `swarmfield export run` wrote, or a run's folder."
        ) from None
    except OSError as error:
        raise SwarmfieldError(
            f"{path} cannot be unpacked to {_cache()} ({reason_of(error)}); free space, or set "
            "XDG_CACHE_HOME to another folder."
        ) from None


def _unpacked(file: Path) -> Path:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    folder = _cache() / f"{file.stem}-{digest}"
    if folder.exists():
        return folder
    with zipfile.ZipFile(file) as archive:
        archive.getinfo(_CONFIG)
        _cache().mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=_cache()))
        archive.extractall(aside)
    # Another process may have been faster.
    with suppress(OSError):
        os.replace(aside, folder)
    return folder


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "swarmfield"
