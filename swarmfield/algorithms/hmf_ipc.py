"""HMF with groups of agents that are alike, who are kept to what their group has been doing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from swarmfield import mean_field
from swarmfield.algorithms._factored import factored
from swarmfield.algorithms._hierarchical import Setting, View, hierarchical, of_own_group, together
from swarmfield.algorithms._hierarchical_config import HierarchyConfig
from swarmfield.algorithms._hierarchy import values_alike
from swarmfield.algorithms._meeting import Meeting, act_and_meet, begin_meeting
from swarmfield.algorithms._options import NOT_NEGATIVE, require
from swarmfield.algorithms._q_learning import parts_of
from swarmfield.distributions import mask_illegal
from swarmfield.mean_field.consistency import ConsistencyConfig, Likeness
from swarmfield.mean_field.neighbours import require_placed
from swarmfield.options import LARGEST_FLOAT
from swarmfield.types import Algorithm, TeamSpec, Unpack

_LEAST = 1e-6
"""Added to a mean policy, which may rule an action out."""


@dataclass(frozen=True)
class HMFIPCConfig(HierarchyConfig):
    """Options of hierarchical mean fields with information and policy consistency."""

    group_by: Likeness = "both"
    """What makes agents alike: where they are, what they have been doing (`policy`), both, or what
    the network makes of what they see (`embedding`)."""
    regroup_every: int = 0
    """Steps of an episode after which groups are found anew; 0 for only where it begins."""
    eta: float = 0.03
    """Weight of KL(pi_k || pi_bar), >= 0."""
    mean_policy: Literal["history", "group_value", "target"] = "history"
    """Pi_bar: what members have been doing; softmax of Q_GMF with everybody doing the same; or the
    target network's policy for the same observation."""
    history_decay: float = 0.99
    """Of what an agent has been doing, a step, in [0, 1)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "regroup_every", lambda x: x >= 0, "a whole number of at least 0")
        require(self, "eta", lambda x: 0 <= x <= LARGEST_FLOAT, NOT_NEGATIVE)
        require(self, "history_decay", lambda x: 0 <= x < 1, "at least 0 and below 1")


def build(config: HMFIPCConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """`hmf` with groups of `mean_field.consistency`, and eta KL(pi_k || pi_bar) in the loss.

    pi_k = softmax(Q_LOC(o_k, .) / T), and pi_bar that of k's group, through which nothing is
    learned. Groups are for learning only: agents act by Q_LOC(o_k, a), as in `hmf`.
    Source: Yu et al. 2023, Eq. 17 and 18. Departures: those of the two.

    Raises:
        SwarmfieldError: Groups are of those who are near, and positions are not known.
    """
    if config.group_by in ("both", "position"):
        require_placed(team, "A group", "choose --algo.group-by policy or embedding")
    actions = mean_field.num_actions(team)
    grouping = ConsistencyConfig(
        config.num_groups, config.group_by, config.regroup_every, config.history_decay
    )
    terms = together(config, actions) | {"kl": (config.eta, partial(_apart, config, actions))}
    setting = Setting(config, team, lambda steps: steps.tracked.label, terms)
    algorithm = factored(config, team, unpack, mean_field.none(), hierarchical(setting))
    parts = parts_of(config, team, unpack, mean_field.none())
    meeting = Meeting(parts, grouping, config.policy_temperature)
    return algorithm._replace(
        begin=partial(begin_meeting, meeting),
        act=partial(act_and_meet, meeting),
        groups=lambda _timestep, recorded: recorded.tracked.label,
    )


def _apart(config: HMFIPCConfig, num_actions: int, view: View) -> Float[Array, "M N"]:
    """KL(pi_k || pi_bar)."""
    mean = jax.lax.stop_gradient(_mean_policy(config, num_actions, view))
    # Where an action is ruled out pi is 0, and so is what it adds.
    log = jnp.log(jnp.maximum(view.policy, 1e-30)) - jnp.log(mean + _LEAST)
    return jnp.sum(view.policy * log, axis=-1)


def _mean_policy(config: HMFIPCConfig, num_actions: int, view: View) -> Float[Array, "M N A"]:
    if config.mean_policy == "target":
        network, now = view.target[0], view.steps.now
        q = mask_illegal(network(now.observation, now.part), now.legal)
        return jax.nn.softmax(q / config.policy_temperature, axis=-1)
    if config.mean_policy == "history":
        return of_own_group(view.steps.tracked.policy, view.label)
    judge_alike = partial(values_alike, view.learned[1], num_actions=num_actions)
    alike = jax.vmap(judge_alike)(view.judged.mean, view.judged.size > 0)
    return of_own_group(jax.nn.softmax(alike / config.policy_temperature, axis=-1), view.label)
