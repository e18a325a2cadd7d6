"""Major-minor mean field A2C: one step of the optimizer on each rollout."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield.algorithms import m3fppo
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class M3FA2CConfig(m3fppo.M3FPPOConfig):
    """Options of major-minor mean field A2C."""

    epochs: int = 1
    """Times that a rollout is learned from."""
    minibatches: int = 1
    """Parts of a rollout, of whole steps drawn anew each time, each one step of the optimizer."""
    kl_weight: float = 0.0
    """Of the divergence from the old policy in the loss at the start, >= 0."""
    value_weight: float = 0.5
    """Of the value's squared error in the loss, >= 0."""


def build(config: M3FA2CConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """As `m3fppo`, on each rollout once: the clipped loss has the gradient -A grad log Pi then.

    Source: Cui et al. 2024 (M3FA2C). Departures: losses are means and not sums; at the time limit
    V of the last state counts on (there 0); a step size that falls.
    """
    return m3fppo.build(config, team, unpack)
