"""Who an agent is, beside its part of a mean field."""

from __future__ import annotations

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from swarmfield.mean_field.field import MeanField
from swarmfield.types import PRNGKey, TeamSpec

Identity = Literal["none", "learned", "onehot"]

_SIZE = 16
"""Numbers that are learned of each agent."""


class IdentityReader(eqx.Module):
    """Reads a part of a field, and beside it says who the agent is.

    Attributes:
        reader: Of the field; None where there is none.
        table: What is learned of each agent; None for one-hots.
        num_agents: N.
    """

    reader: Any
    table: Float[Array, "N I"] | None
    num_agents: int = eqx.field(static=True)

    @property
    def size(self) -> int:
        """Numbers it returns."""
        own = self.num_agents if self.table is None else _SIZE
        return own + (0 if self.reader is None else self.reader.size)

    def __call__(self, part: tuple[Any, Int[Array, "*batch"]]) -> Float[Array, "*batch size"]:
        """Both side by side."""
        inner, index = part
        own = jax.nn.one_hot(index, self.num_agents) if self.table is None else self.table[index]
        return own if self.reader is None else jnp.concatenate([self.reader(inner), own], axis=-1)


def with_identity(team: TeamSpec, field: MeanField, kind: Identity) -> MeanField:
    """A field that also tells each agent who it is, so that agents can learn to differ.

    What is learned of an agent is of no use to another: such a policy plays teams of its own
    size only, and agents in another order are another team.

    Args:
        team: The team.
        field: What else is told; `none()` will do.
        kind: 16 numbers that are learned of each agent, its one-hot, or nothing.
    """
    if kind == "none":
        return field

    def reader(key: PRNGKey) -> IdentityReader:
        key_reader, key_table = jax.random.split(key)
        inner = None if field.reader is None else field.reader(key_reader)
        shape = (team.num_agents, _SIZE)
        table = jax.random.normal(key_table, shape) if kind == "learned" else None
        return IdentityReader(inner, table, team.num_agents)

    def at(value: Any, index: Int[Array, ""]) -> tuple[Any, Int[Array, ""]]:
        return field.at(value, index), index

    return field._replace(at=at, reader=reader)
