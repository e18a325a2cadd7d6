"""Who comes first: random priorities from a hash, and MAgent2's order of ids."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, UInt, UInt32

from swarmfield.environments.gridworld.hashing import hash_numbers
from swarmfield.environments.gridworld.layout import Layout
from swarmfield.environments.gridworld.state import Orders, State
from swarmfield.types import PRNGKey

_GROUP_BITS = 4
_STRIPS_FROM_AREA = 99 * 99
_MORE_STRIPS_FROM_AREA = 1_000_000
_STRIP_BORDER = 4


def draw_orders(layout: Layout, keys: PRNGKey, state: State) -> Orders:
    """Priorities of one step for a flat batch of worlds.

    Attacks are always in random order. Moves are too with `priority="random"`: in the same one,
    because nobody does both, and a random order says nothing about one set of agents from the
    order of another.
    """
    attack = hash_priority(layout, keys)
    move = id_priority(layout, state.x) if layout.priority == "id" else attack
    return Orders(attack, move)


def hash_priority(layout: Layout, keys: PRNGKey) -> UInt[Array, "E N"]:
    """Distinct random numbers, one for each agent.

    An agent's number depends on the key, its group, its row in the group and the width of the
    world's words: a few more rows change nothing for others.
    """
    bits = np.iinfo(layout.word).bits - 1
    rows = [jnp.arange(group.num_agents, dtype=jnp.uint32) for group in layout.groups]
    names = [row + jnp.uint32(group << bits - _GROUP_BITS) for group, row in enumerate(rows)]
    return hash_numbers(keys, jnp.concatenate(names)[None], bits=bits)


def id_priority(layout: Layout, x: Int32[Array, "E N"]) -> UInt32[Array, "E N"]:
    """MAgent2's order of moves: by id; on large maps by vertical strip, then by id.

    Maps of more than 99 x 99 cells are cut into 8 strips (16 beyond a million cells). Agents
    near a strip's border come after all others.
    """
    ids = jnp.broadcast_to(jnp.arange(layout.num_agents, dtype=jnp.uint32)[None], x.shape)
    area = layout.map_size**2
    if area <= _STRIPS_FROM_AREA:
        return ids
    strips = 16 if area > _MORE_STRIPS_FROM_AREA else 8
    width = -(-layout.map_size // strips)
    inside = x % width
    border = (inside < _STRIP_BORDER) | (inside > width - _STRIP_BORDER)
    strip = jnp.where(border, strips, x // width).astype(jnp.uint32)
    return strip * jnp.uint32(layout.num_agents) + ids
