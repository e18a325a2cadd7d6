"""What deterministic policy gradients minimise: the critic's error, and minus its value."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from swarmfield.algorithms._descent import Descent
from swarmfield.algorithms._deterministic_config import DeterministicConfig
from swarmfield.algorithms._following import Steps, loss_of_steps
from swarmfield.algorithms._interaction import Interaction, join
from swarmfield.algorithms._perception import Recorded, Senses, as_if_done, embed, embed_steps
from swarmfield.batching import mean_of, shares
from swarmfield.chunks import sum_over_chunks
from swarmfield.networks import MLP, Trunk
from swarmfield.returns import bootstrap
from swarmfield.types import Box, PRNGKey, Timestep, Transitions


class Network(eqx.Module):
    """A trunk, a part of the interaction, and a head 128 -> 64 on what both say."""

    trunk: Trunk
    interaction: PyTree
    head: MLP


Pair = tuple[Network, Network]
"""An actor and a critic. Each has an interaction of its own and uses its part of it."""


class Parts(NamedTuple):
    """What a method is made of; `descent` is the critic's and the tracker's. All static."""

    config: DeterministicConfig
    senses: Senses
    actions: Box
    interaction: Interaction
    descent: Descent
    actor_descent: Descent


class Examples(NamedTuple):
    """Whole steps to learn from; `share` is each agent's part of the mean, 0 for none.

    `recorded` is what acting at `now` recorded, `recorded_after` what acting at `after` did.
    """

    now: Timestep
    after: Timestep
    recorded: Recorded
    recorded_after: Recorded
    share: Float[Array, "M N"]


def new_pair(parts: Parts, key: PRNGKey) -> Pair:
    """New parameters of an actor and a critic."""
    size = parts.actions.dimensions
    keys = jax.random.split(key)
    # The critic reads the actions it judges beside what the actor could.
    return _new(parts, "actor", size, keys[0]), _new(parts, "critic", 1, keys[1], read=size)


def _new(
    parts: Parts, part: Literal["actor", "critic"], outputs: int, key: PRNGKey, read: int = 0
) -> Network:
    """A network whose head gets what its part is told, and `read` numbers more."""
    key_trunk, key_interaction, key_head = jax.random.split(key, 3)
    trunk = Trunk(parts.config.trunk, parts.senses.team, key_trunk)
    module = parts.interaction.init(key_interaction)
    for_actor, for_critic = parts.interaction.added(module)
    told = for_actor if part == "actor" else for_critic
    head = MLP(trunk.size + read + told, 128, 64, outputs, key=key_head)
    return Network(trunk, module, head)


def choose(
    parts: Parts, actor: Network, x: Float[Array, "N X"], timestep: Timestep, recorded: Recorded
) -> Float[Array, "N A"]:
    """Mu of all agents of one step, from their embeddings."""
    told, _ = parts.interaction.tell(
        actor.interaction, x, as_if_done(timestep, recorded), recorded.tracked
    )
    return inside(parts.actions, actor.head(join(x, told)))


def judge(
    parts: Parts,
    critic: Network,
    timestep: Timestep,
    recorded: Recorded,
    actions: Float[Array, "N A"],
) -> Float[Array, " N"]:
    """Q of all agents of one step, if they act so."""
    x = embed(parts.senses, critic.trunk, timestep)
    _, told = parts.interaction.tell(
        critic.interaction, x, as_if_done(timestep, recorded), recorded.tracked, actions
    )
    return critic.head(join(jnp.concatenate([x, actions], axis=1), told))[:, 0]


def centre_and_half(actions: Box) -> tuple[float, float]:
    """The middle of the actions' range, and half of its length."""
    return (actions.low + actions.high) / 2, (actions.high - actions.low) / 2


def inside(box: Box, x: Float[Array, "N A"]) -> Float[Array, "N A"]:
    """Actions of what an actor's last layer says: centre + half tanh(x)."""
    centre, half = centre_and_half(box)
    return centre + half * jnp.tanh(x)


def examples_of(batch: Transitions) -> Examples:
    """A sample of whole steps, agents in order."""
    share = shares(batch.weight)
    return Examples(batch.now, batch.next, batch.record, batch.record_after, share)


def critic_gradient(
    parts: Parts,
    pair: Pair,
    target: Pair,
    tracker: Any,
    examples: Examples,
    key: PRNGKey,
) -> Any:
    """((loss, sums), gradients) of critic and tracker, added up over chunks of whole steps."""
    actor, critic = pair
    loss = partial(_critic_loss, parts, examples.share.size, actor, target)
    gradient = partial(jax.value_and_grad(loss, has_aux=True), (critic, tracker))
    return sum_over_chunks(gradient, examples, parts.senses.steps_at_once, key)


def actor_gradient(parts: Parts, pair: Pair, examples: Examples, key: PRNGKey) -> Any:
    """(loss, gradient) of the actor, added up over chunks of whole steps.

    Nothing that the critic learns has a gradient: its weights and means of states are fixed,
    while the means of actions follow the actor.
    """
    actor, critic = pair
    loss = jax.value_and_grad(partial(_actor_loss, parts, critic))

    def gradient(some: Examples, _key: PRNGKey) -> Any:
        return loss(actor, some)

    return sum_over_chunks(gradient, examples, parts.senses.steps_at_once, key)


def _actor_loss(
    parts: Parts, critic: Network, actor: Network, examples: Examples
) -> Float[Array, ""]:
    """The examples' part of - mean Q(s, mu(s))."""

    def value(timestep: Timestep, recorded: Recorded) -> Float[Array, " N"]:
        x = embed(parts.senses, actor.trunk, timestep)
        actions = choose(parts, actor, x, timestep, recorded)
        return judge(parts, critic, timestep, recorded, actions)

    q = jax.vmap(value)(examples.now, examples.recorded)
    return -mean_of(examples.share, q)


def _critic_loss(
    parts: Parts,
    batch_size: int,
    actor: Network,
    target: Pair,
    learned: tuple[Network, Any],
    examples: Examples,
    key: PRNGKey,
) -> tuple[Float[Array, ""], dict[str, Any]]:
    """The examples' part of mean (y - Q(s, a))^2, and of the tracker's loss."""
    critic, tracker = learned

    def future(timestep: Timestep, recorded: Recorded) -> Float[Array, " N"]:
        x = embed(parts.senses, target[0].trunk, timestep)
        actions = choose(parts, target[0], x, timestep, recorded)
        return judge(parts, target[1], timestep, recorded, actions)

    value = jax.vmap(future)(examples.after, examples.recorded_after)
    after = examples.after
    backup = partial(bootstrap, gamma=parts.config.gamma)
    y = jax.vmap(jax.vmap(backup))(after.reward, after.terminated, value)
    q = jax.vmap(partial(judge, parts, critic))(examples.now, examples.recorded, after.last_action)
    # Masked before it is squared: what does not count may be no number.
    squared = jnp.where(examples.share > 0, y - q, 0.0) ** 2
    sums = mean_of(examples.share, {"critic_loss": squared, "q": q})
    x = embed_steps(parts.senses, actor.trunk, examples.now)
    value_next = jnp.where(after.terminated, 0.0, value)
    steps = Steps(examples.now, after, value_next, examples.share)
    more, tracked = loss_of_steps(parts.senses, (actor.trunk, tracker), x, steps, batch_size, key)
    return sums["critic_loss"] + more, {**sums, "tracker": tracked}
