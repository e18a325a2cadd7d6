"""Options of proximal policy optimisation, and what they may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmfield.algorithms._options import NOT_NEGATIVE, POSITIVE, PROBABILITY, require
from swarmfield.options import LARGEST_FLOAT
from swarmfield.policy_networks import ReaderName

Shared = Literal["kind", "all"]
"""Whose policy is one network: that of the agents of a kind, or of all."""


@dataclass(frozen=True)
class PPOConfig:
    """Options of every method with a clipped policy gradient."""

    learning_rate: float = 3e-4
    """Adam's step size at the start, > 0."""
    learning_rate_decay: float = 0.1
    """The share of it left at the end of the run, in [0, 1], reached in a straight line."""
    gamma: float = 0.99
    """Discount of future reward, in [0, 1]."""
    gae_lambda: float = 0.95
    """Decay of advantages, in [0, 1]: 1 sums rewards to the end of the rollout, 0 looks one
    step ahead."""
    rollout_length: int = 128
    """Steps of all environments an update."""
    epochs: int = 4
    """Times that a rollout is learned from."""
    minibatches: int = 4
    """Parts of a rollout, of whole steps drawn anew each time, each one step of the optimizer."""
    clip: float = 0.2
    """How far the probability of an action may go from 1 times the old one, > 0."""
    kl_weight: float = 0.0
    """Of the divergence from the old policy in the loss at the start, >= 0."""
    kl_target: float = 0.03
    """The weight grows by a half where the divergence was above twice this, and is halved where it
    was below a half of it, > 0."""
    entropy_weight: float = 0.01
    """Of the policy's entropy in the loss, >= 0."""
    value_weight: float = 0.5
    """Of the value's squared error in the loss, >= 0."""
    value_clip: float = 10.0
    """How far a value may go from the old one without being held back, > 0."""
    max_gradient_norm: float = 0.5
    """Gradients are scaled down to this global norm, > 0."""
    trunk: ReaderName = "none"
    """How observations are read: as one vector, or by a trunk as in other methods."""
    hidden: int = 256
    """Width of both layers of policy and value."""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "max_gradient_norm", "clip", "value_clip", "kl_target"):
            require(self, name, lambda x: 0 < x <= LARGEST_FLOAT, POSITIVE)
        for name in ("gamma", "gae_lambda", "learning_rate_decay"):
            require(self, name, lambda x: 0 <= x <= 1, PROBABILITY)
        for name in ("entropy_weight", "value_weight", "kl_weight"):
            require(self, name, lambda x: 0 <= x <= LARGEST_FLOAT, NOT_NEGATIVE)
        for name in ("rollout_length", "epochs", "minibatches", "hidden"):
            require(self, name, lambda x: x >= 1, "a whole number of at least 1")
