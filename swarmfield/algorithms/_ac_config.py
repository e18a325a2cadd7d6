"""Options of actor-critic methods, and what they may be."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield.algorithms._config import LearningConfig
from swarmfield.algorithms._options import NOT_NEGATIVE, PROBABILITY, require
from swarmfield.options import LARGEST_FLOAT


@dataclass(frozen=True)
class ActorCriticConfig(LearningConfig):
    """Options of every actor-critic method."""

    learning_rate: float = 1e-3
    """Adam's step size at the start, > 0."""
    gae_lambda: float = 1.0
    """Decay of advantages, in [0, 1]: 1 sums rewards to the end of the rollout, 0 looks one
    step ahead."""
    rollout_length: int = 4
    """Steps of all environments an update."""
    entropy_weight: float = 0.08
    """Of the policy's entropy in the loss, >= 0."""
    value_weight: float = 0.5
    """Of the value's squared error in the loss, >= 0."""
    max_gradient_norm: float = 0.5
    """Gradients are scaled down to this global norm, > 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "gae_lambda", lambda x: 0 <= x <= 1, PROBABILITY)
        for name in ("entropy_weight", "value_weight"):
            require(self, name, lambda x: 0 <= x <= LARGEST_FLOAT, NOT_NEGATIVE)
        require(self, "rollout_length", lambda x: x >= 1, "a whole number of at least 1")
