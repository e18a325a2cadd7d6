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
        _refuse(_only_in(ActorCriticConfig, DeterministicConfig), config, team, "discrete")
        return deterministic(config, team, unpack, interaction)
    _refuse(_only_in(DeterministicConfig, ActorCriticConfig), config, team, "continuous")
    return actor_critic(config, team, unpack, interaction)


def _only_in(options: type, others: type) -> set[str]:
    """Names of options that others do not have."""
    names, shared = ({field.name for field in dataclasses.fields(x)} for x in (options, others))
    return names - shared


def _refuse(unused: set[str], config: PolicyConfig, team: TeamSpec, kind: str) -> None:
    """Refuse options for a kind of action, which would be ignored, if they are not the default."""
    default = {field.name: field.default for field in dataclasses.fields(config)}
    for name in sorted(unused):
        if getattr(config, name) != default[name]:
            raise SwarmfieldError(
                f"{spelled(name, 'algo.')} is {getattr(config, name)}, but is an option for {kind} "
                f"actions, and team {team.name!r} has {team.actions}; leave it out."
            )
