"""Major-minor mean field PPO: one policy tells a whole crowd by what rule to act."""

from __future__ import annotations

from dataclasses import dataclass

from swarmfield.algorithms._options import POSITIVE, require
from swarmfield.algorithms._ppo import own_critic, ppo
from swarmfield.algorithms._ppo_config import PPOConfig
from swarmfield.options import LARGEST_FLOAT
from swarmfield.rule_options import Chances, Squash, Where
from swarmfield.types import Algorithm, TeamSpec, Unpack


@dataclass(frozen=True)
class M3FPPOConfig(PPOConfig):
    """Options of major-minor mean field PPO."""

    gae_lambda: float = 1.0
    """Decay of advantages, in [0, 1]: 1 sums rewards to the end of the rollout, 0 looks one
    step ahead."""
    rollout_length: int = 200
    """Steps of all environments an update."""
    epochs: int = 8
    """Times that a rollout is learned from."""
    minibatches: int = 6
    """Parts of a rollout, of whole steps drawn anew each time, each one step of the optimizer."""
    kl_weight: float = 0.2
    """Of the divergence from the old policy in the loss at the start, >= 0."""
    entropy_weight: float = 0.0
    """Of the policy's entropy in the loss, >= 0."""
    value_weight: float = 1.0
    """Of the value's squared error in the loss, >= 0."""
    max_gradient_norm: float = 40.0
    """Gradients are scaled down to this global norm, > 0."""
    rule: Where = "bins"
    """How a rule depends on where an agent is: constant in each cell, or a kernel's mean of all."""
    kernel_width: float = 0.7
    """Of a kernel, in sides of a cell, > 0."""
    squash: Squash | None = None
    """How a rule's numbers are brought into [-1, 1]: cut off, tanh of that, or tanh. Cut off if
    not given, or as published with `--env.parity`."""
    chances: Chances = "linear"
    """How a rule's numbers become probabilities of discrete actions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "kernel_width", lambda x: 0 < x <= LARGEST_FLOAT, POSITIVE)


def build(config: M3FPPOConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """Pi(h, u0 | x0, mu) and V(x0, mu): PPO in the problem of one who controls the crowd.

    Each step one rule h and one action u0 of the major agent are drawn, and every minor agent acts
    by h and where it is. What is learned from is mu as N agents make it, of any number: a policy
    learned with one can be used with another.

    Source: Cui et al. 2024 (M3FPPO), whose step size is 5e-5 and whose rollouts are 24,000 steps.
    Departures: those of `_ppo.ppo`; gradients of a norm above 40 are scaled down; a step size that
    falls.
    """
    return ppo(config, team, unpack, own_critic(config, team, 1))
