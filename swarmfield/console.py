"""Lines on a terminal: what is going on, and figures of evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def teller(quiet: bool) -> Callable[[str], None]:
    """What prints a line at once, also where output is kept back, as in a pipe; or nothing."""

    def tell(line: str) -> None:
        if not quiet:
            print(line, flush=True)

    return tell


def print_evaluations(summary: dict[str, Any]) -> None:
    """Every evaluation of a run's summary, under its name."""
    for name, players in summary.items():
        if isinstance(players, dict) and "learner" in players:
            print(name.replace("_", " "))
            print_players(players.items())


def print_players(players: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """One line a player: its figures."""
    for player, figures in players:
        told = "  ".join(f"{key} {short(value)}" for key, value in figures.items())
        print(f"  {player:<10}{told}")


def short(value: Any) -> str:
    """A figure with at most three decimals."""
    if value is None:
        return "-"
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
