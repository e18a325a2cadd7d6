"""Deterministic policy gradients with shared parameters: the half that its methods share."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from swarmfield import schedules
from swarmfield.algorithms._descent import descent, towards
from swarmfield.algorithms._deterministic_config import DeterministicConfig
from swarmfield.algorithms._deterministic_loss import (
    Network,
    Pair,
    Parts,
    actor_gradient,
    centre_and_half,
    choose,
    critic_gradient,
    examples_of,
    new_pair,
)
from swarmfield.algorithms._following import begin, follow, measure, start_following
from swarmfield.algorithms._interaction import Interaction
from swarmfield.algorithms._perception import (
    Player,
    Recorded,
    Senses,
    decide,
    groups_of,
    perceive,
    player_of,
)
from swarmfield.types import (
    Algorithm,
    Box,
    PRNGKey,
    SwarmfieldError,
    TeamSpec,
    Timestep,
    Transitions,
    Unpack,
)


class DeterministicLearner(eqx.Module):
    """What these methods learn; `network` is the actor, `tracker` the interaction's."""

    network: Network
    critic: Network
    target: Pair
    optimizer: optax.OptState
    critic_optimizer: optax.OptState
    tracker: Any
    tracker_optimizer: Any


def deterministic(
    config: DeterministicConfig, team: TeamSpec, unpack: Unpack, interaction: Interaction
) -> Algorithm:
    """Parameter-shared deep deterministic policy gradients, from replay of whole steps.

    With mu(o, m) = centre + half tanh(.) inside the box, m what the interaction tells, and
    means over living agents,

    - critic: mean (y - Q(o, m, a))^2, y = r + gamma (1 - d) Q_target(o', m', mu_target(o', m'));
    - then the actor: - mean Q(o, m, mu(o, m)), down its own parameters only;
    - targets of both, interactions included, follow by tau.

    Exploring adds noise N(0, (explore half)^2) to every number, cut off at the box.

    Args:
        config: Its options.
        team: The learning team, with actions in a box.
        unpack: One agent's observation from a timestep.
        interaction: What actor and critic are told of the others; each has its own.

    Raises:
        SwarmfieldError: The team's actions are not in a box.

    Source: Lillicrap et al. 2016. Departures: one optimiser step of the critic is made before
    the actor's, as in most codes; noise is independent from step to step.
    """
    if not isinstance(team.actions, Box):
        raise SwarmfieldError(
            f"This method needs continuous actions, but team {team.name!r} has {team.actions}; "
            "choose an algorithm for discrete actions."
        )
    senses = Senses(team, unpack, config.trunk, interaction.tracker)
    slower = dataclasses.replace(config, learning_rate=config.actor_learning_rate)
    parts = Parts(config, senses, team.actions, interaction, descent(config), descent(slower))
    return Algorithm(
        experience=config.replay("steps", -(-config.batch_size // team.num_agents)),
        init=partial(_init, parts),
        begin=lambda _learner, timestep, *_: begin(interaction.tracker, timestep),
        act=partial(_act, parts),
        update=partial(_update, parts),
        explore=schedules.linear(config.explore_start, config.explore_end, config.explore_fraction),
        policy=player_of,
        groups=groups_of(interaction.groups, lambda recorded: recorded),
    )


def _init(parts: Parts, key: PRNGKey) -> DeterministicLearner:
    key_pair, key_tracker = jax.random.split(key)
    actor, critic = new_pair(parts, key_pair)
    optimizers = parts.actor_descent.init(actor), parts.descent.init(critic)
    target = jax.tree.map(jnp.copy, (actor, critic))
    followed = start_following(parts.senses.tracker, parts.descent, key_tracker)
    return DeterministicLearner(actor, critic, target, *optimizers, *followed)


def _act(
    parts: Parts,
    learner: Player | DeterministicLearner,
    timestep: Timestep,
    memory: Any,
    key: PRNGKey,
    explore: Float[Array, " N"],
) -> tuple[Float[Array, "N A"], Any, Recorded]:
    """Greedy where `explore` is 0, else with as much noise."""
    player = player_of(learner)
    x, memory, tracked = perceive(
        parts.senses, player.network.trunk, player.tracker, timestep, memory, key
    )

    def explored(recorded: Recorded, key: PRNGKey) -> Float[Array, "N A"]:
        actions = choose(parts, player.network, x, timestep, recorded)
        return with_noise(parts.actions, actions, key, explore)

    delayed = parts.interaction.delayed
    actions, recorded = decide(explored, tracked, timestep, key, delayed=delayed)
    return actions, memory, recorded


def with_noise(
    box: Box, actions: Float[Array, "N A"], key: PRNGKey, explore: Float[Array, " N"]
) -> Float[Array, "N A"]:
    """Actions with noise N(0, (explore half)^2) on every number, cut off at the box."""
    _, half = centre_and_half(box)
    noise = half * explore[:, None] * jax.random.normal(key, actions.shape)
    return jnp.clip(actions + noise, box.low, box.high)


def _update(
    parts: Parts,
    learner: DeterministicLearner,
    batch: Transitions,
    key: PRNGKey,
    progress: Float[Array, ""],
) -> tuple[DeterministicLearner, dict[str, Float[Array, ""]]]:
    """One step of the critic's optimizer, then of the actor's, and of the targets."""
    examples, tracker = examples_of(batch), parts.senses.tracker
    actor, critic = learner.network, learner.critic
    (_, sums), gradients = critic_gradient(
        parts, (actor, critic), learner.target, learner.tracker, examples, key
    )
    critic, critic_optimizer, critic_norm = parts.descent.step(
        critic, gradients[0], learner.critic_optimizer, progress
    )
    loss, gradient = actor_gradient(parts, (actor, critic), examples, key)
    actor, optimizer, norm = parts.actor_descent.step(actor, gradient, learner.optimizer, progress)
    target = towards(learner.target, (actor, critic), parts.config.tau)
    followed, learned = follow(
        tracker,
        parts.descent,
        (learner.tracker, learner.tracker_optimizer),
        gradients[1],
        sums.pop("tracker"),
        progress,
    )
    metrics = sums | {
        "actor_loss": loss,
        "gradient_norm": norm,
        "critic_gradient_norm": critic_norm,
    }
    metrics |= learned | measure(
        tracker, batch.now, batch.record_before.tracked, batch.record.tracked
    )
    learner = DeterministicLearner(actor, critic, target, optimizer, critic_optimizer, *followed)
    return learner, metrics
