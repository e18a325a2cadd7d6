"""How far a run is, how fast it goes and what it reported lately."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

_REMEMBERED = 30


@dataclass(frozen=True)
class Progress:
    """A run at one moment. Clock readings are in seconds, from any start.

    Attributes:
        total: Environment steps at the end.
        env_steps: Environment steps so far.
        began: When this session of the run began.
        arrivals: When the last updates came, and the environment steps they told.
        history: What the last reports said, by name.
    """

    total: int
    env_steps: int
    began: float
    arrivals: tuple[tuple[float, int], ...] = ()
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def fraction(self) -> float:
        """Part of the run that is over, in [0, 1]."""
        return min(self.env_steps / self.total, 1.0) if self.total > 0 else 1.0

    @property
    def is_over(self) -> bool:
        """Whether every step was made."""
        return self.env_steps >= self.total

    @property
    def pace(self) -> float | None:
        """Environment steps a second over the last updates; None before the second.

        The time to the first update is left out: it is spent on compiling.
        """
        if len(self.arrivals) < 2:
            return None
        (first, steps_first), (last, steps_last) = self.arrivals[0], self.arrivals[-1]
        is_moving = last > first and steps_last > steps_first
        return (steps_last - steps_first) / (last - first) if is_moving else None

    def elapsed(self, now: float) -> float:
        """Seconds since this session began."""
        return now - self.began

    def remaining(self, now: float) -> float | None:
        """Seconds until the end at the present pace; None while that is unknown."""
        if self.pace is None:
            return None
        since = now - self.arrivals[-1][0]
        return max((self.total - self.env_steps) / self.pace - since, 0.0)

    def after(self, env_steps: int, row: Mapping[str, Any] | None, now: float) -> Progress:
        """The run after an update, with a report's row if there was one."""
        arrivals = (*self.arrivals, (now, env_steps))[-_REMEMBERED:]
        moved = replace(self, env_steps=env_steps, arrivals=arrivals)
        if row is None:
            return moved
        numbers = {name: number for name in row if (number := _number(row[name])) is not None}
        history = {
            **self.history,
            **{
                name: (*self.history.get(name, ()), number)[-_REMEMBERED:]
                for name, number in numbers.items()
            },
        }
        return replace(moved, history=history)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
