"""Advantage actor-critic with shared parameters: the half that AC, MFAC and others share."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from swarmfield.algorithms._ac_config import ActorCriticConfig
from swarmfield.algorithms._descent import Descent, descent
from swarmfield.algorithms._interaction import Interaction
from swarmfield.distributions import mask_illegal, sample
from swarmfield.mean_field.team import num_actions
from swarmfield.networks import ActorCriticNetwork, agents_at_once, in_chunks, into_chunks
from swarmfield.returns import gae
from swarmfield.types import Algorithm, PRNGKey, Rollout, TeamSpec, Timestep, Trajectory, Unpack


class ActorCritic(eqx.Module):
    """What actor-critic methods learn."""

    network: ActorCriticNetwork
    optimizer: optax.OptState


class Parts(NamedTuple):
    """What a method is made of. All static."""

    config: ActorCriticConfig
    team: TeamSpec
    unpack: Unpack
    interaction: Interaction
    descent: Descent


class Examples(NamedTuple):
    """Whole steps to learn from; `share` is each agent's part of the mean, 0 for none."""

    timestep: Timestep
    action: Int[Array, "M N"]
    advantage: Float[Array, "M N"]
    target: Float[Array, "M N"]
    share: Float[Array, "M N"]


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
    num_actions(team)  # refuses a team that has none
    parts = Parts(config, team, unpack, interaction, descent(config))
    return Algorithm(
        experience=Rollout(config.rollout_length),
        init=partial(_init, parts),
        begin=lambda *_: None,
        act=partial(_act, parts),
        update=partial(_update, parts),
        explore=lambda _: jnp.ones(()),
        policy=policy,
    )


def policy(learner: ActorCritic | ActorCriticNetwork) -> ActorCriticNetwork:
    """The part of a learner that acts."""
    return learner.network if isinstance(learner, ActorCritic) else learner


def _init(parts: Parts, key: PRNGKey) -> ActorCritic:
    key_network, key_interaction = jax.random.split(key)
    network = ActorCriticNetwork(
        parts.config.trunk,
        parts.team,
        num_actions(parts.team),
        parts.interaction.init(key_interaction),
        parts.interaction.added,
        key_network,
    )
    return ActorCritic(network, parts.descent.init(network))


def _evaluate(
    parts: Parts, network: ActorCriticNetwork, timestep: Timestep
) -> tuple[Float[Array, "N A"], Float[Array, " N"]]:
    """Logits and values of all agents of one step."""
    chunk = agents_at_once(parts.config.trunk)

    def embed(agents: Int[Array, " C"]) -> Float[Array, "C X"]:
        seen = jax.vmap(lambda index: parts.unpack(timestep, index))(agents)
        # Without the barrier XLA unpacks again for every layer that reads the view.
        return network.trunk(jax.lax.optimization_barrier(seen))

    # In chunks, only embeddings are kept for the way back; views are read again.
    is_large = parts.team.num_agents > chunk
    x = in_chunks(
        jax.checkpoint(embed) if is_large else embed, jnp.arange(parts.team.num_agents), chunk
    )
    for_actor, for_critic = parts.interaction.tell(network.interaction, x, timestep)
    logits = mask_illegal(network.actor(_join(x, for_actor)), timestep.legal)
    return logits, network.critic(_join(x, for_critic))[:, 0]


def _join(x: Float[Array, "N X"], told: Float[Array, "N G"] | None) -> Float[Array, "N X2"]:
    return x if told is None else jnp.concatenate([x, told], axis=-1)


def _act(
    parts: Parts,
    learner: ActorCriticNetwork | ActorCritic,
    timestep: Timestep,
    memory: None,
    key: PRNGKey,
    explore: Float[Array, " N"],
) -> tuple[Int[Array, " N"], None, dict[str, Float[Array, " N"]]]:
    """Greedy where `explore` is 0, else drawn from the policy."""
    logits, value = _evaluate(parts, policy(learner), timestep)
    drawn = sample(jax.nn.softmax(logits), key)
    return jnp.where(explore > 0, drawn, jnp.argmax(logits, axis=-1)), memory, {"value": value}


