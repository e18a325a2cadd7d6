"""Separate networks for policies and values, as policy gradients are used to."""

from __future__ import annotations

import itertools
import math
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from swarmfield.networks import Linear, Trunk, TrunkName
from swarmfield.types import Observation, PRNGKey, TeamSpec

ReaderName = Literal["none"] | TrunkName
"""A trunk, or none: everything an agent sees as one vector."""
_SMALL = 0.01
"""Of a policy's or a value's last layer: a new policy hardly prefers anything."""


def unit_columns(inputs: int, outputs: int, scale: float, key: PRNGKey) -> Linear:
    """A layer whose weights to each output have the norm `scale`, with biases of 0.

    Source: RLlib's `normc_initializer`, used by the code of Cui et al. 2024.
    """
    drawn = jax.random.normal(key, (inputs, outputs))
    norm = jnp.sqrt(jnp.sum(drawn**2, axis=0, keepdims=True))
    return Linear(scale * drawn / norm, jnp.zeros(outputs))


class Tanh(eqx.Module):
    """Linear layers with tanh between them, and after the last where `activate_last`."""

    layers: tuple[Linear, ...]
    activate_last: bool = eqx.field(static=True)

    def __init__(
        self, *sizes: int, key: PRNGKey, last: float = _SMALL, activate_last: bool = False
    ) -> None:
        keys = jax.random.split(key, len(sizes) - 1)
        scales = [1.0] * (len(sizes) - 2) + [last]
        pairs = zip(itertools.pairwise(sizes), scales, keys, strict=True)
        self.layers = tuple(unit_columns(*pair, scale, k) for pair, scale, k in pairs)
        self.activate_last = activate_last

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        """All layers, one after the other."""
        for layer in self.layers[:-1]:
            x = jnp.tanh(layer(x))
        x = self.layers[-1](x)
        return jnp.tanh(x) if self.activate_last else x


class Reader(eqx.Module):
    """What an agent sees as one vector, through a trunk or as it is."""

    trunk: Trunk | None

    def __init__(self, name: ReaderName, team: TeamSpec, key: PRNGKey) -> None:
        self.trunk = None if name == "none" else Trunk(name, team, key)

    def size(self, team: TeamSpec) -> int:
        """Of that vector."""
        if self.trunk is not None:
            return self.trunk.size
        return team.features + (0 if team.view is None else math.prod(team.view))

    def __call__(self, observation: Observation) -> Float[Array, "*batch X"]:
        """Read."""
        if self.trunk is not None:
            return self.trunk(observation)
        parts = []
        if observation.view is not None:
            view = observation.view
            parts.append(view.reshape(*view.shape[:-3], -1))
        if observation.features is not None:
            parts.append(observation.features)
        return jnp.concatenate(parts, axis=-1)


class ReadingNetwork(eqx.Module):
    """A reader, two layers of tanh, and numbers for each agent."""

    reader: Reader
    layers: Tanh

    def __init__(
        self, name: ReaderName, team: TeamSpec, hidden: int, outputs: int, key: PRNGKey
    ) -> None:
        key_reader, key_layers = jax.random.split(key)
        self.reader = Reader(name, team, key_reader)
        self.layers = Tanh(self.reader.size(team), hidden, hidden, outputs, key=key_layers)

    def __call__(self, observation: Observation) -> Float[Array, "*batch outputs"]:
        """Numbers of each."""
        return self.layers(self.reader(observation))


class ByKind(eqx.Module):
    """A network for each kind of agents, or one for all."""

    networks: tuple[ReadingNetwork, ...]

    def __init__(
        self,
        name: ReaderName,
        team: TeamSpec,
        hidden: int,
        outputs: int,
        number: int,
        key: PRNGKey,
    ) -> None:
        keys = jax.random.split(key, number)
        self.networks = tuple(ReadingNetwork(name, team, hidden, outputs, k) for k in keys)

    def __call__(
        self, observation: Observation, kind: Integer[Array, "*batch"]
    ) -> Float[Array, "*batch outputs"]:
        """Of each agent the numbers of its kind's network."""
        result = self.networks[0](observation)
        for index, network in enumerate(self.networks[1:], 1):
            result = jnp.where((kind == index)[..., None], network(observation), result)
        return result


class OwnCritic(eqx.Module):
    """V(o_i)."""

    network: ByKind

    def __call__(
        self, observation: Observation, kind: Integer[Array, "*M N"], members: Bool[Array, "*M N"]
    ) -> Float[Array, "*M N"]:
        """Values of all agents."""
        del members  # nobody looks at the others
        return self.network(observation, kind)[..., 0]


class PooledCritic(eqx.Module):
    """V(o_i, s), with s what the living members see, pooled.

    e_j = tanh(W o_j), and s their mean and their largest entries; its size, and the cost for each
    agent, do not depend on how many there are.
    """

    reader: Reader
    embed: Tanh
    layers: Tanh

    def __init__(self, name: ReaderName, team: TeamSpec, hidden: int, key: PRNGKey) -> None:
        key_reader, key_embed, key_layers = jax.random.split(key, 3)
        self.reader = Reader(name, team, key_reader)
        size = self.reader.size(team)
        self.embed = Tanh(size, hidden, key=key_embed, last=1.0, activate_last=True)
        self.layers = Tanh(3 * hidden + team.num_kinds, hidden, 1, key=key_layers)

    def __call__(
        self, observation: Observation, kind: Integer[Array, "*M N"], members: Bool[Array, "*M N"]
    ) -> Float[Array, "*M N"]:
        """Values of all agents."""
        own = self.embed(self.reader(observation))
        among = members[..., None]
        number = jnp.maximum(jnp.sum(among, axis=-2, keepdims=True), 1)
        mean = jnp.sum(jnp.where(among, own, 0.0), axis=-2, keepdims=True) / number
        # Embeddings are within [-1, 1].
        largest = jnp.max(jnp.where(among, own, -1.0), axis=-2, keepdims=True)
        num_kinds = self.layers.layers[0].weight.shape[0] - 3 * own.shape[-1]
        told = jax.nn.one_hot(kind, num_kinds)
        pooled = [jnp.broadcast_to(x, own.shape) for x in (mean, largest)]
        return self.layers(jnp.concatenate([own, *pooled, told], axis=-1))[..., 0]
