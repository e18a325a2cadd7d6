"""Proximal policy optimisation: the half that its methods share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Num

from swarmfield.action_distributions import executed, family_of
from swarmfield.algorithms._descent import descent
from swarmfield.algorithms._perception import Senses
from swarmfield.algorithms._ppo_config import PPOConfig
from swarmfield.algorithms._ppo_loss import (
    Examples,
    Parts,
    examples_of,
    gradient_of,
    policy_of_all,
)
from swarmfield.policy_networks import ByKind, OwnCritic, PooledCritic
from swarmfield.types import (
    Algorithm,
    PRNGKey,
    Rollout,
    TeamSpec,
    Timestep,
    Trajectory,
    Unpack,
)

GROWS, SHRINKS = 1.5, 0.5
"""What the weight of the divergence is multiplied by, where the policy moved too far or hardly."""


class PPO(eqx.Module):
    """What these methods learn, and how much moving away from the old policy costs."""

    actor: ByKind
    critic: Any
    optimizer: optax.OptState
    kl_weight: Float[Array, ""]


MakeCritic = Callable[[PRNGKey], OwnCritic | PooledCritic]


def own_critic(config: PPOConfig, team: TeamSpec, num_networks: int) -> MakeCritic:
    """V(o_i), of as many networks as the policy has."""
    return lambda key: OwnCritic(ByKind(config.trunk, team, config.hidden, 1, num_networks, key))


def pooled_critic(config: PPOConfig, team: TeamSpec) -> MakeCritic:
    """V(o_i, s), s of all members."""
    return lambda key: PooledCritic(config.trunk, team, config.hidden, key)


def ppo(
    config: PPOConfig,
    team: TeamSpec,
    unpack: Unpack,
    make_critic: MakeCritic,
    num_networks: int = 1,
) -> Algorithm:
    """Policies that are improved on whole rollouts, several times each, but never far at once.

    With rho the probability of an action now by that when it was chosen, A of `returns.gae`,
    standardised over the rollout, and G = A + V, the loss is the mean over living agents' steps of

        -min(rho A, clip(rho, 1 - c, 1 + c) A) + beta KL(old || new) - w_e H(new)
        + w_v max((V - G)^2, (V_old + clip(V - V_old, -v, v) - G)^2),

    and beta grows by a half after a rollout on which KL was above twice its target, and is halved
    where it was below a half of it. At the time limit V of the last state counts on.

    Args:
        config: Its options.
        team: The learning team, with any actions.
        unpack: One agent's observation from a timestep.
        make_critic: `(key) -> critic`.
        num_networks: Of the policy: 1, or one for each kind of agents.

    Source: Schulman et al. 2017, with the penalty and the clipped value of RLlib, as used by
    Cui et al. 2024. Departures: minibatches are of whole steps drawn at random (there neighbours);
    logarithms of standard deviations are kept between -10 and 2.
    """
    trunk = "mlp" if config.trunk == "none" else config.trunk
    senses = Senses(team, unpack, trunk, None)
    parts = Parts(config, senses, family_of(team.actions), descent(config))
    return Algorithm(
        experience=Rollout(config.rollout_length),
        init=partial(_init, parts, make_critic, num_networks),
        begin=lambda *_: None,
        act=partial(_act, parts),
        update=partial(_update, parts),
        explore=lambda _: jnp.ones(()),
        policy=_actor_of,
    )


def _actor_of(learner: PPO | ByKind) -> ByKind:
    """The part of a learner that acts; of an actor, itself."""
    return learner if isinstance(learner, ByKind) else learner.actor


def _init(parts: Parts, make_critic: MakeCritic, num_networks: int, key: PRNGKey) -> PPO:
    key_actor, key_critic = jax.random.split(key)
    config, team = parts.config, parts.senses.team
    outputs = parts.family.num_parameters
    actor = ByKind(config.trunk, team, config.hidden, outputs, num_networks, key_actor)
    critic = make_critic(key_critic)
    optimizer = parts.descent.init((actor, critic))
    return PPO(actor, critic, optimizer, jnp.float32(config.kl_weight))


def _act(
    parts: Parts,
    learner: PPO | ByKind,
    timestep: Timestep,
    memory: None,
    key: PRNGKey,
    explore: Float[Array, " N"],
) -> tuple[Num[Array, "N ..."], None, dict[str, Array]]:
    """The most likely where `explore` is 0, else drawn from the policy."""
    parameters = policy_of_all(parts, _actor_of(learner), timestep)
    drawn, likely = parts.family.sample(parameters, key), parts.family.mode(parameters)
    numbers = jnp.where(explore[:, None] > 0, drawn, likely)
    return (
        executed(parts.senses.team.actions, numbers),
        memory,
        {"numbers": numbers, "policy": parameters},
    )


def _update(
    parts: Parts, learner: PPO, batch: Trajectory, key: PRNGKey, progress: Float[Array, ""]
) -> tuple[PPO, dict[str, Float[Array, ""]]]:
    """Some passes over a rollout, each in an order of its own.

    A pass leaves out the last of its steps where minibatches do not divide their number.
    """
    config = parts.config
    examples = examples_of(parts, learner.critic, batch)
    number = examples.weight.shape[0]
    size = max(1, number // config.minibatches)
    step = partial(_step, parts, learner, progress)

    def one_pass(state: Any, key: PRNGKey) -> tuple[Any, dict[str, Array]]:
        key_order, key_learn = jax.random.split(key)
        rows = jax.random.permutation(key_order, number)[: number // size * size]
        keys = jax.random.split(key_learn, number // size)
        some = (rows.reshape(-1, size), keys)
        return jax.lax.scan(partial(step, examples), state, some)

    start = ((learner.actor, learner.critic), learner.optimizer)
    keys = jax.random.split(key, config.epochs)
    ((actor, critic), optimizer), sums = jax.lax.scan(one_pass, start, keys)
    kl = jnp.mean(sums["kl"][-1])
    metrics = jax.tree.map(jnp.mean, sums) | {"kl": kl, "kl_weight": learner.kl_weight}
    weight = adapted(learner.kl_weight, kl, config.kl_target)
    return PPO(actor, critic, optimizer, weight), metrics


def _step(
    parts: Parts,
    learner: PPO,
    progress: Float[Array, ""],
    examples: Examples,
    state: Any,
    some: tuple[Int[Array, " B"], PRNGKey],
) -> tuple[Any, dict[str, Array]]:
    """One step of the optimizer on a minibatch."""
    learned, optimizer = state
    rows, key = some
    batch = jax.tree.map(lambda x: x[rows], examples)
    (_, sums), gradients = gradient_of(parts, learned, learner.kl_weight, batch, key)
    learned, optimizer, norm = parts.descent.step(learned, gradients, optimizer, progress)
    return (learned, optimizer), sums | {"gradient_norm": norm}


def adapted(weight: Float[Array, ""], kl: Float[Array, ""], target: float) -> Float[Array, ""]:
    """The weight of the divergence for the next rollout."""
    factor = jnp.where(kl > 2 * target, GROWS, jnp.where(kl < target / 2, SHRINKS, 1.0))
    return weight * factor
