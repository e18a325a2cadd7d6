"""Options that many methods share, and what they may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmfield.algorithms._options import POSITIVE, PROBABILITY, require
from swarmfield.networks import TrunkName
from swarmfield.options import LARGEST_FLOAT
from swarmfield.types import Replay


@dataclass(frozen=True)
class LearningConfig:
    """Options of every method."""

    learning_rate: float = 5e-4
    """Adam's step size at the start, > 0."""
    learning_rate_decay: float = 0.1
    """The share of it left at the end of the run, in [0, 1], reached in a straight line."""
    gamma: float = 0.95
    """Discount of future reward, in [0, 1]."""
    trunk: TrunkName = "mlp"
    """How observations are read: `mfrl` is the reference code's convolutions of a view, `mlp` is
    cheaper, `wide` gives features four times the room, for where there is no view."""
    max_gradient_norm: float = 10.0
    """Gradients are scaled down to this global norm, > 0."""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "max_gradient_norm"):
            require(self, name, lambda x: 0 < x <= LARGEST_FLOAT, POSITIVE)
        for name in ("gamma", "learning_rate_decay"):
            require(self, name, lambda x: 0 <= x <= 1, PROBABILITY)


@dataclass(frozen=True)
class ReplayConfig(LearningConfig):
    """Options of every method that learns from replay."""

    tau: float = 0.01
    """Polyak rate of target networks, in (0, 1]; applied after every update."""
    batch_size: int = 1024
    """Agent transitions an update."""
    updates: int = 1
    """Updates each time."""
    every: int = 1
    """Steps of all environments between updates."""
    capacity: int = 262_144
    """Agent transitions kept for replay, over all environments."""
    warmup: int = 8192
    """Agent transitions before the first update."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "tau", lambda x: 0 < x <= 1, "above 0 and at most 1")
        for name in ("batch_size", "updates", "every", "capacity"):
            require(self, name, lambda x: x >= 1, "a whole number of at least 1")
        require(self, "warmup", lambda x: x >= 0, "a whole number of at least 0")

    def replay(self, unit: Literal["agents", "steps"], batch_size: int) -> Replay:
        """The experience these options ask for, `batch_size` being in samples of the unit."""
        return Replay(unit, self.capacity, batch_size, self.updates, self.every, self.warmup)
