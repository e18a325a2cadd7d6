"""Options of Q-learning, and what they may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmfield.algorithms._config import ReplayConfig
from swarmfield.algorithms._options import NOT_NEGATIVE, POSITIVE, PROBABILITY, require
from swarmfield.mean_field import Identity
from swarmfield.options import LARGEST_FLOAT


@dataclass(frozen=True)
class QLearningConfig(ReplayConfig):
    """Options of every Q-learning method."""

    target: Literal["double", "max", "boltzmann"] = "double"
    """Bootstrap on the online network's choice, on the target network's own, or on the Boltzmann
    policy's expectation."""
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
    identity: Identity = "none"
    """Whether agents are told who they are: by numbers that are learned, or by one-hots. Either
    ties a policy to the size of its team."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "target_temperature", lambda x: 0 < x <= LARGEST_FLOAT, POSITIVE)
        require(self, "explore_fraction", lambda x: 0 <= x <= 1, PROBABILITY)
        probability = self.exploration == "epsilon"
        most, wanted = (1, PROBABILITY) if probability else (LARGEST_FLOAT, NOT_NEGATIVE)
        for name in ("explore_start", "explore_end"):
            require(self, name, lambda x: 0 <= x <= most, wanted)
