"""Options of Q-learning, and what they may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmfield.algorithms._options import NOT_NEGATIVE, POSITIVE, PROBABILITY, require
from swarmfield.networks import TrunkName
from swarmfield.options import LARGEST_FLOAT


@dataclass(frozen=True)
class QLearningConfig:
    """Options of every Q-learning method."""

    learning_rate: float = 5e-4
    """Adam's step size at the start, > 0."""
    learning_rate_decay: float = 0.1
    """The share of it left at the end of the run, in [0, 1], reached in a straight line."""
    gamma: float = 0.95
    """Discount of future reward, in [0, 1]."""
    tau: float = 0.01
    """Polyak rate of the target network, in (0, 1]; applied after every update."""
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
    target: Literal["double", "boltzmann"] = "double"
    """Bootstrap on the online network's choice, or on the Boltzmann policy's expectation."""
    target_temperature: float = 0.1
    """Temperature of the Boltzmann target, > 0."""
    exploration: Literal["boltzmann", "epsilon"] = "boltzmann"
    """Sample in proportion to exp(Q / T), or uniformly with probability epsilon."""
    schedule: Literal["linear", "mfrl"] = "linear"
    """Of the exploration: a straight line, or the reference code's two."""
    explore_start: float = 1.0
    """Temperature at the start, >= 0; or epsilon, in [0, 1]."""
    explore_end: float = 0.05
    """Temperature at the end, >= 0; or epsilon, in [0, 1]."""
    explore_fraction: float = 0.7
    """Share of the run in which the straight line falls, in [0, 1]; `mfrl` has its own."""
    trunk: TrunkName = "mlp"
    """How a view is read: `mfrl` is the reference code's convolutions, `mlp` is cheaper."""
    max_gradient_norm: float = 10.0
    """Gradients are scaled down to this global norm, > 0."""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "target_temperature", "max_gradient_norm"):
            require(self, name, lambda x: 0 < x <= LARGEST_FLOAT, POSITIVE)
        require(self, "tau", lambda x: 0 < x <= 1, "above 0 and at most 1")
        for name in ("gamma", "explore_fraction", "learning_rate_decay"):
            require(self, name, lambda x: 0 <= x <= 1, PROBABILITY)
        probability = self.exploration == "epsilon"
        most, wanted = (1, PROBABILITY) if probability else (LARGEST_FLOAT, NOT_NEGATIVE)
        for name in ("explore_start", "explore_end"):
            require(self, name, lambda x: 0 <= x <= most, wanted)
        for name in ("batch_size", "updates", "every", "capacity"):
            require(self, name, lambda x: x >= 1, "a whole number of at least 1")
        require(self, "warmup", lambda x: x >= 0, "a whole number of at least 0")
