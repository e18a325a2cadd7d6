"""Learning curves of runs."""

from __future__ import annotations

from pathlib import Path

from swarmfield.training import run_folder
from swarmfield.training.player_names import labels_of


def plot(*runs: str | Path, output: str | Path | None = None) -> Path:
    """Draw the learning curves of one or several runs, with the spread over seeds.

    Args:
        *runs: Their folders, at least one.
        output: File to write (.png, .svg or .pdf); if not given, the first run's
            `learning_curve.png`, or its `comparison.png` for several.

    Returns:
        The file.

    Raises:
        SwarmfieldError: One is no run or has no report yet, or the file cannot be written.

    Example:
        >>> plot("runs/mfq", "runs/iql", output="curves.svg")  # doctest: +SKIP
    """
    from swarmfield import plots

    folders = [run_folder.open_existing(Path(path)) for path in runs]
    labels = labels_of(runs)
    rows = {label: folder.read_metrics() for label, folder in zip(labels, folders, strict=True)}
    usual = folders[0].learning_curve if len(folders) == 1 else folders[0].comparison
    file = usual if output is None else Path(output)
    plots.learning_curve(rows, file)
    return file
