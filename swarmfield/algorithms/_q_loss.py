"""What Q-learning minimises: examples read from replay, their targets, and the gradient."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from swarmfield.algorithms._descent import Descent
from swarmfield.algorithms._q_config import QLearningConfig
from swarmfield.distributions import mask_illegal
from swarmfield.mean_field import MeanField
from swarmfield.networks import QNetwork, agents_at_once, into_chunks
from swarmfield.returns import boltzmann_target, double_q_target
from swarmfield.types import Observation, TeamSpec, Timestep, Transitions, Unpack


class QLearner(eqx.Module):
    """What Q-learning learns."""

    network: QNetwork
    target: QNetwork
    optimizer: optax.OptState


class Inputs(NamedTuple):
    """What the network reads of a batch of agents, and which actions are legal for them."""

    observation: Observation
    field: Float[Array, "B G"] | None
    legal: Bool[Array, "B A"] | None


class Examples(NamedTuple):
    """A batch to learn from; `share` is each example's part of the mean, 0 for what is none."""

    now: Inputs
    after: Inputs
    action: Int[Array, " B"]
    reward: Float[Array, " B"]
    terminated: Bool[Array, " B"]
    share: Float[Array, " B"]


class Parts(NamedTuple):
    """What a method is made of. All static."""

    config: QLearningConfig
    team: TeamSpec
    size: int
    unpack: Unpack
    field: MeanField
    descent: Descent


def read(parts: Parts, timestep: Timestep, agents: Int[Array, " C"]) -> Inputs:
    field = parts.field.compute(timestep)
    observation = jax.vmap(lambda index: parts.unpack(timestep, index))(agents)
    seen = jax.vmap(lambda index: parts.field.at(field, index))(agents)
    legal = None if timestep.legal is None else timestep.legal[agents]
    # Without the barrier XLA unpacks again for every layer that reads the view.
    return Inputs(*jax.lax.optimization_barrier((observation, seen, legal)))


def values(network: QNetwork, inputs: Inputs) -> Float[Array, "B A"]:
    return mask_illegal(network(inputs.observation, inputs.field), inputs.legal)


def examples_of(parts: Parts, batch: Transitions) -> Examples:
    """Everything the loss needs, with steps and agents `[M, C]` merged into one batch."""
    steps = jax.tree.map(lambda *pair: jnp.concatenate(pair), batch.now, batch.next)
    inputs = jax.vmap(partial(read, parts))(steps, jnp.concatenate([batch.agents] * 2))
    merged = jax.tree.map(lambda x: x.reshape(2, -1, *x.shape[2:]), inputs)
    now, after = (jax.tree.map(lambda x, half=half: x[half], merged) for half in range(2))
    outcome = (batch.next.last_action, batch.next.reward, batch.next.terminated)
    action, reward, terminated = (
        jnp.take_along_axis(x, batch.agents, axis=1).reshape(-1) for x in outcome
    )
    weight = batch.weight.reshape(-1)
    share = weight / jnp.maximum(jnp.sum(weight), 1e-9)
    return Examples(now, after, action.astype(jnp.int32), reward, terminated, share)


def gradient_of(
    parts: Parts, learner: QLearner, examples: Examples
) -> tuple[tuple[Float[Array, ""], Float[Array, ""]], Any]:
    """Loss, mean value and gradient (a network of them), added up over chunks of the batch."""
    gradient = jax.value_and_grad(partial(_loss, parts), has_aux=True)
    chunk = agents_at_once(parts.config.trunk)
    if examples.share.shape[0] <= chunk:
        return gradient(learner.network, learner.target, examples)

    def add(total: Any, some: Examples) -> tuple[Any, None]:
        part = gradient(learner.network, learner.target, some)
        return jax.tree.map(jnp.add, total, part), None

    zero = (jnp.zeros(()), jnp.zeros(())), jax.tree.map(jnp.zeros_like, learner.network)
    return jax.lax.scan(add, zero, into_chunks(examples, chunk))[0]


def _loss(
    parts: Parts, network: QNetwork, target: QNetwork, examples: Examples
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The examples' part of the mean squared error, and of the mean value."""
    online_next = jax.lax.stop_gradient(values(network, examples.after))
    target_next = values(target, examples.after)
    y = jax.vmap(partial(_target, parts.config))(
        examples.reward, examples.terminated, online_next, target_next
    )
    # A reset's action is out of range; its share is 0.
    column = examples.action[:, None]
    q = values(network, examples.now)
    chosen = jnp.take_along_axis(q, column, axis=1, mode="clip")[:, 0]
    counts = examples.share > 0
    error, value = jnp.where(counts, y - chosen, 0.0), jnp.where(counts, chosen, 0.0)
    return jnp.sum(examples.share * error**2), jnp.sum(examples.share * value)


def _target(
    config: QLearningConfig,
    reward: Float[Array, ""],
    terminated: Bool[Array, ""],
    online_next: Float[Array, " A"],
    target_next: Float[Array, " A"],
) -> Float[Array, ""]:
    if config.target == "double":
        return double_q_target(reward, terminated, online_next, target_next, config.gamma)
    temperature = jnp.asarray(config.target_temperature)
    return boltzmann_target(reward, terminated, target_next, temperature, config.gamma)
