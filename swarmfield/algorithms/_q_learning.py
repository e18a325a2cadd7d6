"""Q-learning with shared parameters, for any mean field: the half IQL and MFQ have in common."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from swarmfield import schedules
from swarmfield.algorithms._descent import descent
from swarmfield.algorithms._q_config import QLearningConfig
from swarmfield.algorithms._q_loss import (
    Parts,
    QLearner,
    examples_of,
    gradient_of,
    read,
    values,
)
from swarmfield.distributions import boltzmann, epsilon_greedy, sample
from swarmfield.mean_field import MeanField
from swarmfield.mean_field.team import num_actions
from swarmfield.networks import QNetwork, agents_at_once, in_chunks
from swarmfield.types import (
    Algorithm,
    PRNGKey,
    Replay,
    TeamSpec,
    Timestep,
    Transitions,
    Unpack,
)


def q_learning(
    config: QLearningConfig, team: TeamSpec, unpack: Unpack, field: MeanField
) -> Algorithm:
    """Parameter-shared deep Q-learning on (observation, mean field).

    Loss: mean over sampled agents of (y - Q(o, m, a))^2, with y of `returns.double_q_target`
    or `returns.boltzmann_target`, and m recomputed from the stored step.

    Args:
        config: Its options.
        team: The learning team, with discrete actions.
        unpack: One agent's observation from a timestep.
        field: The mean field every agent sees beside its observation.
    """
    parts = Parts(config, team, num_actions(team), unpack, field, descent(config))
    return Algorithm(
        experience=Replay(
            "agents",
            config.capacity,
            config.batch_size,
            config.updates,
            config.every,
            config.warmup,
        ),
        init=partial(_init, parts),
        begin=lambda *_: None,
        act=partial(_act, parts),
        update=partial(_update, parts),
        explore=_exploration(config),
        policy=policy,
    )


def policy(learner: QLearner | QNetwork) -> QNetwork:
    """The part of a learner that acts."""
    return learner.network if isinstance(learner, QLearner) else learner


def _init(parts: Parts, key: PRNGKey) -> QLearner:
    network = QNetwork(parts.config.trunk, parts.team, parts.size, parts.field.size, key)
    return QLearner(network, jax.tree.map(jnp.copy, network), parts.descent.init(network))


def _act(
    parts: Parts,
    learner: QNetwork | QLearner,
    timestep: Timestep,
    memory: None,
    key: PRNGKey,
    explore: Float[Array, " N"],
) -> tuple[Int[Array, " N"], None, None]:
    """Greedy where `explore` is 0, else drawn from the exploring policy."""
    network = policy(learner)
    q = in_chunks(
        lambda agents: values(network, read(parts, timestep, agents)),
        jnp.arange(parts.team.num_agents),
        agents_at_once(parts.config.trunk),
    )
    if parts.config.exploration == "boltzmann":
        probabilities = boltzmann(q, explore)
    else:
        probabilities = epsilon_greedy(q, timestep.legal, explore)
    drawn = sample(probabilities, key)
    return jnp.where(explore > 0, drawn, jnp.argmax(q, axis=-1)), memory, None


def _update(
    parts: Parts, learner: QLearner, batch: Transitions, key: PRNGKey, progress: Float[Array, ""]
) -> tuple[QLearner, dict[str, Float[Array, ""]]]:
    """One step of the optimizer, and of the target towards the network."""
    del key  # nothing is drawn
    (loss, q), gradients = gradient_of(parts, learner, examples_of(parts, batch))
    network, optimizer, norm = parts.descent.step(
        learner.network, gradients, learner.optimizer, progress
    )
    tau = parts.config.tau
    target = jax.tree.map(lambda old, new: old + tau * (new - old), learner.target, network)
    return QLearner(network, target, optimizer), {"loss": loss, "q": q, "gradient_norm": norm}


def _exploration(config: QLearningConfig) -> schedules.Schedule:
    if config.schedule == "mfrl":
        return schedules.mfrl(config.explore_start, config.explore_end)
    return schedules.linear(config.explore_start, config.explore_end, config.explore_fraction)
