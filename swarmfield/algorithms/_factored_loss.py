"""The error of what agents' values make together, on whole steps of the team."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from swarmfield.algorithms._q_loss import Inputs, Parts, examples_of, next_values
from swarmfield.batching import mean_of, shares
from swarmfield.chunks import sum_over_chunks
from swarmfield.distributions import mask_illegal
from swarmfield.mixing import Chosen, Mixer
from swarmfield.networks import QNetwork
from swarmfield.returns import bootstrap
from swarmfield.types import PRNGKey, Transitions

Learned = tuple[QNetwork, Any]
"""The agents' network, and the mixer's parameters."""


class FactoredLearner(eqx.Module):
    """What these methods learn; nothing is tracked."""

    network: QNetwork
    mixer: Any
    target: Learned
    optimizer: optax.OptState
    tracker: None = None


class FactoredParts(NamedTuple):
    """What a method is made of: an agent's own parts, and the mixer. All static."""

    one: Parts
    mixer: Mixer


class Steps(NamedTuple):
    """Whole steps to learn from; what has no members adds nothing.

    `paid` are those whose rewards are the team's, members or dead before.
    """

    now: Inputs
    after: Inputs
    action: Int[Array, "M N"]
    reward: Float[Array, "M N"]
    terminated: Bool[Array, "M N"]
    paid: Bool[Array, "M N"]
    members: Bool[Array, "M N"]
    members_after: Bool[Array, "M N"]
    share: Float[Array, "M N"]


def steps_of(parts: FactoredParts, batch: Transitions) -> Steps:
    """All that the loss needs of sampled steps, agents in order."""
    shape, examples = batch.weight.shape, examples_of(parts.one, batch)

    def by_steps(flat: Any) -> Any:
        return jax.tree.map(lambda x: x.reshape(*shape, *x.shape[1:]), flat)

    members, after = batch.weight > 0, batch.next
    return Steps(
        by_steps(examples.now),
        by_steps(examples.after),
        by_steps(examples.action),
        after.reward,
        after.terminated,
        after.trained,
        members,
        after.alive & after.trained & ~after.terminated,
        shares(jnp.any(members, axis=1).astype(jnp.float32))[:, None]
        if parts.mixer.of_team
        else by_steps(examples.share),
    )


def gradient_of(parts: FactoredParts, learner: FactoredLearner, steps: Steps, key: PRNGKey) -> Any:
    """((loss, sums), gradients) of network and mixer, added up over chunks of whole steps."""
    loss = jax.value_and_grad(partial(_loss, parts), has_aux=True)
    learned = learner.network, learner.mixer

    def gradient(some: Steps, _key: PRNGKey) -> Any:
        return loss(learned, learner.target, some)

    return sum_over_chunks(gradient, steps, parts.one.senses.steps_at_once, key)


def _loss(
    parts: FactoredParts, learned: Learned, target: Learned, steps: Steps
) -> tuple[Float[Array, ""], dict[str, Any]]:
    """The steps' part of the mean squared error."""
    mix = jax.vmap(parts.mixer.mix, in_axes=(None, 0))
    network, module = learned
    x = network.trunk(steps.now.observation)
    q = mask_illegal(network.judge(x, steps.now.part), steps.now.legal)
    # A reset's action is out of range; nobody is a member there.
    q = jnp.take_along_axis(q, steps.action[..., None], axis=-1, mode="clip")[..., 0]
    value = mix(module, Chosen(q, steps.action, steps.members, x))
    y = jax.lax.stop_gradient(_target(parts, network, target, steps))
    number = jnp.maximum(jnp.sum(steps.members.astype(jnp.float32), axis=1), 1.0)
    scale = number if parts.mixer.of_team else jnp.ones_like(number)[:, None]
    share = steps.share[:, 0] if parts.mixer.of_team else steps.share
    error = jnp.where(share > 0, (y - value) / scale, 0.0)
    loss, mean = mean_of(share, (error**2, value / scale))
    return loss, {"loss": loss, "q": mean}


def _target(
    parts: FactoredParts, network: QNetwork, target: Learned, steps: Steps
) -> Float[Array, "M ..."]:
    """What should be expected: rewards, and what the target makes of what would be chosen next."""
    after, (target_network, module) = steps.after, target
    online = mask_illegal(network(after.observation, after.part), after.legal)
    x = target_network.trunk(after.observation)
    q = mask_illegal(target_network.judge(x, after.part), after.legal)
    value, action = jax.vmap(jax.vmap(partial(next_values, parts.one.config)))(online, q)
    chosen = Chosen(value, action, steps.members_after, x)
    future = jax.vmap(parts.mixer.mix, in_axes=(None, 0))(module, chosen)
    discounted = partial(bootstrap, gamma=parts.one.config.gamma)
    if parts.mixer.of_team:
        reward = jnp.sum(jnp.where(steps.paid, steps.reward, 0.0), axis=1)
        return jax.vmap(discounted)(reward, ~jnp.any(steps.members_after, axis=1), future)
    return jax.vmap(jax.vmap(discounted))(steps.reward, steps.terminated, future)
