"""Actors of one's own observation, and critics of what everybody saw and did."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Num

from swarmfield.algorithms._descent import Descent
from swarmfield.algorithms._deterministic_loss import inside
from swarmfield.algorithms._joint_config import JointConfig
from swarmfield.algorithms._joint_networks import Everybody, judge, judge_own
from swarmfield.algorithms._perception import Senses, see_steps
from swarmfield.batching import mean_of, shares
from swarmfield.chunks import sum_over_chunks
from swarmfield.distributions import mask_illegal
from swarmfield.mean_field import action_size, action_vectors, in_a_row, observed_size
from swarmfield.networks import MLP
from swarmfield.returns import bootstrap
from swarmfield.types import Box, PRNGKey, TeamSpec, Transitions

Pair = tuple[Everybody, Everybody]
"""Actors and critics."""


class Parts(NamedTuple):
    """What a method is made of. All static."""

    config: JointConfig
    senses: Senses
    descent: Descent
    actor_descent: Descent

    @property
    def team(self) -> TeamSpec:
        """The learning team."""
        return self.senses.team


class Steps(NamedTuple):
    """Whole steps to learn from; what has no share adds nothing."""

    seen: Float[Array, "M N D"]
    seen_after: Float[Array, "M N D"]
    done: Float[Array, "M N A"]
    alive: Bool[Array, "M N"]
    alive_after: Bool[Array, "M N"]
    legal: Bool[Array, "M N A"] | None
    legal_after: Bool[Array, "M N A"] | None
    reward: Float[Array, "M N"]
    terminated: Bool[Array, "M N"]
    share: Float[Array, "M N"]


def new_pair(parts: Parts, key: PRNGKey) -> Pair:
    """New parameters."""
    team, hidden = parts.team, parts.config.hidden
    size, actions = observed_size(team), action_size(team)
    shared, n = parts.config.share_parameters, team.num_agents

    def everybody(inputs: int, outputs: int, key: PRNGKey) -> Everybody:
        def one(key: PRNGKey) -> MLP:
            told = inputs + n if shared else inputs
            return MLP(told, hidden, hidden, outputs, key=key)

        layers = one(key) if shared else eqx.filter_vmap(one)(jax.random.split(key, n))
        return Everybody(layers, shared)

    key_actor, key_critic = jax.random.split(key)
    return everybody(size, actions, key_actor), everybody(n * (size + actions), 1, key_critic)


def steps_of(parts: Parts, batch: Transitions) -> Steps:
    """All that the losses need of sampled steps, agents in order."""
    now, after = batch.now, batch.next
    return Steps(
        in_a_row(see_steps(parts.senses, now)),
        in_a_row(see_steps(parts.senses, after)),
        action_vectors(after.last_action, action_size(parts.team)),
        now.alive,
        after.alive,
        now.legal,
        after.legal,
        after.reward,
        after.terminated,
        shares(batch.weight),
    )


def best(parts: Parts, said: Float[Array, "N A"]) -> Num[Array, "N ..."]:
    """The action of what an actor says, its logits or what tanh takes."""
    if isinstance(parts.team.actions, Box):
        return inside(parts.team.actions, said)
    return jnp.argmax(said, axis=-1).astype(jnp.int32)


def softened(parts: Parts, said: Float[Array, "N A"], key: PRNGKey) -> Float[Array, "N A"]:
    """An action's vector through which an actor learns.

    In a box the action itself; else a one-hot drawn by Gumbel noise, whose derivative is that of
    softmax((logits + noise) / T).

    Source: Jang et al. 2017.
    """
    if isinstance(parts.team.actions, Box):
        return best(parts, said)
    noisy = (said + jax.random.gumbel(key, said.shape)) / parts.config.gumbel_temperature
    soft = jax.nn.softmax(noisy, axis=-1)
    hard = jax.nn.one_hot(jnp.argmax(noisy, axis=-1), said.shape[-1])
    return soft + jax.lax.stop_gradient(hard - soft)


def critic_gradient(parts: Parts, pair: Pair, target: Pair, steps: Steps, key: PRNGKey) -> Any:
    """((loss, sums), gradient) of the critics, added up over chunks of whole steps."""
    loss = partial(_critic_loss, parts, target)
    gradient = jax.value_and_grad(loss, has_aux=True)
    return sum_over_chunks(
        lambda some, _: gradient(pair[1], some), steps, parts.senses.steps_at_once, key
    )


def actor_gradient(parts: Parts, pair: Pair, steps: Steps, key: PRNGKey) -> Any:
    """(loss, gradient) of the actors, added up over chunks of whole steps."""
    gradient = jax.value_and_grad(partial(_actor_loss, parts, pair[1]))
    return sum_over_chunks(
        lambda some, key: gradient(pair[0], some, key), steps, parts.senses.steps_at_once, key
    )


def _critic_loss(
    parts: Parts, target: Pair, critic: Everybody, steps: Steps
) -> tuple[Float[Array, ""], dict[str, Any]]:
    """The steps' part of mean (y_i - Q_i)^2."""

    def future(
        seen: Float[Array, "N D"], alive: Bool[Array, " N"], legal: Bool[Array, "N A"] | None
    ) -> Float[Array, " N"]:
        chosen = best(parts, mask_illegal(target[0](seen), legal))
        done = action_vectors(chosen, action_size(parts.team))
        return judge(target[1], seen, done, alive)

    value = jax.vmap(future)(steps.seen_after, steps.alive_after, steps.legal_after)
    backup = partial(bootstrap, gamma=parts.config.gamma)
    y = jax.vmap(jax.vmap(backup))(steps.reward, steps.terminated, value)
    q = jax.vmap(partial(judge, critic))(steps.seen, steps.done, steps.alive)
    # Masked before it is squared: what does not count may be no number.
    squared = jnp.where(steps.share > 0, y - q, 0.0) ** 2
    sums = mean_of(steps.share, {"critic_loss": squared, "q": q})
    return sums["critic_loss"], sums


def _actor_loss(
    parts: Parts, critic: Everybody, actor: Everybody, steps: Steps, key: PRNGKey
) -> Float[Array, ""]:
    """The steps' part of - mean Q_i(o, a with a_i from mu_i), and of what keeps mu_i soft."""

    def one(
        seen: Array, done: Array, alive: Array, legal: Array | None, key: PRNGKey
    ) -> tuple[Float[Array, " N"], Float[Array, " N"]]:
        plain = actor(seen)
        own = softened(parts, mask_illegal(plain, legal), key)
        return judge_own(critic, seen, done, own, alive), jnp.mean(plain**2, axis=1)

    keys = jax.random.split(key, steps.share.shape[0])
    q, large = jax.vmap(one)(steps.seen, steps.done, steps.alive, steps.legal, keys)
    mean = mean_of(steps.share, {"q": q, "large": large})
    return parts.config.logit_penalty * mean["large"] - mean["q"]
