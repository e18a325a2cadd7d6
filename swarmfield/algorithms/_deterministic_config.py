"""Options of deterministic policies, and what they may be."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield.algorithms._config import ReplayConfig
from swarmfield.algorithms._options import NOT_NEGATIVE, POSITIVE, PROBABILITY, require
from swarmfield.options import LARGEST_FLOAT


@dataclass(frozen=True)
class DeterministicConfig(ReplayConfig):
    """Options of every method with a deterministic policy."""

    actor_learning_rate: float = 1e-4
    """Adam's step size for a deterministic actor at the start, > 0; its critic's should be larger,
    since the actor follows what the critic is still wrong about."""
    explore_start: float = 1.0
    """Deviation of the noise on continuous actions at the start, in halves of their range, >= 0."""
    explore_end: float = 0.1
    """Deviation of the noise on continuous actions at the end, in halves of their range, >= 0."""
    explore_fraction: float = 0.7
    """Share of the run in which the noise falls in a straight line, in [0, 1]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "actor_learning_rate", lambda x: 0 < x <= LARGEST_FLOAT, POSITIVE)
        require(self, "explore_fraction", lambda x: 0 <= x <= 1, PROBABILITY)
        for name in ("explore_start", "explore_end"):
            require(self, name, lambda x: 0 <= x <= LARGEST_FLOAT, NOT_NEGATIVE)
