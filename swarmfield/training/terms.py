"""On what terms a team learns: who of it, and from whose rewards."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from swarmfield.training.incremental import IncrementalConfig, exploring, learning
from swarmfield.training.matchup import Policy, random_policy
from swarmfield.types import PRNGKey, TeamSpec, Timestep

Reward = Literal["individual", "team"]

_AT_RANDOM = 5
"""Folded into a key of acting for those who do not learn."""


class Terms(NamedTuple):
    """The terms of one learner's team. Static.

    Attributes:
        team: Which.
        reward: Each agent's own, or one for all: the mean.
        incremental: Who learns when.
    """

    team: TeamSpec
    reward: Reward = "individual"
    incremental: IncrementalConfig = IncrementalConfig()

    def marked(self, timestep: Timestep, progress: Float[Array, ""]) -> Timestep:
        """Timesteps `[E, ...]` that say who learns."""
        trained = learning(self.incremental, self.team.num_agents, progress)
        trained = timestep.trained & trained[None]
        return eqx.tree_at(lambda t: t.trained, timestep, trained)

    def explore(self, progress: Float[Array, ""], explore: Float[Array, ""]) -> Array:
        """How much to explore: one number, or each agent's."""
        if not self.incremental.is_on:
            return explore
        return exploring(self.incremental, self.team.num_agents, progress, explore)

    def paid(self, timestep: Timestep) -> Timestep:
        """Timesteps `[E, ...]` with the rewards that are learned from.

        A team's reward is the mean over all its rows that learn, the dead included, and
        everybody gets it: it has one scale throughout an episode.
        """
        if self.reward == "individual":
            return timestep
        everybody = self.incremental.reward_scope == "all"
        counted = jnp.ones_like(timestep.trained) if everybody else timestep.trained
        number = jnp.maximum(jnp.sum(counted, axis=1, keepdims=True), 1)
        total = jnp.sum(jnp.where(counted, timestep.reward, 0.0), axis=1, keepdims=True)
        reward = jnp.broadcast_to(total / number, timestep.reward.shape)
        return eqx.tree_at(lambda t: t.reward, timestep, reward)

    def policy(self, policy: Policy) -> Policy:
        """How the team acts while it learns: who does not learn acts at random."""
        if not self.incremental.is_on:
            return policy
        at_random = random_policy(self.team)

        def act(
            learner: Any,
            timestep: Timestep,
            memory: Any,
            key: PRNGKey,
            explore: Float[Array, " N"],
        ) -> tuple[Array, Any, Any]:
            actions, memory, record = policy.act(learner, timestep, memory, key, explore)
            key = jax.random.fold_in(key, _AT_RANDOM)
            drawn, _, _ = at_random.act(None, timestep, None, key, explore)
            trained = timestep.trained.reshape(-1, *[1] * (actions.ndim - 1))
            return jnp.where(trained, actions, drawn), memory, record

        return policy._replace(act=act)
