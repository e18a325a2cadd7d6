"""Options of actor-critic methods, and what they may be."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield.algorithms._options import NOT_NEGATIVE, POSITIVE, PROBABILITY, require
from swarmfield.networks import TrunkName
from swarmfield.options import LARGEST_FLOAT


@dataclass(frozen=True)
class ActorCriticConfig:
    """Options of every actor-critic method."""

    learning_rate: float = 5e-4
    """Adam's step size at the start, > 0."""
    learning_rate_decay: float = 0.1
    """The share of it left at the end of the run, in [0, 1], reached in a straight line."""
    gamma: float = 0.95
    """Discount of future reward, in [0, 1]."""
    gae_lambda: float = 1.0
    """Decay of advantages, in [0, 1]: 1 sums rewards to the end of the rollout, 0 looks one
    step ahead."""
    rollout_length: int = 16
    """Steps of all environments an update."""
    entropy_weight: float = 0.02
    """Of the policy's entropy in the loss, >= 0."""
    value_weight: float = 0.5
    """Of the value's squared error in the loss, >= 0."""
    trunk: TrunkName = "mlp"
    """How a view is read: `mfrl` is the reference code's convolutions, `mlp` is cheaper."""
    max_gradient_norm: float = 0.5
    """Gradients are scaled down to this global norm, > 0."""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "max_gradient_norm"):
            require(self, name, lambda x: 0 < x <= LARGEST_FLOAT, POSITIVE)
        for name in ("gamma", "gae_lambda", "learning_rate_decay"):
            require(self, name, lambda x: 0 <= x <= 1, PROBABILITY)
        for name in ("entropy_weight", "value_weight"):
            require(self, name, lambda x: 0 <= x <= LARGEST_FLOAT, NOT_NEGATIVE)
        require(self, "rollout_length", lambda x: x >= 1, "a whole number of at least 1")
