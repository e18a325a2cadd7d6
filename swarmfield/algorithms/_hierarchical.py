"""Hierarchical mean field: what is learned of groups, and of all of them together.

With n_i the members of group i, n = sum_i n_i, and everything primed at the next step and of the
target network,

    y_i  = r_i + gamma (n'_i / n_i) Q'_GRP,i,            r_i = mean reward of its members
    L(v) = sum_i (n_i / n) (y_i - v_i)^2 + (sum_i (n_i / n) (y_i - v_i))^2
    loss = L(sum_k lambda_k Q_LOC) + L(Q_GRP), Q_LOC fixed in the second, and what keeps agents
           together

so that values are a member's, whatever the sizes of groups; who dies takes their future along.
Q_LOC comes first since it alone acts: what agents see and do is told by mu as well, and where
both fit it at once nothing decides which of them does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from swarmfield.algorithms._factored_loss import Learned, Rule, Steps, chosen_next, chosen_now
from swarmfield.algorithms._hierarchical_config import HierarchyConfig
from swarmfield.algorithms._hierarchy import Judged, Supervisor, judge, members_of, supervisor
from swarmfield.algorithms._q_loss import Inputs, Parts
from swarmfield.batching import mean_of
from swarmfield.mean_field import num_actions, observed_and_done, observed_size
from swarmfield.mixing import Chosen
from swarmfield.types import SwarmfieldError, TeamSpec


class View(NamedTuple):
    """What terms of the loss are made of, of some steps.

    Attributes:
        steps: The steps.
        label: Everybody's group.
        judged: Groups at each step.
        policy: softmax(Q_LOC / T).
        learned: The agents' network, and what judges groups.
        target: Those that follow them.
    """

    steps: Steps
    label: Integer[Array, "M N"]
    judged: Judged
    policy: Float[Array, "M N A"]
    learned: Learned
    target: Learned


Term = tuple[float, Callable[[View], Float[Array, "M N"]]]
"""What is added to the loss for each member, beside the errors of values: its weight, and it."""


class Setting(NamedTuple):
    """What a method adds to its options. Static.

    Attributes:
        config: Its options.
        team: The team.
        labels: `(steps) -> group of everybody [M, N]`.
        terms: By name, what is added to the loss, as a mean over members.
    """

    config: HierarchyConfig
    team: TeamSpec
    labels: Callable[[Steps], Integer[Array, "M N"]]
    terms: dict[str, Term]


def hierarchical(setting: Setting) -> Rule:
    """The rule: errors of groups' values, and of all of them together.

    Raises:
        SwarmfieldError: There are more groups than agents.
    """
    config, team = setting.config, setting.team
    if config.num_groups > team.num_agents:
        raise SwarmfieldError(
            f"--algo.num-groups is {config.num_groups}, but team {team.name!r} has "
            f"{team.num_agents} agents; at most so many groups are allowed."
        )
    size = observed_size(team) + num_actions(team)
    return Rule(
        lambda key: supervisor(size, sees_others=config.top == "central", key=key),
        partial(_loss, setting),
    )


def _loss(
    setting: Setting, _parts: Parts, learned: Learned, target: Learned, steps: Steps
) -> tuple[Float[Array, ""], dict[str, Any]]:
    config, label = setting.config, setting.labels(steps)
    chosen, q = chosen_now(learned[0], steps)
    after = chosen_next(config, learned[0], target[0], steps)
    judged = _judge(setting, learned[1], steps.now, chosen, label)
    future = _judge(setting, target[1], steps.after, after, label)
    weight, error = _errors(config, steps, label, judged, future)
    policy = jax.nn.softmax(q / config.policy_temperature, axis=-1)
    view = View(steps, label, judged, policy, learned, target)
    per_step = (
        error,
        jnp.sum(weight * judged.value, axis=1),
        jnp.sum(weight * jnp.max(judged.weight, axis=2), axis=1),
    )
    error, value, heed = mean_of(steps.step_share, per_step)
    each = {name: term(view) for name, (_, term) in setting.terms.items()}
    added = mean_of(steps.share, each) if each else {}
    loss = error + sum(setting.terms[name][0] * mean for name, mean in added.items())
    return loss, {"loss": loss, "q": value, "largest_weight": heed, **added}


def _judge(
    setting: Setting,
    module: Supervisor,
    seen: Inputs,
    chosen: Chosen,
    label: Integer[Array, "M N"],
) -> Judged:
    x = observed_and_done(seen.observation, chosen.actions, num_actions(setting.team))

    def one(x: Array, values: Array, members: Array, label: Array) -> Judged:
        belongs = members_of(label, members, setting.config.num_groups)
        return judge(module, x, values, belongs)

    return jax.vmap(one)(x, chosen.values, chosen.members, label)


def _errors(
    config: HierarchyConfig,
    steps: Steps,
    label: Integer[Array, "M N"],
    judged: Judged,
    future: Judged,
) -> tuple[Float[Array, "M K"], Float[Array, " M"]]:
    """Weight of each group in a step, and the step's errors of values, squared and added up."""
    paid = jax.vmap(partial(members_of, num_groups=config.num_groups))(label, steps.paid)
    reward = jnp.sum(jnp.where(paid, steps.reward[:, None], 0.0), axis=2)
    size, occupied = jnp.maximum(judged.size, 1.0), judged.size > 0
    weight, kept = occupied.astype(jnp.float32), jnp.ones_like(size)
    if config.reward_agg == "mean":
        reward, kept = reward / size, future.size / size
        weight = judged.size / jnp.maximum(jnp.sum(judged.size, axis=1, keepdims=True), 1.0)

    def error(now: Float[Array, "M K"], then: Float[Array, "M K"]) -> Float[Array, "M K"]:
        y = jax.lax.stop_gradient(reward + config.gamma * kept * then)
        return jnp.where(occupied, y - now, 0.0)

    def of_all(errors: Float[Array, "M K"]) -> Float[Array, " M"]:
        return jnp.sum(weight * errors, axis=1) ** 2

    total = jnp.zeros(weight.shape[0])
    for value in _fitted(config, judged):
        errors = error(value, future.value)
        total += jnp.sum(weight * errors**2, axis=1)
        total += of_all(errors) if config.top in ("grp_sum", "central") else 0.0
    if config.top == "literal":
        total += of_all(error(judged.shared, future.shared))
    return weight, total


