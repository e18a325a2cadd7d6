"""Q-learning of what agents' values make together: the half that its methods share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from swarmfield.algorithms._descent import towards
from swarmfield.algorithms._factored_loss import (
    FactoredLearner,
    Rule,
    gradient_of,
    steps_of,
)
from swarmfield.algorithms._q_config import QLearningConfig
from swarmfield.algorithms._q_learning import new_network, parts_of, q_learning
from swarmfield.algorithms._q_loss import Parts
from swarmfield.mean_field import MeanField
from swarmfield.types import Algorithm, PRNGKey, TeamSpec, Transitions, Unpack


@dataclass(frozen=True)
class FactoredConfig(QLearningConfig):
    """Options of methods that learn from whole steps of the team."""

    batch_size: int = 2560
    """Agent transitions an update, of whole steps: 256 of a team of ten."""
    exploration: Literal["boltzmann", "epsilon"] = "epsilon"
    """Sample in proportion to exp(Q / T), or uniformly with probability epsilon. What rises with
    values gives them no scale that a temperature could be set against."""


def factored(
    config: FactoredConfig, team: TeamSpec, unpack: Unpack, field: MeanField, rule: Rule
) -> Algorithm:
    """Parameter-shared Q-learning of what a rule makes of the agents' values, on whole steps.

    q_i = Q(o_i, m_i, a_i), m_i a mean field; agents act by it as in `q_learning`. What is learned
    of a mixer is said by `mixed`, of groups by `hierarchical`.

    Args:
        config: Its options.
        team: The learning team, with discrete actions.
        unpack: One agent's observation from a timestep.
        field: The mean field every agent sees beside its observation; one that follows nothing.
        rule: What is learned of the values, such as that of a mixer.
    """
    parts = parts_of(config, team, unpack, field)
    # It tells agents who they are by itself.
    alone = q_learning(config, team, unpack, field)
    return alone._replace(
        experience=config.replay("steps", -(-config.batch_size // team.num_agents)),
        init=partial(_init, parts, rule),
        update=partial(_update, parts, rule),
    )


def _init(parts: Parts, rule: Rule, key: PRNGKey) -> FactoredLearner:
    key_network, key_module = jax.random.split(key)
    learned = new_network(parts, key_network), rule.init(key_module)
    target = jax.tree.map(jnp.copy, learned)
    return FactoredLearner(learned[0], learned[1], target, parts.descent.init(learned))


def _update(
    parts: Parts,
    rule: Rule,
    learner: FactoredLearner,
    batch: Transitions,
    key: PRNGKey,
    progress: Float[Array, ""],
) -> tuple[FactoredLearner, dict[str, Any]]:
    """One step of the optimizer, and of the targets towards network and module."""
    (_, sums), gradients = gradient_of(parts, rule, learner, steps_of(parts, batch), key)
    (network, module), optimizer, norm = parts.descent.step(
        (learner.network, learner.mixer), gradients, learner.optimizer, progress
    )
    target = towards(learner.target, (network, module), parts.config.tau)
    return FactoredLearner(network, module, target, optimizer), {**sums, "gradient_norm": norm}
