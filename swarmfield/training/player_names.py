"""What players of runs are called: by the run's folder, and which of its two learners is meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

OPPONENT = ":opponent"
"""Behind a run's folder: not its learner is meant, but the algorithm that learned beside it."""


def named(player: str | Path) -> tuple[Path, bool]:
    """The run's folder of a player, and whether the run's opponent is meant."""
    text = str(Path(player))
    if not text.endswith(OPPONENT):
        return Path(text), False
    return Path(text.removesuffix(OPPONENT)), True


def full_name(player: str | Path) -> str:
    """The one name of a player that may be named in several ways."""
    folder, is_opponent = named(player)
    return f"{folder.resolve()}{OPPONENT if is_opponent else ''}"


def labels_of(runs: Sequence[str | Path]) -> list[str]:
    """What runs are called where several are shown: by their folders, in full where these agree."""
    names = [Path(full_name(run)).name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]
