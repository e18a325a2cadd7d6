"""Options of critics that read what everybody saw and did, and what they may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmfield.algorithms._deterministic_config import DeterministicConfig
from swarmfield.algorithms._options import NOT_NEGATIVE, POSITIVE, require
from swarmfield.options import LARGEST_FLOAT


@dataclass(frozen=True)
class JointConfig(DeterministicConfig):
    """Options of methods whose critics read what everybody saw and did."""

    trunk: Literal["mlp"] = "mlp"
    """How observations are read: all in a row, by actors and critics alike."""
    learning_rate: float = 1e-3
    """Adam's step size for the critics at the start, > 0."""
    actor_learning_rate: float = 1e-3
    """Adam's step size for the actors at the start, > 0."""
    share_parameters: bool = False
    """One actor and one critic for all, told by a one-hot whose they are, instead of one each."""
    gumbel_temperature: float = 1.0
    """Of the softmax through which actors of discrete actions learn, > 0."""
    logit_penalty: float = 1e-3
    """Weight of the mean square of an actor's logits, or of what tanh takes, in its loss, >= 0."""
    hidden: int = 64
    """Width of both hidden layers, of actors and of critics."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "gumbel_temperature", lambda x: 0 < x <= LARGEST_FLOAT, POSITIVE)
        require(self, "logit_penalty", lambda x: 0 <= x <= LARGEST_FLOAT, NOT_NEGATIVE)
        require(self, "hidden", lambda x: x >= 1, "a whole number of at least 1")
