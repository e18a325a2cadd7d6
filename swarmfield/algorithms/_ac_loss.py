"""What actor-critic minimises: advantages of a rollout, and the gradient."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from swarmfield.algorithms._ac_config import ActorCriticConfig
from swarmfield.algorithms._descent import Descent
from swarmfield.algorithms._following import Steps, loss_of_steps
from swarmfield.algorithms._interaction import Interaction, join
from swarmfield.algorithms._perception import Recorded, Senses, as_if_done, embed_steps
from swarmfield.batching import mean_of, shares
from swarmfield.chunks import sum_over_chunks
from swarmfield.distributions import mask_illegal
from swarmfield.networks import ActorCriticNetwork
from swarmfield.returns import gae
from swarmfield.types import PRNGKey, Timestep, Trajectory


class Parts(NamedTuple):
    """What a method is made of. All static."""

    config: ActorCriticConfig
    senses: Senses
    num_actions: int
    interaction: Interaction
    descent: Descent


class Examples(NamedTuple):
    """Whole steps to learn from; `share` is each agent's part of the mean, 0 for none.

    `value_next` is V at the step after, 0 where an agent has no future.
    """

    now: Timestep
    after: Timestep
    recorded: Recorded
    value_next: Float[Array, "M N"]
    advantage: Float[Array, "M N"]
    target: Float[Array, "M N"]
    share: Float[Array, "M N"]


def evaluate(
    parts: Parts,
    network: ActorCriticNetwork,
    x: Float[Array, "*M N X"],
    timesteps: Timestep,
    recorded: Recorded,
) -> tuple[Float[Array, "*M N A"], Float[Array, "*M N"]]:
    """Logits and values of all agents of one step or several, from their embeddings."""
    tell = partial(parts.interaction.tell, network.interaction)
    for _ in x.shape[:-2]:
        tell = jax.vmap(tell)
    for_actor, for_critic = tell(x, as_if_done(timesteps, recorded), recorded.tracked)
    logits = mask_illegal(network.actor(join(x, for_actor)), timesteps.legal)
    return logits, network.critic(join(x, for_critic))[..., 0]


def examples_of(parts: Parts, batch: Trajectory, value: Float[Array, "T1 E N"]) -> Examples:
    """Advantages and targets, with steps and environments merged."""
    now = jax.tree.map(lambda x: x[:-1], batch.steps)
    after = jax.tree.map(lambda x: x[1:], batch.steps)
    config = parts.config
    advantage = partial(gae, gamma=config.gamma, lambda_=config.gae_lambda)
    # Over environments, then over agents.
    advantage = jax.vmap(jax.vmap(advantage, 1, 1), 2, 2)(
        after.reward, after.terminated, value, batch.weight > 0
    )
    share = shares(batch.weight)
    value_next = jnp.where(after.terminated, 0.0, value[1:])
    target = advantage + value[:-1]
    recorded = batch.record["recorded"]
    examples = Examples(now, after, recorded, value_next, advantage, target, share)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), examples)


def gradient_of(
    parts: Parts, network: ActorCriticNetwork, tracker: Any, examples: Examples, key: PRNGKey
) -> Any:
    """((loss, sums), gradients) of network and tracker, added up over chunks of whole steps."""
    gradient = jax.value_and_grad(partial(_loss, parts, examples.share.size), has_aux=True)
    gradient = partial(gradient, (network, tracker))
    return sum_over_chunks(gradient, examples, parts.senses.steps_at_once, key)


def _loss(
    parts: Parts,
    batch_size: int,
    learned: tuple[ActorCriticNetwork, Any],
    examples: Examples,
    key: PRNGKey,
) -> tuple[Float[Array, ""], dict[str, Any]]:
    """The examples' part of the loss, and of the tracker's."""
    network, tracker = learned
    x = embed_steps(parts.senses, network.trunk, examples.now)
    logits, value = evaluate(parts, network, x, examples.now, examples.recorded)
    log_policy = jax.nn.log_softmax(logits)
    action = examples.after.last_action.astype(jnp.int32)
    # A reset's action is out of range; its share is 0.
    chosen = jnp.take_along_axis(log_policy, action[..., None], axis=-1, mode="clip")[..., 0]
    entropy = -jnp.sum(jnp.exp(log_policy) * log_policy, axis=-1)
    each = {
        "actor_loss": -examples.advantage * chosen,
        "critic_loss": (examples.target - value) ** 2,
        "entropy": entropy,
        "value": value,
    }
    sums = mean_of(examples.share, each)
    config = parts.config
    loss = sums["actor_loss"] + config.value_weight * sums["critic_loss"]
    loss = loss - config.entropy_weight * sums["entropy"]
    steps = Steps(examples.now, examples.after, examples.value_next, examples.share)
    more, sums["tracker"] = loss_of_steps(
        parts.senses, (network.trunk, tracker), x, steps, batch_size, key
    )
    return loss + more, {"loss": loss, **sums}
