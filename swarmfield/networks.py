"""Networks: trunks that read observations, and heads, of any number of agents at once.

All modules take arrays with any leading axes. Every leaf of a module is an array, so that a
network is a checkpoint, an optimizer's argument and a `vmap` operand as it is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, Num, PyTree

from swarmfield.convolution import convolve
from swarmfield.types import Observation, PRNGKey, TeamSpec

TrunkName = Literal["mlp", "wide", "mfrl"]


class Linear(eqx.Module):
    """y = x W + b; made by `linear`."""

    weight: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"]

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        """Multiply and add.

        On one leading axis: XLA would copy gradients to lay out the axes it sums over.
        """
        *batch, inputs = x.shape
        y = x.reshape(math.prod(batch), inputs) @ self.weight + self.bias[None]
        return y.reshape(*batch, y.shape[-1])


def linear(inputs: int, outputs: int, key: PRNGKey) -> Linear:
    """A layer with W, b uniform in +-1 / sqrt(inputs)."""
    return linear_layers([(inputs, outputs)], key[None])[0]


def linear_layers(sizes: Sequence[tuple[int, int]], keys: Key[Array, " L"]) -> tuple[Linear, ...]:
    """A `linear` of each key, all in one draw: XLA compiles every draw on its own.

    Numbers that a smaller layer has no use for are drawn in vain.
    """
    bounds = [1.0 / math.sqrt(max(inputs, 1)) for inputs, _ in sizes for _ in range(2)]
    most = max(max(inputs, 1) * outputs for inputs, outputs in sizes)

    def draw(key: PRNGKey, bound: Float[Array, ""]) -> Float[Array, " W"]:
        return jax.random.uniform(key, (most,), minval=-bound, maxval=bound)

    drawn = jax.vmap(draw)(jax.vmap(jax.random.split)(keys).reshape(-1), jnp.asarray(bounds))
    return tuple(
        Linear(weight[: inputs * outputs].reshape(inputs, outputs), bias[:outputs])
        for (inputs, outputs), weight, bias in zip(sizes, drawn[::2], drawn[1::2], strict=True)
    )


class MLP(eqx.Module):
    """Linear layers with ReLU between them, and after the last where `activate_last`."""

    layers: tuple[Linear, ...]
    activate_last: bool = eqx.field(static=True)

    def __init__(self, *sizes: int, key: PRNGKey, activate_last: bool = False) -> None:
        keys = jax.random.split(key, len(sizes) - 1)
        self.layers = linear_layers(list(itertools.pairwise(sizes)), keys)
        self.activate_last = activate_last

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        """All layers, one after the other."""
        for layer in self.layers[:-1]:
            x = jax.nn.relu(layer(x))
        x = self.layers[-1](x)
        return jax.nn.relu(x) if self.activate_last else x


class Conv(eqx.Module):
    """A valid 3 x 3 convolution: see `convolution`."""

    linear: Linear

    def __init__(self, inputs: int, outputs: int, key: PRNGKey) -> None:
        self.linear = linear(9 * inputs, outputs, key)

    def __call__(
        self, x: Float[Array, "*batch h w inputs"]
    ) -> Float[Array, "*batch h2 w2 outputs"]:
        """Convolve and add."""
        *batch, height, width, inputs = x.shape
        kernel = self.linear.weight.reshape(3, 3, inputs, -1)
        y = convolve(x.reshape(-1, height, width, inputs), kernel)
        y = y + self.linear.bias[None, None, None]
        return y.reshape(*batch, *y.shape[1:])


class TrunkShape(NamedTuple):
    """Sizes of a trunk: convolutions and their channels, widths of what both parts become.

    `chunk` agents at once keep what its layers compute in a CPU's cache.
    """

    num_convolutions: int
    channels: int
    view: int
    features: int
    chunk: int


TRUNKS: dict[TrunkName, TrunkShape] = {
    "mlp": TrunkShape(0, 0, 128, 32, 4096),
    "wide": TrunkShape(0, 0, 128, 128, 4096),
    "mfrl": TrunkShape(2, 32, 256, 32, 256),
}


def agents_at_once(name: TrunkName) -> int:
    """Agents to pass through a trunk at a time; an accelerator has no small cache to fill."""
    return TRUNKS[name].chunk if jax.default_backend() == "cpu" else 65_536


def trunk_size(name: TrunkName, team: TeamSpec) -> int:
    """Numbers that a team's trunk returns."""
    shape = TRUNKS[name]
    return (0 if team.view is None else shape.view) + (shape.features if team.features else 0)


class Glimpse(NamedTuple):
    """What is known of some agents at one step.

    Attributes:
        observation: What they see.
        embedding: What a network's trunk makes of it.
        last_action: What they did before.
    """

    observation: Observation
    embedding: Float[Array, "*batch X"]
    last_action: Num[Array, "*batch ..."]


