"""Q-learning with shared parameters, for any mean field: the half that its methods share."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from swarmfield import schedules
from swarmfield.algorithms._descent import descent, towards
from swarmfield.algorithms._following import begin, follow, measure, start_following
from swarmfield.algorithms._perception import (
    Player,
    Recorded,
    Senses,
    decide,
    groups_of,
    perceive,
    player_of,
)
from swarmfield.algorithms._q_config import QLearningConfig
from swarmfield.algorithms._q_loss import (
    Parts,
    QLearner,
    examples_of,
    gradient_of,
    tell,
)
from swarmfield.chunks import in_chunks
from swarmfield.distributions import boltzmann, epsilon_greedy, mask_illegal, sample
from swarmfield.mean_field import MeanField, num_actions, with_identity
from swarmfield.networks import QNetwork
from swarmfield.types import (
    Algorithm,
    PRNGKey,
    TeamSpec,
    Timestep,
    Transitions,
    Unpack,
)

_TRACKER = 2**16
"""Folded into a learner's key for its tracker: beyond the few keys that a network splits off."""


def q_learning(
    config: QLearningConfig, team: TeamSpec, unpack: Unpack, field: MeanField
) -> Algorithm:
    """Parameter-shared deep Q-learning on (observation, mean field).

    Loss: mean over sampled agents of (y - Q(o, m, a))^2, y = r + gamma (1 - d) V(s') with V of
    `returns.double_q_value` or `returns.boltzmann_value`, and m recomputed from the stored step.

    Args:
        config: Its options.
        team: The learning team, with discrete actions.
        unpack: One agent's observation from a timestep.
        field: The mean field every agent sees beside its observation, and beside who it is, if
            it is told.
    """
    parts = parts_of(config, team, unpack, field)
    field = parts.field
    return Algorithm(
        experience=config.replay("agents", config.batch_size),
        init=partial(_init, parts),
        begin=lambda _learner, timestep, *_: begin(field.tracker, timestep),
        act=partial(_act, parts),
        update=partial(_update, parts),
        explore=_exploration(config),
        policy=player_of,
        groups=groups_of(field.groups, lambda recorded: recorded),
    )


def parts_of(config: QLearningConfig, team: TeamSpec, unpack: Unpack, field: MeanField) -> Parts:
    """What agents that are told who they are, if they are to be, are made of."""
    told = with_identity(team, field, config.identity)
    senses = Senses(team, unpack, config.trunk, told.tracker)
    return Parts(config, senses, num_actions(team), told, descent(config))


def new_network(parts: Parts, key: PRNGKey) -> QNetwork:
    """New parameters of the agents' network."""
    team, trunk = parts.senses.team, parts.config.trunk
    return QNetwork(trunk, team, parts.num_actions, parts.field.reader, key)


def _init(parts: Parts, key: PRNGKey) -> QLearner:
    network = new_network(parts, key)
    target = jax.tree.map(jnp.copy, network)
    followed = start_following(
        parts.senses.tracker, parts.descent, jax.random.fold_in(key, _TRACKER)
    )
    return QLearner(network, target, parts.descent.init(network), *followed)


def _act(
    parts: Parts,
    learner: Any,
    timestep: Timestep,
    memory: Any,
    key: PRNGKey,
    explore: Float[Array, " N"],
) -> tuple[Int[Array, " N"], Any, Recorded]:
    """Greedy where `explore` is 0, else drawn from the exploring policy.

    The learner is any that `player_of` takes.
    """
    player = player_of(learner)
    x, memory, tracked = perceive(
        parts.senses, player.network.trunk, player.tracker, timestep, memory, key
    )

    def choose(recorded: Recorded, key: PRNGKey) -> Int[Array, " N"]:
        q = values(parts, player, x, timestep, recorded)
        return draw(parts.config, q, timestep, key, explore)

    actions, recorded = decide(choose, tracked, timestep, key, delayed=parts.field.delayed)
    return actions, memory, recorded


def values(
    parts: Parts, player: Player, x: Float[Array, "N X"], timestep: Timestep, recorded: Recorded
) -> Float[Array, "N A"]:
    """What all agents' actions are worth to them; illegal ones masked."""
    told = tell(parts, timestep, recorded, x.shape[0])

    def judge(agents: Int[Array, " C"]) -> Float[Array, "C A"]:
        return player.network.judge(x[agents], told(agents))

    q = in_chunks(judge, jnp.arange(x.shape[0]), parts.senses.agents_at_once)
    return mask_illegal(q, timestep.legal)


def draw(
    config: QLearningConfig,
    q: Float[Array, "N A"],
    timestep: Timestep,
    key: PRNGKey,
    explore: Float[Array, " N"],
) -> Int[Array, " N"]:
    """Greedy where `explore` is 0, else as the options say."""
    if config.exploration == "boltzmann":
        probabilities = boltzmann(q, explore)
    else:
        probabilities = epsilon_greedy(q, timestep.legal, explore)
    drawn = sample(probabilities, key)
    return jnp.where(explore > 0, drawn, jnp.argmax(q, axis=-1).astype(jnp.int32))


def _update(
    parts: Parts, learner: QLearner, batch: Transitions, key: PRNGKey, progress: Float[Array, ""]
) -> tuple[QLearner, dict[str, Float[Array, ""]]]:
    """One step of the optimizer, and of the target towards the network."""
    (_, sums), gradients = gradient_of(parts, learner, examples_of(parts, batch), key)
    network, optimizer, norm = parts.descent.step(
        learner.network, gradients[0], learner.optimizer, progress
    )
    target = towards(learner.target, network, parts.config.tau)
    tracker = parts.senses.tracker
    followed, learned = follow(
        tracker,
        parts.descent,
        (learner.tracker, learner.tracker_optimizer),
        gradients[1],
        sums["tracker"],
        progress,
    )
    metrics = {"loss": sums["loss"], "q": sums["q"], "gradient_norm": norm}
    metrics |= learned | measure(
        tracker, batch.now, batch.record_before.tracked, batch.record.tracked
    )
    return QLearner(network, target, optimizer, *followed), metrics


def _exploration(config: QLearningConfig) -> schedules.Schedule:
    if config.schedule == "mfrl":
        return schedules.mfrl(config.explore_start, config.explore_end)
    return schedules.linear(config.explore_start, config.explore_end, config.explore_fraction)
