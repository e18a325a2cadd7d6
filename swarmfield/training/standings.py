"""What a league came to: who did how well against whom, and ratings of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from swarmfield import elo
from swarmfield.statistics import summarize_episodes
from swarmfield.training.playing import Episodes

Table = tuple[list[str], list[list[str]]]
"""A head, and lines."""


@dataclass(frozen=True)
class Meeting:
    """Two players' episodes against each other.

    Attributes:
        first: Name of one.
        second: Name of the other.
        wins: Episodes that the first won.
        ties: Episodes that nobody won.
        losses: Episodes that the second won.
        return_first: Mean return of the first.
        return_second: Mean return of the second.
        return_difference_ci95: Half the width of a 95 % interval of their difference; None for
            a single episode.
    """

    first: str
    second: str
    wins: int
    ties: int
    losses: int
    return_first: float
    return_second: float
    return_difference_ci95: float | None

    @property
    def episodes(self) -> int:
        """How many they played."""
        return self.wins + self.ties + self.losses

    @property
    def win_rate(self) -> float:
        """Share of episodes that the first won; a tie is half a win."""
        return (self.wins + self.ties / 2) / self.episodes

    @property
    def return_difference(self) -> float:
        """Mean return of the first less that of the second."""
        return self.return_first - self.return_second

    def turned(self) -> Meeting:
        """The same as the second sees it."""
        return Meeting(
            self.second,
            self.first,
            self.losses,
            self.ties,
            self.wins,
            self.return_second,
            self.return_first,
            self.return_difference_ci95,
        )


def meeting_of(first: str, second: str, episodes: Episodes) -> Meeting:
    """What two players' episodes came to."""
    won = episodes.measures["learner"]["win_rate"]
    ours, theirs = (np.asarray(x, np.float64) for x in episodes.returns.values())
    return Meeting(
        first,
        second,
        int(np.sum(won > 0.5)),
        int(np.sum(won == 0.5)),
        int(np.sum(won < 0.5)),
        float(ours.mean()),
        float(theirs.mean()),
        summarize_episodes(ours - theirs).ci95,
    )


def standings(names: Sequence[str], meetings: Sequence[Meeting]) -> dict[str, Any]:
    """Ratings of all players, best first, and in that order the matrix of every pair.

    Args:
        names: Of all players.
        meetings: Of every pair, once.

    Returns:
        `elo`, for each player its rating with the ends of its 95 % interval and its mean win
        rate; and `matrix`, rows against columns.
    """
    both = [*meetings, *(meeting.turned() for meeting in meetings)]
    pairs = {(meeting.first, meeting.second): meeting for meeting in both}

    def matrix(order: Sequence[str], figure: Callable[[Meeting], Any], alone: Any) -> list[Any]:
        return [[figure(pairs[a, b]) if a != b else alone for b in order] for a in order]

    wins = np.array(matrix(names, lambda m: m.wins, 0))
    ties = np.array(matrix(names, lambda m: m.ties, 0))
    rating = elo.rate(wins, ties)
    best_first = [int(i) for i in np.argsort(-rating.estimate, kind="stable")]
    ordered = [names[i] for i in best_first]
    rates = matrix(ordered, lambda m: m.win_rate, None)
    return {
        "elo": [
            {
                "player": names[i],
                "elo": float(rating.estimate[i]),
                "low": float(rating.low[i]),
                "high": float(rating.high[i]),
                "win_rate": float(np.mean([rate for rate in row if rate is not None])),
            }
            for i, row in zip(best_first, rates, strict=True)
        ],
        "matrix": {
            "players": ordered,
            "win_rate": rates,
            "return_difference": matrix(ordered, lambda m: m.return_difference, None),
            "episodes": matrix(ordered, lambda m: m.episodes, 0),
        },
    }


def rating_table(report: Mapping[str, Any]) -> Table:
    """A line a player: its rating in its interval, and its mean win rate."""
    algorithms = {player["name"]: player["algorithm"] for player in report["players"]}
    lines = [
        [
            str(rank),
            line["player"],
            algorithms[line["player"]],
            f"{line['elo']:.0f}",
            f"{line['low']:.0f} to {line['high']:.0f}",
            f"{line['win_rate']:.2f}",
        ]
        for rank, line in enumerate(report["elo"], 1)
    ]
    return ["#", "player", "algorithm", "Elo", "95 % interval", "win rate"], lines


def cross_table(report: Mapping[str, Any]) -> Table:
    """Every player against every other: its win rate, and by how much its return is higher."""
    matrix = report["matrix"]
    ranks = [str(rank) for rank in range(1, len(matrix["players"]) + 1)]
    lines = [
        [rank, player, *map(_cell, rates, differences)]
        for rank, player, rates, differences in zip(
            ranks, matrix["players"], matrix["win_rate"], matrix["return_difference"], strict=True
        )
    ]
    return ["#", "player", *ranks], lines


def _cell(rate: float | None, difference: float | None) -> str:
    if rate is None or difference is None:
        return "-"
    # Adding zero turns -0 into 0.
    return f"{rate:.2f} ({round(difference, 1) + 0.0:+.1f})"
