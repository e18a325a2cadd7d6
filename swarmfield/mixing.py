"""What a team's values make together: a sum, or anything that grows with each of them.

A mixer turns the values of what each agent chose into one value of what the team chose. Agents can
choose alone what is best together as long as it never falls when one of them rises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from swarmfield.networks import MLP, Linear, linear
from swarmfield.types import PRNGKey

LARGEST_STANDARD = 64
"""Agents up to which the standard mixer is the default; its size grows with their number."""

Kind = Literal["auto", "standard", "equivariant"]


class Chosen(NamedTuple):
    """What each agent of a team has chosen, at one step.

    Attributes:
        values: q_i, of its own action by its own lights.
        actions: That action.
        members: m_i: who counts. The dead and those who do not learn change nothing.
        embedding: e_i, what each agent's trunk makes of its observation.
    """

    values: Float[Array, " N"]
    actions: Int[Array, " N"]
    members: Bool[Array, " N"]
    embedding: Float[Array, "N X"]


class Mixer(NamedTuple):
    """How the values of agents become what is learned. Static.

    Attributes:
        init: `(key) -> module`.
        mix: `(module, chosen) -> value`: one of the team, or `[N]`.
        of_team: Whether it is one value, of the sum of the team's rewards; else every agent has
            a value, of its own reward.
    """

    init: Callable[[PRNGKey], Any]
    mix: Callable[[Any, Chosen], Array]
    of_team: bool = True


def additive() -> Mixer:
    """Q_tot = sum_i m_i q_i.

    Source: VDN, Sunehag et al. 2017.
    """

    def mix(_module: None, chosen: Chosen) -> Float[Array, ""]:
        return jnp.sum(jnp.where(chosen.members, chosen.values, 0.0))

    return Mixer(lambda _key: None, mix)


def team_state(embedding: Float[Array, "N X"], members: Bool[Array, " N"]) -> Float[Array, " Y"]:
    """What a mixer knows of the whole: the mean of the members' embeddings, and log(1 + n).

    n is the number of members. Its length, X + 1, does not depend on N.
    """
    among = jnp.where(members[:, None], embedding, 0.0)
    number = jnp.sum(members.astype(jnp.float32))
    mean = jnp.sum(among, axis=0) / jnp.maximum(number, 1.0)
    return jnp.append(mean, jnp.log1p(number))


class Monotonic(eqx.Module):
    """The parameters of a mixer that rises with each value.

    Attributes:
        first: From the state, and in the equivariant form from an agent's embedding too, to the
            weights of the hidden layer.
        first_bias: From the state to its biases.
        last: From the state to the weights of the sum.
        last_bias: From the state to what is added: V(s).
    """

    first: MLP
    first_bias: Linear
    last: MLP
    last_bias: MLP


def monotonic(
    num_agents: int, embedding: int, *, kind: Kind = "auto", width: int = 32, hidden: int = 64
) -> Mixer:
    """Q_tot = c (|w(s)| . elu(sum_i m_i q_i |W_i| / c + b(s)) + V(s)), which rises with each q_i.

    In the standard form W_i is row i of a matrix W(s), which a network of the team's state s
    gives as a whole, and c is 1. In the equivariant form W_i = W(s, e_i) comes from the state
    and the agent's own embedding, and c is n, the number of members: its size does not depend
    on N, and agents in another order make the same team.

    Args:
        num_agents: N.
        embedding: X, length of an agent's embedding.
        kind: `standard`, `equivariant`, or `auto`: standard up to 64 agents.
        width: Length of the hidden layer.
        hidden: Width of the networks that give weights.

    Source: QMIX, Rashid et al. 2018. Departures: s is `team_state`, through which nothing learns;
    the equivariant form.
    """
    whole = kind == "standard" or (kind == "auto" and num_agents <= LARGEST_STANDARD)
    state = embedding + 1
    reads, gives = (state, num_agents * width) if whole else (state + embedding, width)

    def init(key: PRNGKey) -> Monotonic:
        keys = jax.random.split(key, 4)
        return Monotonic(
            MLP(reads, hidden, gives, key=keys[0]),
            linear(state, width, keys[1]),
            MLP(state, hidden, width, key=keys[2]),
            MLP(state, width, 1, key=keys[3]),
        )

    def weights(
        module: Monotonic, s: Float[Array, " Y"], embedding: Float[Array, "N X"]
    ) -> Float[Array, "N W"]:
        if whole:
            return jnp.abs(module.first(s)).reshape(num_agents, width)
        each = jnp.broadcast_to(s, (num_agents, state))
        return jnp.abs(module.first(jnp.concatenate([each, embedding], axis=1)))

    def mix(module: Monotonic, chosen: Chosen) -> Float[Array, ""]:
        embedding = jnp.where(chosen.members[:, None], chosen.embedding, 0.0)
        embedding = jax.lax.stop_gradient(embedding)
        s = team_state(embedding, chosen.members)
        number = 1.0 if whole else jnp.maximum(jnp.sum(chosen.members.astype(jnp.float32)), 1.0)
        among = jnp.where(chosen.members, chosen.values, 0.0) / number
        layer = jax.nn.elu(among @ weights(module, s, embedding) + module.first_bias(s))
        return number * (layer @ jnp.abs(module.last(s)) + module.last_bias(s)[0])

    return Mixer(init, mix)
