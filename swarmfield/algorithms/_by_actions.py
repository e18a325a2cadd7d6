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

    learning_rate: float = 1e-3
    """Adam's step size at the start, > 0; of the critic where actions are continuous."""
    max_gradient_norm: float = 0.5
    """Gradients are scaled down to this global norm, > 0."""


def by_actions(
    config: PolicyConfig, team: TeamSpec, unpack: Unpack, interaction: Interaction
) -> Algorithm:
    """Actor-critic for discrete actions, deterministic policy gradients for continuous ones.

    Raises:
        SwarmfieldError: An option is given that the chosen one does not have.
    """
    _refuse(config, team)
    if isinstance(team.actions, Box):
        return deterministic(config, team, unpack, interaction)
    return actor_critic(config, team, unpack, interaction)


def of_other_actions(team: TeamSpec) -> set[str]:
    """Options of a `PolicyConfig` that are for the kind of action that a team has not."""
    kinds = DeterministicConfig, ActorCriticConfig
    deterministic_only, actor_critic_only = (
        {field.name for field in dataclasses.fields(kind)} for kind in kinds
    )
    if isinstance(team.actions, Box):
        return actor_critic_only - deterministic_only
    return deterministic_only - actor_critic_only


def _refuse(config: PolicyConfig, team: TeamSpec) -> None:
    """Refuse options for the other kind of action, which would be ignored, if not the default."""
    kind = "discrete" if isinstance(team.actions, Box) else "continuous"
    default = {field.name: field.default for field in dataclasses.fields(config)}
    for name in sorted(of_other_actions(team)):
        if getattr(config, name) != default[name]:
            raise SwarmfieldError(
                f"{spelled(name, 'algo.')} is {getattr(config, name)}, but is an option for {kind} "
                f"actions, and team {team.name!r} has {team.actions}; leave it out."
            )
