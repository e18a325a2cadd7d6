"""What proximal policy optimisation minimises, on whole steps of the team."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from swarmfield.action_distributions import Family
from swarmfield.algorithms._descent import Descent
from swarmfield.algorithms._perception import Senses, see, see_steps
from swarmfield.algorithms._ppo_config import PPOConfig
from swarmfield.batching import mean_of, shares
from swarmfield.chunks import in_chunks, sum_over_chunks
from swarmfield.distributions import mask_illegal
from swarmfield.returns import gae
from swarmfield.types import Discrete, PRNGKey, Timestep, Trajectory

Network = Callable[..., Array]
"""Of observations and kinds, a critic's of who is alive, too."""


class Parts(NamedTuple):
    """What a method is made of. All static."""

    config: PPOConfig
    senses: Senses
    family: Family
    descent: Descent


class Examples(NamedTuple):
    """Whole steps to learn from.

    Attributes:
        now: What was seen.
        numbers: What was done, as drawn.
        before: The policy from which it was drawn.
        value: V as it was.
        advantage: Of what was done; standardised.
        target: Of the value.
        weight: 0 for what is no transition.
    """

    now: Timestep
    numbers: Float[Array, "M N L"]
    before: Float[Array, "M N P"]
    value: Float[Array, "M N"]
    advantage: Float[Array, "M N"]
    target: Float[Array, "M N"]
    weight: Float[Array, "M N"]


def allowed(parts: Parts, parameters: Float[Array, "*B P"], steps: Timestep) -> Array:
    """Parameters of policies that take no illegal action."""
    if not isinstance(parts.senses.team.actions, Discrete):
        return parameters
    return mask_illegal(parameters, steps.legal)


def policy_of_all(parts: Parts, actor: Network, timestep: Timestep) -> Float[Array, "N P"]:
    """Everybody's distribution at one step, some agents at a time."""

    def some(agents: Int[Array, " C"]) -> Float[Array, "C P"]:
        return actor(see(parts.senses, timestep, agents), timestep.kind[agents])

    agents = jnp.arange(parts.senses.team.num_agents)
    return allowed(parts, in_chunks(some, agents, parts.senses.agents_at_once), timestep)


def values_of(parts: Parts, critic: Network, steps: Timestep) -> Float[Array, "M N"]:
    """Values of all agents at several steps, some steps at a time."""

    def some(steps: Timestep) -> Float[Array, "C N"]:
        return critic(see_steps(parts.senses, steps), steps.kind, steps.alive)

    return in_chunks(some, steps, parts.senses.steps_at_once, on_all=True)


def examples_of(parts: Parts, critic: Network, batch: Trajectory) -> Examples:
    """Advantages and targets of a rollout, with steps and environments merged."""
    num_steps, num_envs = batch.steps.first.shape
    merged = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch.steps)
    value = values_of(parts, critic, merged).reshape(num_steps, num_envs, -1)
    config, after = parts.config, jax.tree.map(lambda x: x[1:], batch.steps)
    advantage = partial(gae, gamma=config.gamma, lambda_=config.gae_lambda)
    # Over environments, then over agents.
    advantage = jax.vmap(jax.vmap(advantage, 1, 1), 2, 2)(
        after.reward, after.terminated, value, batch.weight > 0
    )
    examples = Examples(
        jax.tree.map(lambda x: x[:-1], batch.steps),
        batch.record["numbers"],
        batch.record["policy"],
        value[:-1],
        standardised(advantage, batch.weight),
        advantage + value[:-1],
        batch.weight,
    )
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), examples)


def standardised(values: Float[Array, "*B"], weight: Float[Array, "*B"]) -> Float[Array, "*B"]:
    """Values less their mean, by their standard deviation; 0 where there is no weight."""
    share = shares(weight)
    mean = jnp.sum(share * values)
    deviation = jnp.sqrt(jnp.sum(share * (values - mean) ** 2))
    return jnp.where(weight > 0, (values - mean) / jnp.maximum(deviation, 1e-4), 0.0)


def gradient_of(
    parts: Parts, learned: Any, kl_weight: Array, examples: Examples, key: PRNGKey
) -> Any:
    """((loss, sums), gradients) of actor and critic, added up over chunks of whole steps."""
    loss = partial(_loss, parts, kl_weight, jnp.sum(examples.weight))
    gradient = partial(jax.value_and_grad(loss, has_aux=True), learned)
    return sum_over_chunks(
        lambda some, _: gradient(some), examples, parts.senses.steps_at_once, key
    )


def _loss(
    parts: Parts,
    kl_weight: Float[Array, ""],
    total: Float[Array, ""],
    learned: tuple[Network, Network],
    examples: Examples,
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """The examples' part of the loss."""
    actor, critic = learned
    config, family = parts.config, parts.family
    now = examples.now
    observation = see_steps(parts.senses, now)
    new = allowed(parts, actor(observation, now.kind), now)
    then = family.log_probability(examples.before, examples.numbers)
    log_ratio = family.log_probability(new, examples.numbers) - then
    ratio = jnp.exp(log_ratio)
    held = jnp.clip(ratio, 1 - config.clip, 1 + config.clip)
    value = critic(observation, now.kind, now.alive)
    moved = jnp.clip(value - examples.value, -config.value_clip, config.value_clip)
    each = {
        "actor_loss": -jnp.minimum(ratio * examples.advantage, held * examples.advantage),
        "critic_loss": jnp.maximum(
            (value - examples.target) ** 2, (examples.value + moved - examples.target) ** 2
        ),
        "entropy": family.entropy(new),
        "kl": family.divergence(examples.before, new),
        "clipped": (jnp.abs(ratio - 1) > config.clip).astype(jnp.float32),
        "value": value,
    }
    sums = mean_of(examples.weight / jnp.maximum(total, 1.0), each)
    loss = sums["actor_loss"] + config.value_weight * sums["critic_loss"]
    loss = loss - config.entropy_weight * sums["entropy"] + kl_weight * sums["kl"]
    return loss, {"loss": loss, **sums}
