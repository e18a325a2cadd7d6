"""GAT-MF: agents heed their neighbours by graph attention."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from swarmfield.algorithms._by_actions import PolicyConfig, by_actions
from swarmfield.algorithms._interaction import Interaction, Told
from swarmfield.algorithms._options import require
from swarmfield.mean_field import action_size
from swarmfield.mean_field.attention import Graph, GraphAttention, graph_of, heeded, last_actions
from swarmfield.networks import trunk_size
from swarmfield.types import Algorithm, PRNGKey, TeamSpec, Timestep, Unpack


@dataclass(frozen=True)
class GATMFConfig(PolicyConfig):
    """Options of GAT-MF."""

    graph: Graph | None = None
    """Whom agents may heed: the environment's own graph, the nearest, or everybody; the own one
    if not given and there is one, else the nearest."""
    num_neighbours: int = 8
    """Nearest team mates that may be heeded."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "num_neighbours", lambda x: x >= 1, "a whole number of at least 1")


class Heeding(eqx.Module):
    """The actor's attention, and the critic's."""

    actor: GraphAttention
    critic: GraphAttention


def build(config: GATMFConfig, team: TeamSpec, unpack: Unpack) -> Algorithm:
    """pi(a | e_i, e_bar_i) and V(e_i, e_bar_i, a_bar_i), e_i the embedding of o_i.

    att_ij = (q_i . k_j)^2 / (sum_j' (q_i . k_j')^2 + 0.001) over the living neighbours j of i,
    of the actor and of the critic each their own; e_bar_i = sum_j att_ij e_j, a_bar_i likewise
    of last actions.

    For continuous actions, mu(e_i, e_bar_i) and Q(e_i, e_bar_i, a_i, a_bar_i), a_bar_i the
    mean of the actions that are judged: in the actor's loss they follow mu, and nothing else
    of the critic does.

    Source: Hao et al. 2023, which is deterministic and continuous; for discrete actions this
    is learned as `ac`. Departures: observations are embedded first (there raw states are
    attended to), and those of the deterministic half.
    """
    kind = config.graph or ("nearest" if team.graph is None else "environment")
    neighbours = graph_of(team, kind, config.num_neighbours)
    size = trunk_size(config.trunk, team)

    def tell(
        module: Heeding,
        x: Float[Array, "N X"],
        timestep: Timestep,
        _: None,
        judged: Float[Array, "N A"] | None = None,
    ) -> Told:
        around = neighbours(timestep)
        see = partial(heeded, neighbours=around)
        for_actor = see(module.actor(x, around), values=x)
        weight = module.critic(x, around)
        done = last_actions(team, timestep) if judged is None else judged
        for_critic = see(weight, values=x), see(weight, values=done)
        return for_actor, jnp.concatenate(for_critic, axis=1)

    def init(key: PRNGKey) -> Heeding:
        key_actor, key_critic = jax.random.split(key)
        return Heeding(GraphAttention(size, key_actor), GraphAttention(size, key_critic))

    def added(_module: Heeding) -> tuple[int, int]:
        return size, size + action_size(team)

    return by_actions(config, team, unpack, Interaction(init, added, tell))
