"""Actors that act alone, learned by critics of what everybody saw and did."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Num

from swarmfield import schedules
from swarmfield.algorithms._descent import descent, towards
from swarmfield.algorithms._deterministic import with_noise
from swarmfield.algorithms._joint_config import JointConfig
from swarmfield.algorithms._joint_loss import (
    Pair,
    Parts,
    actor_gradient,
    best,
    critic_gradient,
    new_pair,
    steps_of,
)
from swarmfield.algorithms._joint_networks import Everybody
from swarmfield.algorithms._perception import Player, Recorded, Senses, player_of, see
from swarmfield.distributions import mask_illegal
from swarmfield.mean_field import action_size, in_a_row
from swarmfield.types import Algorithm, Box, PRNGKey, TeamSpec, Timestep, Transitions, Unpack


class JointLearner(eqx.Module):
    """What these methods learn; `network` is the actors, and nothing is tracked."""

    network: Everybody
    critic: Everybody
    target: Pair
    optimizer: optax.OptState
    critic_optimizer: optax.OptState
    tracker: None = None


def joint(config: JointConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """Actors mu_i(o_i), critics Q_i(o_1 ... o_N, a_1 ... a_N), from replay of whole steps.

    - critics: mean (y_i - Q_i(o, a))^2, y_i = r_i + gamma (1 - d_i) Q_target,i(o', mu_target(o'));
    - then actors: - mean Q_i(o, a with a_i = mu_i(o_i)), down their own parameters only, plus the
      penalty of large logits;
    - targets of both follow by tau.

    Discrete actions are one-hots, drawn in the actors' loss by Gumbel noise and learned through
    softmax((logits + noise) / T), straight through. Exploring adds `explore` times such noise to
    logits before the largest is taken, so that 1 draws from the softmax; in a box it adds
    N(0, (explore half)^2).

    Args:
        config: Its options.
        team: The learning team.
        unpack: One agent's observation from a timestep.

    Raises:
        SwarmfieldError: The team takes several actions at once.
    """
    action_size(team)  # refuses what it cannot act in
    senses = Senses(team, unpack, config.trunk, None)
    slower = dataclasses.replace(config, learning_rate=config.actor_learning_rate)
    parts = Parts(config, senses, descent(config), descent(slower))
    return Algorithm(
        experience=config.replay("steps", -(-config.batch_size // team.num_agents)),
        init=partial(_init, parts),
        begin=lambda *_: None,
        act=partial(_act, parts),
        update=partial(_update, parts),
        explore=schedules.linear(config.explore_start, config.explore_end, config.explore_fraction),
        policy=player_of,
    )


def _init(parts: Parts, key: PRNGKey) -> JointLearner:
    actor, critic = new_pair(parts, key)
    optimizers = parts.actor_descent.init(actor), parts.descent.init(critic)
    target = jax.tree.map(jnp.copy, (actor, critic))
    return JointLearner(actor, critic, target, *optimizers)


def _act(
    parts: Parts,
    learner: Player | JointLearner,
    timestep: Timestep,
    _memory: None,
    key: PRNGKey,
    explore: Float[Array, " N"],
) -> tuple[Num[Array, "N ..."], None, Recorded]:
    """Each by what it sees itself."""
    seen = in_a_row(see(parts.senses, timestep, jnp.arange(parts.team.num_agents)))
    said = player_of(learner).network(seen)
    if isinstance(parts.team.actions, Box):
        actions = with_noise(parts.team.actions, best(parts, said), key, explore)
    else:
        noise = explore[:, None] * jax.random.gumbel(key, said.shape)
        actions = best(parts, mask_illegal(said + noise, timestep.legal))
    return actions, None, Recorded(None)


def _update(
    parts: Parts,
    learner: JointLearner,
    batch: Transitions,
    key: PRNGKey,
    progress: Float[Array, ""],
) -> tuple[JointLearner, dict[str, Any]]:
    """One step of the critics' optimizer, then of the actors', and of the targets."""
    steps, actor, critic = steps_of(parts, batch), learner.network, learner.critic
    (_, sums), gradient = critic_gradient(parts, (actor, critic), learner.target, steps, key)
    critic, critic_optimizer, critic_norm = parts.descent.step(
        critic, gradient, learner.critic_optimizer, progress
    )
    loss, gradient = actor_gradient(parts, (actor, critic), steps, key)
    actor, optimizer, norm = parts.actor_descent.step(actor, gradient, learner.optimizer, progress)
    target = towards(learner.target, (actor, critic), parts.config.tau)
    metrics = sums | {
        "actor_loss": loss,
        "gradient_norm": norm,
        "critic_gradient_norm": critic_norm,
    }
    learner = JointLearner(actor, critic, target, optimizer, critic_optimizer)
    return learner, metrics