def _update(
    parts: Parts, learner: ActorCritic, batch: Trajectory, key: PRNGKey, progress: Float[Array, ""]
) -> tuple[ActorCritic, dict[str, Float[Array, ""]]]:
    """One step of the optimizer on a whole rollout."""
    del key  # nothing is drawn
    examples = _examples(parts, learner.network, batch)
    metrics, gradients = _gradient(parts, learner.network, examples)
    network, optimizer, norm = parts.descent.step(
        learner.network, gradients, learner.optimizer, progress
    )
    return ActorCritic(network, optimizer), {**metrics, "gradient_norm": norm}


def _examples(parts: Parts, network: ActorCriticNetwork, batch: Trajectory) -> Examples:
    """Advantages and targets, with steps and environments merged."""
    last = jax.tree.map(lambda x: x[-1], batch.steps)
    final = jax.lax.map(lambda one: _evaluate(parts, network, one)[1], last)
    value = jnp.concatenate([batch.record["value"], final[None]])
    after = jax.tree.map(lambda x: x[1:], batch.steps)
    advantage = jax.vmap(jax.vmap(partial(_advantage, parts.config), 1, 1), 2, 2)(
        after.reward, after.terminated, value, batch.weight > 0
    )
    now = jax.tree.map(lambda x: x[:-1], batch.steps)
    share = batch.weight / jnp.maximum(jnp.sum(batch.weight), 1e-9)
    examples = Examples(
        now, after.last_action.astype(jnp.int32), advantage, advantage + value[:-1], share
    )
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), examples)


def _advantage(
    config: ActorCriticConfig,
    reward: Float[Array, " T"],
    terminated: Bool[Array, " T"],
    value: Float[Array, " T+1"],
    valid: Bool[Array, " T"],
) -> Float[Array, " T"]:
    return gae(reward, terminated, value, valid, config.gamma, config.gae_lambda)


def _gradient(
    parts: Parts, network: ActorCriticNetwork, examples: Examples
) -> tuple[dict[str, Float[Array, ""]], Any]:
    """Metrics and the loss's gradient, added up over chunks of whole steps."""
    gradient = jax.grad(partial(_loss, parts), has_aux=True)
    chunk = max(1, agents_at_once(parts.config.trunk) // parts.team.num_agents)

    def add(total: Any, some: Examples) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, gradient(network, some)), None

    names = ("loss", "actor_loss", "critic_loss", "entropy", "value")
    zero = jax.tree.map(jnp.zeros_like, network), {name: jnp.zeros(()) for name in names}
    gradients, metrics = jax.lax.scan(add, zero, into_chunks(examples, chunk))[0]
    return metrics, gradients


def _loss(
    parts: Parts, network: ActorCriticNetwork, examples: Examples
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """The examples' part of the loss."""
    logits, value = jax.vmap(partial(_evaluate, parts, network))(examples.timestep)
    log_policy = jax.nn.log_softmax(logits)
    # A reset's action is out of range; its share is 0.
    chosen = jnp.take_along_axis(log_policy, examples.action[..., None], axis=-1, mode="clip")
    entropy = -jnp.sum(jnp.exp(log_policy) * log_policy, axis=-1)
    counts = examples.share > 0

    def mean(x: Float[Array, "M N"]) -> Float[Array, ""]:
        return jnp.sum(examples.share * jnp.where(counts, x, 0.0))

    metrics = {
        "actor_loss": -mean(examples.advantage * chosen[..., 0]),
        "critic_loss": mean((examples.target - value) ** 2),
        "entropy": mean(entropy),
        "value": mean(value),
    }
    loss = (
        metrics["actor_loss"]
        + parts.config.value_weight * metrics["critic_loss"]
        - parts.config.entropy_weight * metrics["entropy"]
    )
    return loss, {"loss": loss, **metrics}
