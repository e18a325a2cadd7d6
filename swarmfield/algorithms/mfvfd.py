"""MFVFD: an agent's own value, and what the others' observations and actions add to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from swarmfield import mean_field
from swarmfield.algorithms._factored import FactoredConfig, factored
from swarmfield.algorithms._factored_loss import mixed
from swarmfield.mixing import Chosen, Mixer
from swarmfield.networks import MLP, Linear, linear, trunk_size
from swarmfield.types import Algorithm, PRNGKey, SwarmfieldError, TeamSpec, Unpack

_HEADS, _WIDTH = 4, 16
"""Of the attention: 64 numbers together."""

LARGEST_TEAM = 2048
"""Its pairs of one step take a quarter of a gigabyte while they are learned from."""


@dataclass(frozen=True)
class MFVFDConfig(FactoredConfig):
    """Options of mean-field value function decomposition."""

    target: Literal["double", "max", "boltzmann"] = "max"
    """Bootstrap on the target network's own choice, on the online network's, or on the Boltzmann
    policy's expectation."""


class Others(eqx.Module):
    """Q_MF: attention of each agent over what the others see and do."""

    embed: Linear
    query: Linear
    key: Linear
    value: Linear
    head: MLP


def build(config: MFVFDConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """Q_i = Q_LOC(o_i, a_i) + Q_MF(o_i, {(o_j, a_j)} of living j other than i); acting by Q_LOC.

    y_i = r_i + gamma (1 - d_i) (Q_LOC_target(o'_i, a'_i) + Q_MF_target(o'_i, {(o'_j, a'_j)})),
    a'_j = argmax_a Q_LOC_target(o'_j, a).

    Q_MF is four heads of attention whose query knows o_i alone, and keys and values of 64 numbers
    that are made of o_j's embedding and a_j: it cannot take over what a_i is worth. It looks at
    all pairs of agents, while learning only.

    Raises:
        SwarmfieldError: The team is too large for that.

    Source: Zhang et al. 2021, as given by Eq. 5 of Yu et al. 2024; sizes are ours.
    """
    if team.num_agents > LARGEST_TEAM:
        raise SwarmfieldError(
            f"mfvfd looks at all pairs of agents, and team {team.name!r} has {team.num_agents}; at "
            f"most {LARGEST_TEAM} are allowed: use vdn, qmix or mfqmix."
        )
    return factored(config, team, unpack, mean_field.none(), mixed(others(config, team)))


def others(config: MFVFDConfig, team: TeamSpec) -> Mixer:
    """What others' doings add to each agent's value."""
    size, num_actions = trunk_size(config.trunk, team), mean_field.num_actions(team)
    width = _HEADS * _WIDTH

    def init(key: PRNGKey) -> Others:
        keys = jax.random.split(key, 5)
        return Others(
            linear(size + num_actions, width, keys[0]),
            linear(size, width, keys[1]),
            linear(width, width, keys[2]),
            linear(width, width, keys[3]),
            MLP(width, 64, 1, key=keys[4]),
        )

    def mix(module: Others, chosen: Chosen) -> Float[Array, " N"]:
        seen = jnp.where(chosen.members[:, None], chosen.embedding, 0.0)
        done = jax.nn.one_hot(chosen.actions, num_actions)
        x = jax.nn.relu(module.embed(jnp.concatenate([seen, done], axis=1)))
        query, key, value = (
            y.reshape(-1, _HEADS, _WIDTH)
            for y in (module.query(seen), module.key(x), module.value(x))
        )
        heeds = chosen.members[None] & ~jnp.eye(seen.shape[0], dtype=bool)
        heard = jax.nn.dot_product_attention(query, key, value, mask=heeds[None])
        heard = jnp.where(jnp.any(heeds, axis=1)[:, None], heard.reshape(-1, width), 0.0)
        return chosen.values + module.head(heard)[:, 0]

    return Mixer(init, mix, of_team=False)
