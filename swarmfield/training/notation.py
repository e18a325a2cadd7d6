"""Numbers as people read them at a glance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Trend = Literal["up", "level", "down"]

_BARS = "▁▂▃▄▅▆▇█"


def figure(value: int | float) -> str:
    """Write a number in four digits: `0.9531`, `-12.30`, `1.280e-05`, `nan`."""
    if not math.isfinite(value):
        return str(value)
    if abs(value) >= 10_000:
        return count(value)
    return f"{value:#.4g}".removesuffix(".") if value else "0"


def count(number: int | float) -> str:
    """Write how many: `9,999`, `12.8k`, `1.28M`."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= max(size, 10_000):
            scaled = number / size
            digits = max(0, 2 - int(math.log10(abs(scaled))))
            return f"{scaled:.{digits}f}{unit}"
    return f"{number:,.0f}"


def duration(seconds: int | float) -> str:
    """Write a time span: `0:07`, `12:34`, `1:02:03`, `2d 03:04:05`."""
    minutes, second = divmod(int(max(seconds, 0.0)), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour:02d}:{minute:02d}:{second:02d}"
    return f"{hour}:{minute:02d}:{second:02d}" if hour else f"{minute}:{second:02d}"


def sparkline(values: Sequence[int | float]) -> str:
    """Draw values as bars between their least and their greatest; `x` if not finite."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    # Halves, for the difference of two large numbers may not be finite.
    span = high / 2 - low / 2

    def bar(value: int | float) -> str:
        if not math.isfinite(value):
            return "x"
        height = (value / 2 - low / 2) / span if span > 0 else 0.5
        return _BARS[min(int(height * len(_BARS)), len(_BARS) - 1)]

    return "".join(bar(value) for value in values)


def trend(values: Sequence[int | float]) -> Trend | None:
    """Compare the later half of the values with the earlier; None for fewer than four.

    They are level where their means differ by no more than that difference's standard error.
    """
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 4:
        return None
    middle = len(finite) // 2
    earlier, later = _mean(finite[:middle]), _mean(finite[middle:])
    mean = _mean(finite)
    standard_error = 2 * math.hypot(*(value - mean for value in finite)) / len(finite)
    if abs(later - earlier) <= standard_error:
        return "level"
    return "up" if later > earlier else "down"


def _mean(values: Sequence[int | float]) -> float:
    return sum(value / len(values) for value in values)
