"""The error of what agents' values make together, on whole steps of the team."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from swarmfield.algorithms._q_config import QLearningConfig
from swarmfield.algorithms._q_loss import Inputs, Parts, examples_of, next_values
from swarmfield.batching import mean_of, shares
from swarmfield.chunks import sum_over_chunks
from swarmfield.distributions import mask_illegal
from swarmfield.mixing import Chosen, Mixer
from swarmfield.networks import QNetwork
from swarmfield.returns import bootstrap
from swarmfield.types import PRNGKey, Transitions

Learned = tuple[QNetwork, Any]
"""The agents' network, and what a rule learns beside it."""


class FactoredLearner(eqx.Module):
    """What these methods learn; nothing is tracked."""

    network: QNetwork
    mixer: Any
    target: Learned
    optimizer: optax.OptState
    tracker: None = None


class Steps(NamedTuple):
    """Whole steps to learn from; what has no members adds nothing.

    `paid` are those whose rewards are the team's, members or dead before. `share` is each
    member's part of a mean over agents, `step_share` each step's of one over steps.
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
    step_share: Float[Array, " M"]
    tracked: Any


class Rule(NamedTuple):
    """What is learned from whole steps. Static.

    Attributes:
        init: `(key) -> module`, what is learned beside the agents' network.
        loss: `(parts, learned, target, steps) -> loss, sums`, of some of the batch; both are added
            up over all of it.
    """

    init: Callable[[PRNGKey], Any]
    loss: Callable[[Parts, Learned, Learned, Steps], tuple[Float[Array, ""], dict[str, Any]]]


def steps_of(parts: Parts, batch: Transitions) -> Steps:
    """All that a loss needs of sampled steps, agents in order."""
    shape, examples = batch.weight.shape, examples_of(parts, batch)

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
        by_steps(examples.share),
        shares(jnp.any(members, axis=1).astype(jnp.float32)),
        batch.record.tracked,
    )


def gradient_of(
    parts: Parts, rule: Rule, learner: FactoredLearner, steps: Steps, key: PRNGKey
) -> Any:
    """((loss, sums), gradients) of network and module, added up over chunks of whole steps."""
    loss = jax.value_and_grad(partial(rule.loss, parts), has_aux=True)
    learned = learner.network, learner.mixer

    def gradient(some: Steps, _key: PRNGKey) -> Any:
        return loss(learned, learner.target, some)

    return sum_over_chunks(gradient, steps, parts.senses.steps_at_once, key)


def chosen_now(network: QNetwork, steps: Steps) -> tuple[Chosen, Float[Array, "M N A"]]:
    """What was chosen at each step and is worth, and what all actions are."""
    x = network.trunk(steps.now.observation)
    q = mask_illegal(network.judge(x, steps.now.part), steps.now.legal)
    # A reset's action is out of range; nobody is a member there.
    value = jnp.take_along_axis(q, steps.action[..., None], axis=-1, mode="clip")[..., 0]
    return Chosen(value, steps.action, steps.members, x), q


def chosen_next(
    config: QLearningConfig, network: QNetwork, target: QNetwork, steps: Steps
) -> Chosen:
    """What would be chosen after each step, and is worth to the target."""
    after = steps.after
    online = mask_illegal(network(after.observation, after.part), after.legal)
    x = target.trunk(after.observation)
    q = mask_illegal(target.judge(x, after.part), after.legal)
    value, action = jax.vmap(jax.vmap(partial(next_values, config)))(online, q)
    return Chosen(value, action, steps.members_after, x)


def mixed(mixer: Mixer) -> Rule:
    """The rule of a mixer: what it makes of values should be what it makes of them next.

    With f the mixer's value of the team,

        loss = mean over steps of ((y - f(q)) / n)^2, y = sum_i r_i + gamma (1 - D) f_target(q'),

    where q'_i is the target network's value of what agent i would choose next, as in
    `q_learning`, D says that no member has a future, and n is the number of members: dividing by
    it keeps steps of any team as large, and what is learned is the sum. Where values stay those
    of agents, each has its own y_i and the loss is their mean.
    """
    return Rule(mixer.init, partial(_loss_of_mixed, mixer))


def _loss_of_mixed(
    mixer: Mixer, parts: Parts, learned: Learned, target: Learned, steps: Steps
) -> tuple[Float[Array, ""], dict[str, Any]]:
    """The steps' part of the mean squared error."""
    (network, module), mix = learned, jax.vmap(mixer.mix, in_axes=(None, 0))
    value = mix(module, chosen_now(network, steps)[0])
    future = mix(target[1], chosen_next(parts.config, network, target[0], steps))
    y = jax.lax.stop_gradient(_bootstrapped(mixer, parts.config.gamma, steps, future))
    number = jnp.maximum(jnp.sum(steps.members.astype(jnp.float32), axis=1), 1.0)
    scale = number if mixer.of_team else jnp.ones_like(number)[:, None]
    share = steps.step_share if mixer.of_team else steps.share
    error = jnp.where(share > 0, (y - value) / scale, 0.0)
    loss, mean = mean_of(share, (error**2, value / scale))
    return loss, {"loss": loss, "q": mean}


def _bootstrapped(
    mixer: Mixer, gamma: float, steps: Steps, future: Float[Array, "M ..."]
) -> Float[Array, "M ..."]:
    """What should be expected: rewards, and what the target makes of what would be chosen next."""
    discounted = jax.vmap(partial(bootstrap, gamma=gamma))
    if mixer.of_team:
        reward = jnp.sum(jnp.where(steps.paid, steps.reward, 0.0), axis=1)
        return discounted(reward, ~jnp.any(steps.members_after, axis=1), future)
    return jax.vmap(discounted)(steps.reward, steps.terminated, future)