class Trunk(eqx.Module):
    """Reads the views and the feature vectors of agents, side by side.

    The view goes through convolutions, is flattened and embedded; the features are embedded; a
    missing part is left out. By name:

    - `mfrl`: two valid 3 x 3 convolutions of 32 channels, 256 numbers for the view, 32 for the
      features, as in the reference code of mean-field Q-learning.
    - `mlp`: no convolution, 128 numbers for the view; a tenth of the arithmetic.
    - `wide`: the same, and 128 numbers for the features, for where these are all there is.
    """

    convolutions: tuple[Conv, ...]
    view: Linear | None
    features: Linear | None

    def __init__(self, name: TrunkName, team: TeamSpec, key: PRNGKey) -> None:
        shape = TRUNKS[name]
        key_convolutions, key_view, key_features = jax.random.split(key, 3)
        self.convolutions, self.view, self.features = (), None, None
        if team.view is not None:
            height, width, channels = team.view
            for _ in range(shape.num_convolutions):
                key_convolutions, key_one = jax.random.split(key_convolutions)
                self.convolutions += (Conv(channels, shape.channels, key_one),)
                height, width, channels = height - 2, width - 2, shape.channels
            self.view = linear(height * width * channels, shape.view, key_view)
        if team.features > 0:
            self.features = linear(team.features, shape.features, key_features)

    @property
    def size(self) -> int:
        """Numbers it returns."""
        parts = [part for part in (self.view, self.features) if part is not None]
        return sum(part.bias.shape[-1] for part in parts)

    def __call__(self, observation: Observation) -> Float[Array, "*batch size"]:
        """Embed both parts."""
        parts = []
        if self.view is not None and observation.view is not None:
            x = observation.view
            for convolution in self.convolutions:
                x = jax.nn.relu(convolution(x))
            parts.append(jax.nn.relu(self.view(x.reshape(*x.shape[:-3], -1))))
        if self.features is not None and observation.features is not None:
            parts.append(jax.nn.relu(self.features(observation.features)))
        return jnp.concatenate(parts, axis=-1)


class FieldReader(eqx.Module):
    """Embeds each vector of an agent's part of a mean field by 64 -> 32, as the reference code.

    Its input is a tuple of vectors, each of which has layers of its own.
    """

    layers: tuple[MLP, ...]

    def __init__(self, sizes: Sequence[int], key: PRNGKey) -> None:
        keys = [key] if len(sizes) == 1 else jax.random.split(key, len(sizes))
        pairs = zip(sizes, keys, strict=True)
        self.layers = tuple(MLP(size, 64, 32, key=k, activate_last=True) for size, k in pairs)

    @property
    def size(self) -> int:
        """Numbers it returns."""
        return 32 * len(self.layers)

    def __call__(self, part: Sequence[Float[Array, "*batch _"]]) -> Float[Array, "*batch size"]:
        """Embed all and join."""
        pairs = zip(self.layers, part, strict=True)
        return jnp.concatenate([layers(vector) for layers, vector in pairs], axis=-1)


class QNetwork(eqx.Module):
    """Q(o, m): one value an action from an observation and a part of a mean field.

    What the field's reader makes of the part is joined with the trunk's output before
    128 -> 64 -> A, the sizes of the reference code. Without a field it is left out.
    """

    trunk: Trunk
    reader: Any
    head: MLP

    def __init__(
        self,
        trunk: TrunkName,
        team: TeamSpec,
        num_actions: int,
        reader: Callable[[PRNGKey], Any] | None,
        key: PRNGKey,
    ) -> None:
        key_trunk, key_reader, key_head = jax.random.split(key, 3)
        self.trunk = Trunk(trunk, team, key_trunk)
        self.reader = None if reader is None else reader(key_reader)
        joined = self.trunk.size + (0 if self.reader is None else self.reader.size)
        self.head = MLP(joined, 128, 64, num_actions, key=key_head)

    def __call__(self, observation: Observation, part: PyTree) -> Float[Array, "*batch A"]:
        """Values of all actions."""
        return self.judge(self.trunk(observation), part)

    def judge(self, embedding: Float[Array, "*batch X"], part: PyTree) -> Float[Array, "*batch A"]:
        """Values of all actions, of what the trunk has read already."""
        if self.reader is not None:
            embedding = jnp.concatenate([embedding, self.reader(part)], axis=-1)
        return self.head(embedding)


class ActorCriticNetwork(eqx.Module):
    """A policy and a value on one trunk, each with what it is told of the others.

    Both heads are 128 -> 64, on the trunk's output joined with what the interaction adds.
    """

    trunk: Trunk
    interaction: PyTree
    actor: MLP
    critic: MLP

    def __init__(
        self,
        trunk: TrunkName,
        team: TeamSpec,
        num_actions: int,
        interaction: PyTree,
        added: tuple[int, int],
        key: PRNGKey,
    ) -> None:
        key_trunk, key_actor, key_critic = jax.random.split(key, 3)
        self.trunk = Trunk(trunk, team, key_trunk)
        self.interaction = interaction
        for_actor, for_critic = added
        self.actor = MLP(self.trunk.size + for_actor, 128, 64, num_actions, key=key_actor)
        self.critic = MLP(self.trunk.size + for_critic, 128, 64, 1, key=key_critic)
