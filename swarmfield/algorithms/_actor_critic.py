"""Advantage actor-critic with shared parameters: the half that its methods share."""

from __future__ import annotations

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from swarmfield.algorithms._ac_config import ActorCriticConfig
from swarmfield.algorithms._ac_loss import Parts, evaluate, examples_of, gradient_of
from swarmfield.algorithms._descent import descent
from swarmfield.algorithms._following import begin, follow, measure, start_following
from swarmfield.algorithms._interaction import Interaction
from swarmfield.algorithms._perception import (
    Player,
    Recorded,
    Senses,
    embed,
    groups_of,
    perceive,
    player_of,
    to_record,
)
from swarmfield.distributions import sample
from swarmfield.mean_field import num_actions
from swarmfield.networks import ActorCriticNetwork
from swarmfield.types import (
    Algorithm,
    PRNGKey,
    Rollout,
    TeamSpec,
    Timestep,
    Trajectory,
    Unpack,
)


class ActorCritic(eqx.Module):
    """What actor-critic methods learn; `tracker` is what the interaction's tracker does."""

    network: ActorCriticNetwork
    optimizer: optax.OptState
    tracker: Any
    tracker_optimizer: Any


def actor_critic(
    config: ActorCriticConfig, team: TeamSpec, unpack: Unpack, interaction: Interaction
) -> Algorithm:
    """Parameter-shared advantage actor-critic on whole rollouts, each used once.

    Loss: mean over living agents' steps of
    -A log pi(a | o, m) + w_v (G - V(o, m))^2 - w_e H(pi(. | o, m)),
    with A of `returns.gae`, G = A + V, and m what the interaction tells.

    Args:
        config: Its options.
        team: The learning team, with discrete actions.
        unpack: One agent's observation from a timestep.
        interaction: What actor and critic are told of the others.
    """
    senses = Senses(team, unpack, config.trunk, interaction.tracker)
    parts = Parts(config, senses, num_actions(team), interaction, descent(config))
    return Algorithm(
        experience=Rollout(config.rollout_length),
        init=partial(_init, parts),
        begin=lambda _learner, timestep, *_: begin(interaction.tracker, timestep),
        act=partial(_act, parts),
        update=partial(_update, parts),
        explore=lambda _: jnp.ones(()),
        policy=player_of,
        groups=groups_of(interaction.groups, lambda record: record["recorded"]),
    )


def _init(parts: Parts, key: PRNGKey) -> ActorCritic:
    key_network, key_interaction, key_tracker = jax.random.split(key, 3)
    module = parts.interaction.init(key_interaction)
    network = ActorCriticNetwork(
        parts.config.trunk,
        parts.senses.team,
        parts.num_actions,
        module,
        parts.interaction.added(module),
        key_network,
    )
    followed = start_following(parts.senses.tracker, parts.descent, key_tracker)
    return ActorCritic(network, parts.descent.init(network), *followed)


def _act(
    parts: Parts,
    learner: Player | ActorCritic,
    timestep: Timestep,
    memory: Any,
    key: PRNGKey,
    explore: Float[Array, " N"],
) -> tuple[Int[Array, " N"], Any, dict[str, Any]]:
    """Greedy where `explore` is 0, else drawn from the policy."""
    player, senses = player_of(learner), parts.senses
    network = player.network
    x, memory, tracked = perceive(senses, network.trunk, player.tracker, timestep, memory, key)
    logits, value, recorded = _judge(parts, network, x, timestep, tracked, key, explore)
    return _draw(logits, key, explore), memory, {"value": value, "recorded": recorded}


def _draw(
    logits: Float[Array, "N A"], key: PRNGKey, explore: Float[Array, " N"]
) -> Int[Array, " N"]:
    drawn = sample(jax.nn.softmax(logits), key)
    return jnp.where(explore > 0, drawn, jnp.argmax(logits, axis=-1).astype(jnp.int32))


def _judge(
    parts: Parts,
    network: ActorCriticNetwork,
    x: Float[Array, "N X"],
    timestep: Timestep,
    tracked: Any,
    key: PRNGKey,
    explore: Float[Array, " N"],
) -> tuple[Float[Array, "N A"], Float[Array, " N"], Recorded]:
    """Logits and values from embeddings and the tracker's record, and what is recorded."""

    def choose(recorded: Recorded, key: PRNGKey) -> Int[Array, " N"]:
        return _draw(evaluate(parts, network, x, timestep, recorded)[0], key, explore)

    recorded = to_record(choose, tracked, timestep, key, delayed=parts.interaction.delayed)
    return *evaluate(parts, network, x, timestep, recorded), recorded


def _update(
    parts: Parts, learner: ActorCritic, batch: Trajectory, key: PRNGKey, progress: Float[Array, ""]
) -> tuple[ActorCritic, dict[str, Float[Array, ""]]]:
    """One step of the optimizer on a whole rollout."""
    key_look, key_learn = jax.random.split(key)
    value = jnp.concatenate([batch.record["value"], _last_value(parts, learner, batch, key_look)])
    (_, sums), gradients = gradient_of(
        parts, learner.network, learner.tracker, examples_of(parts, batch, value), key_learn
    )
    network, optimizer, norm = parts.descent.step(
        learner.network, gradients[0], learner.optimizer, progress
    )
    tracker = parts.senses.tracker
    followed, learned = follow(
        tracker,
        parts.descent,
        (learner.tracker, learner.tracker_optimizer),
        gradients[1],
        sums.pop("tracker"),
        progress,
    )
    metrics = sums | {"gradient_norm": norm} | learned | _measure(parts, batch)
    return ActorCritic(network, optimizer, *followed), metrics


def _last_value(
    parts: Parts, learner: ActorCritic, batch: Trajectory, key: PRNGKey
) -> Float[Array, "1 E N"]:
    """V of the newest step, on which nobody has acted yet; groups are as they were before it.

    Following the team here too would compile all of it a second time.
    """
    network = learner.network
    last, recorded = (jax.tree.map(lambda x: x[-1], y) for y in (batch.steps, batch.record))
    keys = jax.random.split(key, last.first.shape[0])

    def value(one: tuple[Timestep, Any, PRNGKey]) -> Float[Array, " N"]:
        x = embed(parts.senses, network.trunk, one[0])
        explore = jnp.ones(parts.senses.team.num_agents)
        return _judge(parts, network, x, *one, explore)[1]

    return jax.lax.map(value, (last, recorded["recorded"].tracked, keys))[None]


def _measure(parts: Parts, batch: Trajectory) -> dict[str, Float[Array, ""]]:
    """What the tracker measures from each step of a rollout to the next."""
    first, tracked = (r["recorded"].tracked for r in (batch.record_before, batch.record))
    before = jax.tree.map(lambda x, y: jnp.concatenate([x[None], y[:-1]]), first, tracked)
    now = jax.tree.map(lambda x: x[:-1], batch.steps)
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), (now, before, tracked))
    return measure(parts.senses.tracker, *flat)