def _fitted(config: HierarchyConfig, judged: Judged) -> tuple[Float[Array, "M K"], ...]:
    """The values that are to be what comes of them."""
    fit = config.fit or ("joint" if config.top == "literal" else "residual")
    if fit == "joint":
        return (judged.value,)
    return judged.local, jax.lax.stop_gradient(judged.local) + 2 * judged.shared


def together(config: HierarchyConfig, num_actions: int) -> dict[str, Term]:
    """The term that keeps members near their group: alpha |x_k - mu|^2.

    `soft`: alpha |pi_k - mu_u|^2, mu_u the part of mu that is actions, through which nothing is
    learned. The printed form is of what was seen and done, and so moves lambda alone.
    """
    if config.reg == "none":
        return {}

    def soft(view: View) -> Float[Array, "M N"]:
        done = jax.lax.stop_gradient(view.judged.mean[..., -num_actions:])
        return jnp.sum((view.policy - of_own_group(done, view.label)) ** 2, axis=-1)

    def literal(view: View) -> Float[Array, "M N"]:
        x = observed_and_done(view.steps.now.observation, view.steps.action, num_actions)
        return jnp.sum((x - of_own_group(view.judged.mean, view.label)) ** 2, axis=-1)

    return {"apart": (config.alpha, soft if config.reg == "soft" else literal)}


def of_own_group(
    groups: Float[Array, "M K D"], label: Integer[Array, "M N"]
) -> Float[Array, "M N D"]:
    """Everybody's own group's row."""
    return jnp.take_along_axis(groups, label.astype(jnp.int32)[..., None], axis=1)
