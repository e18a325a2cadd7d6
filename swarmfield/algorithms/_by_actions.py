"""The learner that a team's kind of action needs."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from swarmfield.algorithms._ac_config import ActorCriticConfig
from swarmfield.algorithms._actor_critic import actor_critic
from swarmfield.algorithms._deterministic import deterministic
from swarmfield.algorithms._deterministic_config import DeterministicConfig
from swarmfield.algorithms._interaction import Interaction
from swarmfield.options import spelled
from swarmfield.types import Algorithm, Box, SwarmfieldError, TeamSpec, Unpack


@dataclass(frozen=True)
class PolicyConfig(DeterministicConfig, ActorCriticConfig):
    """Options of methods for both kinds of action; what does not apply to a team's is refused."""

    max_gradient_norm: float = 0.5
    """Gradients are scaled down to this global norm, > 0."""


def by_actions(
    config: PolicyConfig, team: TeamSpec, unpack: Unpack, interaction: Interaction
) -> Algorithm:
    """Actor-critic for discrete actions, deterministic policy gradients for continuous ones.

    Raises:
        SwarmfieldError: An option is given that the chosen one does not have.
    """
    if isinstance(team.actions, Box):
        _refuse_options_of(ActorCriticConfig, DeterministicConfig, config, team)
        return deterministic(config, team, unpack, interaction)
    _refuse_options_of(DeterministicConfig, ActorCriticConfig, config, team)
    return actor_critic(config, team, unpack, interaction)


def _refuse_options_of(unused: type, used: type, config: PolicyConfig, team: TeamSpec) -> None:
    """Refuse options that would be ignored and are not what they are by default."""
    known = {field.name for field in dataclasses.fields(used)}
    without = {field.name for field in dataclasses.fields(unused)} - known
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in without and value != field.default:
            kind, other = ("continuous", "discrete")
            if used is ActorCriticConfig:
                kind, other = other, kind
            raise SwarmfieldError(
                f"{spelled(field.name, 'algo.')} is {value}, but is an option for {other} actions, "
                f"and team {team.name!r} has {kind} ones; leave it out."
            )
