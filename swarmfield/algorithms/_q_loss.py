"""What Q-learning minimises: examples read from replay, their targets, and the gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Num

from swarmfield.algorithms._descent import Descent
from swarmfield.algorithms._perception import Recorded, Senses, as_if_done, see
from swarmfield.algorithms._q_config import QLearningConfig
from swarmfield.batching import mean_of, shares
from swarmfield.chunks import sum_over_chunks
from swarmfield.distributions import mask_illegal
from swarmfield.mean_field import MeanField, Outcome, parts_of
from swarmfield.networks import Glimpse, QNetwork
from swarmfield.returns import boltzmann_value, bootstrap
from swarmfield.types import Observation, PRNGKey, Timestep, Transitions


class QLearner(eqx.Module):
    """What Q-learning learns; `tracker` is what the mean field's tracker does, if anything."""

    network: QNetwork
    target: QNetwork
    optimizer: optax.OptState
    tracker: Any
    tracker_optimizer: Any


class Inputs(NamedTuple):
    """What the network reads of a batch of agents, and which actions are legal for them."""

    observation: Observation
    part: Any
    legal: Bool[Array, "B A"] | None


class Examples(NamedTuple):
    """A batch to learn from; `share` is each example's part of the mean, 0 for what is none."""

    now: Inputs
    after: Inputs
    last_action: Num[Array, "B ..."]
    action: Int[Array, " B"]
    reward: Float[Array, " B"]
    terminated: Bool[Array, " B"]
    share: Float[Array, " B"]


class Parts(NamedTuple):
    """What a method is made of. All static."""

    config: QLearningConfig
    senses: Senses
    num_actions: int
    field: MeanField
    descent: Descent


def read(parts: Parts, timestep: Timestep, recorded: Recorded, agents: Int[Array, " C"]) -> Inputs:
    """Some agents' inputs, of a stored step."""
    legal = None if timestep.legal is None else timestep.legal[agents]
    part = tell(parts, timestep, recorded, agents.shape[0])(agents)
    return Inputs(see(parts.senses, timestep, agents), part, legal)


def tell(
    parts: Parts, timestep: Timestep, recorded: Recorded, num_asked: int
) -> Callable[[Int[Array, " C"]], Any]:
    """A function that gives agents' parts of the mean field, for so many in all."""
    return parts_of(parts.field, as_if_done(timestep, recorded), recorded.tracked, num_asked)


def examples_of(parts: Parts, batch: Transitions) -> Examples:
    """Everything the loss needs, with steps and agents `[M, C]` merged into one batch."""
    steps, record = jax.tree.map(
        lambda *pair: jnp.concatenate(pair),
        (batch.now, batch.record),
        (batch.next, batch.record_after),
    )
    inputs = jax.vmap(partial(read, parts))(steps, record, jnp.concatenate([batch.agents] * 2))
    # Cut flat: as views XLA would reckon out a place in five dimensions for every number.
    flat = jax.lax.optimization_barrier(jax.tree.map(lambda x: x.reshape(2, -1), inputs))

    def half(number: int) -> Inputs:
        return jax.tree.map(lambda x, y: x[number].reshape(-1, *y.shape[2:]), flat, inputs)

    now, after = half(0), half(1)
    outcome = (
        batch.now.last_action,
        batch.next.last_action,
        batch.next.reward,
        batch.next.terminated,
    )
    last_action, action, reward, terminated = (
        jnp.take_along_axis(x, batch.agents, axis=1).reshape(-1) for x in outcome
    )
    weight = batch.weight.reshape(-1)
    share = shares(weight)
    action = action.astype(jnp.int32)
    return Examples(now, after, last_action, action, reward, terminated, share)


def gradient_of(parts: Parts, learner: QLearner, examples: Examples, key: PRNGKey) -> Any:
    """((loss, sums), gradients) of network and tracker, added up over chunks of the batch."""
    size = examples.share.shape[0]
    gradient = jax.value_and_grad(partial(_loss, parts, size), has_aux=True)
    learned = (learner.network, learner.tracker)
    return sum_over_chunks(
        partial(gradient, learned, learner.target), examples, parts.senses.agents_at_once, key
    )


def _loss(
    parts: Parts,
    batch_size: int,
    learned: tuple[QNetwork, Any],
    target: QNetwork,
    examples: Examples,
    key: PRNGKey,
) -> tuple[Float[Array, ""], dict[str, Any]]:
    """The examples' part of the mean squared error and of the tracker's loss."""
    network, tracker = learned
    now, after = examples.now, examples.after
    x_next = jax.lax.stop_gradient(network.trunk(after.observation))
    online_next = mask_illegal(network.judge(x_next, after.part), after.legal)
    target_next = mask_illegal(target(after.observation, after.part), after.legal)
    choose = jax.vmap(partial(next_values, parts.config))
    value, _ = choose(jax.lax.stop_gradient(online_next), target_next)
    y = jax.vmap(partial(bootstrap, gamma=parts.config.gamma))(
        examples.reward, examples.terminated, value
    )
    x = network.trunk(now.observation)
    # A reset's action is out of range; its share is 0.
    q = mask_illegal(network.judge(x, now.part), now.legal)
    chosen = jnp.take_along_axis(q, examples.action[:, None], axis=1, mode="clip")[:, 0]
    error = jnp.where(examples.share > 0, y - chosen, 0.0)
    loss, q = mean_of(examples.share, (error**2, chosen))
    sums = {"loss": loss, "q": q, "tracker": None}
    learning = parts.senses.learning
    if learning is None:
        return loss, sums
    glimpse = Glimpse(now.observation, jax.lax.stop_gradient(x), examples.last_action)
    outcome = Outcome(examples.reward, jnp.where(examples.terminated, 0.0, value), x_next)
    more, tracked = learning.loss(tracker, glimpse, outcome, examples.share, batch_size, key)
    return loss + more, {**sums, "tracker": tracked}


def next_values(
    config: QLearningConfig, online_next: Float[Array, " A"], target_next: Float[Array, " A"]
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """V(s'), and the action that would be taken there (by Boltzmann: the likeliest)."""
    judge = online_next if config.target == "double" else target_next
    action = jnp.argmax(judge).astype(jnp.int32)
    if config.target == "boltzmann":
        return boltzmann_value(target_next, jnp.asarray(config.target_temperature)), action
    return target_next[action], action
