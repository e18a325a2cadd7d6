"""Random positions for walls and bodies, for a flat batch of worlds at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32

from swarmfield.environments.gridworld.hashing import hash_numbers
from swarmfield.environments.gridworld.layout import Layout
from swarmfield.environments.gridworld.occupancy import first_cells, look_up, ring
from swarmfield.types import PRNGKey

_KIND_SHIFT = 26


class Placement(NamedTuple):
    """Where everything stands at the start of a flat batch of worlds."""

    x: Int32[Array, "E N"]
    y: Int32[Array, "E N"]
    walls: Bool[Array, "E H W"]


class _Search(NamedTuple):
    """Bodies of one kind on their way to a free place."""

    tries: Int32[Array, ""]
    x: Int32[Array, "E M"]
    y: Int32[Array, "E M"]
    placed: Bool[Array, "E M"]
    taken: Bool[Array, " cells"]


@dataclass(frozen=True)
class RandomPlacement:
    """Put walls on random cells, then each group's bodies on random free places.

    All bodies of one kind draw a place at once. A place is refused where something stands
    already or where a body of a lower row draws a common cell; the refused draw again. One-cell
    bodies end up on a uniformly random set of cells, as when they are placed one by one.
    MAgent2 places one by one; 2 x 2 bodies that refuse each other shift its distribution
    slightly.

    Attributes:
        num_walls: Inner walls; the ring is extra.
    """

    num_walls: int

    def __call__(self, layout: Layout, keys: PRNGKey) -> Placement:
        """Place everything in each of the worlds whose keys are given."""
        shape = (keys.shape[0], layout.map_size, layout.map_size)
        taken = jnp.broadcast_to(ring(layout.map_size), shape).reshape(-1)
        search = _place(layout, keys, taken, (self.num_walls, 1), kind=0)
        walls = search.taken.reshape(shape)
        found = []
        for i, group in enumerate(layout.groups):
            bodies = (group.num_agents, group.type.size)
            search = _place(layout, keys, search.taken, bodies, kind=i + 1)
            found.append((search.x, search.y))
        x, y = (jnp.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
        return Placement(x, y, walls)


def _place(
    layout: Layout, keys: PRNGKey, taken: Array, bodies: tuple[int, int], kind: int
) -> _Search:
    """Find places for bodies, given by their number and side, in every world."""
    (count, side), size = bodies, layout.map_size
    shape = (keys.shape[0], count)
    first = first_cells(layout, keys.shape[0])
    rows = jnp.broadcast_to(jnp.arange(count, dtype=jnp.int32)[None, :, None], (*shape, side**2))
    offsets = jnp.array([dy * size + dx for dy in range(side) for dx in range(side)], jnp.int32)
    numbers = jnp.arange(2 * count, dtype=jnp.uint32) + jnp.uint32(kind << _KIND_SHIFT)

    def attempt(search: _Search) -> _Search:
        places = hash_numbers(keys, numbers[None], search.tries) % jnp.uint32(size - 1 - side)
        places = 1 + places.astype(jnp.int32)
        x = jnp.where(search.placed, search.x, places[:, :count])
        y = jnp.where(search.placed, search.y, places[:, count:])
        cells = (first + y * size + x)[:, :, None] + offsets[None, None]
        free = ~search.placed & ~jnp.any(look_up(search.taken, cells), axis=2)
        wanted = jnp.where(free[:, :, None], cells, taken.size)
        claims = jnp.full(taken.size, count, jnp.int32).at[wanted].min(rows, mode="drop")
        free &= jnp.all(look_up(claims, cells) == rows, axis=2)
        wanted = jnp.where(free[:, :, None], cells, taken.size)
        now = search.taken.at[wanted].set(True, mode="drop")
        return _Search(search.tries + 1, x, y, search.placed | free, now)

    zeros = jnp.zeros(shape, jnp.int32)
    start = _Search(jnp.int32(0), zeros, zeros, jnp.zeros(shape, bool), taken)
    return jax.lax.while_loop(lambda search: ~jnp.all(search.placed), attempt, start)
