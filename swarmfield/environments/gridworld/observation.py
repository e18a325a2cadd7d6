"""What agents see: packed for training, unpacked for networks, exact for people.

Channels of a view are: wall; then for each group, the first of the agent's team first and the
others in cyclic order: presence, hit points over their maximum, and with `minimap` the share of
that group's living agents in each bin of a coarse map, to which 1 is added in the agent's own
bin. Cells off the map are 0 in every channel; of the others an agent sees those inside the disc of
its view radius, while the coarse map fills the square. Features are: ten bits of the agent's
number (with `id_bits`), its last action (one-hot), its last reward, and with `minimap` its position
over the map's size.
"""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Int, Int32, Integer

from swarmfield.environments.gridworld.layout import Layout
from swarmfield.environments.gridworld.occupancy import cells_of, draw_bodies
from swarmfield.environments.gridworld.state import Minimap, Packed, State
from swarmfield.types import Observation, Timestep

_WALL = 1
_FIRST_CODE = 2
_ID_BITS = 10


def smallest_unsigned(largest: int) -> type:
    """The smallest unsigned integer type that holds a number."""
    return next(t for t in (np.uint8, np.uint16, np.uint32) if largest <= np.iinfo(t).max)


def code_starts(layout: Layout) -> list[int]:
    """The first grid code of each group, and the number of codes."""
    levels = [group.type.num_levels for group in layout.groups]
    return list(itertools.accumulate(levels, initial=_FIRST_CODE))


def num_bins(layout: Layout, group: int) -> tuple[int, int]:
    """Side of a bin of the group's coarse map, and how many bins a side can hold anybody."""
    side = -(-layout.map_size // layout.groups[group].type.view_size)
    return side, (layout.map_size - 2) // side + 1


def pack_grid(layout: Layout, state: State) -> Integer[Array, "E H W"]:
    """One code for each cell of every world."""
    dtype = smallest_unsigned(code_starts(layout)[-1] - 1)
    starts = layout.per_agent(code_starts(layout)[:-1], jnp.int32)
    levels = layout.per_agent([g.type.levels_per_hp for g in layout.groups], jnp.float32)
    codes = starts + _round(state.hp * levels)
    grid = state.walls.reshape(-1).astype(dtype)
    grid = draw_bodies(layout, grid, cells_of(layout, state), codes.astype(dtype))
    return grid.reshape(state.walls.shape)


def _round(x: Float32[Array, "E N"]) -> Int32[Array, "E N"]:
    """The nearest integers of numbers in [0, 2**22].

    Adding 2**23 leaves no bits for fractions, and the lower bits are the integer. Conversions
    guard against what cannot occur here and are slower.
    """
    return jax.lax.bitcast_convert_type(x + np.float32(2**23), jnp.int32) & (2**23 - 1)


def pack_minimap(layout: Layout, state: State, observer: int) -> Minimap:
    """Living agents of each group in each bin of an observing group's coarse map."""
    num_worlds, num_groups = state.x.shape[0], len(layout.groups)
    side, bins = num_bins(layout, observer)
    largest = max(min(side**2, group.num_agents) for group in layout.groups)
    own_first = [(group - observer) % num_groups for group in range(num_groups)]
    world = jnp.arange(num_worlds, dtype=jnp.int32)[:, None]
    plane = layout.per_agent(own_first, jnp.int32)
    counts = jnp.zeros(num_worlds * num_groups * bins**2, smallest_unsigned(largest))
    index = ((world * bins + state.y // side) * bins + state.x // side) * num_groups + plane
    counts = counts.at[jnp.where(state.alive, index, counts.size)].add(1, mode="drop")
    counts = counts.reshape(num_worlds, bins, bins, num_groups)
    return Minimap(counts, jnp.sum(counts, axis=(1, 2), dtype=jnp.uint32))


def unpack(layout: Layout, group: int, timestep: Timestep, index: Int[Array, ""]) -> Observation:
    """One agent's network input, from its team's packed timestep.

    Args:
        layout: The world.
        group: The first group of a team whose agents see and act as this one does.
        timestep: The team's timestep.
        index: The agent's row in the team.
    """
    packed: Packed = timestep.shared
    x, y = timestep.position[index].astype(jnp.int32)
    codes = _window(layout, group, packed.grid, x, y).astype(jnp.int32)
    # Rows of a table: several times faster than computing the channels and stacking them.
    view = jnp.asarray(_channels_of_codes(layout))[packed.perspective].at[codes].get(mode="clip")
    if packed.minimap is not None:
        view = _add_minimap(layout, group, view, packed.minimap, x, y)
    if not layout.features:
        return Observation(view, None)
    first = [layout.rows_of(name).start for name in layout.team_names]
    number = jnp.asarray(first)[packed.perspective] + index
    action, reward = timestep.last_action[index], timestep.reward[index]
    return Observation(view, features(layout, group, number, action, reward, x, y))


def num_channels(layout: Layout) -> int:
    """Channels of a view."""
    return 1 + len(layout.groups) * (3 if layout.minimap else 2)


def num_features(layout: Layout, group: int) -> int:
    """Length of a feature vector."""
    if not layout.features:
        return 0
    bits = _ID_BITS if layout.id_bits else 0
    return bits + layout.num_actions(group) + 1 + (2 if layout.minimap else 0)


def _window(layout: Layout, group: int, grid: Array, x: Array, y: Array) -> Array:
    """The codes an agent sees, 0 outside its disc and off the map.

    Each row is one slice of the unpadded grid. A slice that begins before the grid or ends
    after it is moved inside: all it then can hold of the map is the outer wall, where moving
    changes nothing.
    """
    kind, size = layout.groups[group].type, layout.map_size
    flat = grid.reshape(-1)
    offsets = kind.view_start + jnp.arange(kind.view_size)
    starts = (y + offsets) * size + x + kind.view_start
    rows = jax.vmap(lambda start: jax.lax.dynamic_slice(flat, (start,), (kind.view_size,)))(starts)
    inside_y = (y + offsets >= 0) & (y + offsets < size)
    inside_x = (x + offsets >= 0) & (x + offsets < size)
    seen = inside_y[:, None] & inside_x[None] & jnp.asarray(kind.view_mask)
    return jnp.where(seen, rows, 0)


def _channels_of_codes(layout: Layout) -> Float32[np.ndarray, "P codes C"]:
    """The channels of each grid code, as each team sees it; 0 where the minimap belongs."""
    starts = code_starts(layout)
    observers = [layout.groups_of(name)[0] for name in layout.team_names]
    table = np.zeros((len(observers), starts[-1], num_channels(layout)), np.float32)
    table[:, _WALL, 0] = 1
    for observer, channels in zip(observers, table, strict=True):
        for shown, first in enumerate(starts[:-1]):
            presence = _first_channel(layout, (shown - observer) % len(layout.groups))
            levels = np.arange(layout.groups[shown].type.num_levels, dtype=np.float32)
            channels[first : starts[shown + 1], presence] = 1
            channels[first : starts[shown + 1], presence + 1] = levels / levels[-1]
    return table


def _first_channel(layout: Layout, place: int) -> int:
    """The presence channel of the group in that place, 0 being the agent's own."""
    return 1 + place * (3 if layout.minimap else 2)


def _add_minimap(
    layout: Layout, group: int, view: Array, minimap: Minimap, x: Array, y: Array
) -> Float32[Array, "V V C"]:
    """Add each group's share of its living agents in each bin, and 1 in the agent's own bin."""
    side, bins = num_bins(layout, group)
    missing = view.shape[0] - bins
    scale = 1.0 / jnp.maximum(minimap.totals, 1).astype(jnp.float32)
    shares = minimap.counts.astype(jnp.float32) * scale[None, None]
    # Behind each group's presence and hit points.
    padding = [(0, missing, 0), (0, missing, 0), (3, 0, 2)]
    own = np.zeros(view.shape[2], np.float32)
    own[3::3] = 1
    planes = jax.lax.pad(shares, np.float32(0), padding)
    return (view + planes).at[y // side, x // side].add(own, mode="clip")


def features(
    layout: Layout, group: int, number: Array, action: Array, reward: Array, x: Array, y: Array
) -> Float32[Array, " F"]:
    """One agent's feature vector."""
    num_actions = layout.num_actions(group)
    bits = (number.astype(jnp.int32) >> np.arange(_ID_BITS)) & 1 if layout.id_bits else np.zeros(0)
    place = divide(jnp.stack([x, y]), layout.map_size) if layout.minimap else np.zeros(0)
    last_action = action == jnp.arange(num_actions, dtype=action.dtype)
    parts = (bits, last_action, reward[None], place)
    return jnp.concatenate([jnp.asarray(part, jnp.float32) for part in parts])


def divide(numerator: Array, denominator: Array | int) -> Float32[Array, "*shape"]:
    """Correctly rounded division of what is not negative.

    A compiler multiplies by a constant's reciprocal, which may be off in the last bit. So the
    denominator is made to look as if it depended on the numerator.
    """
    numerator = numerator.astype(jnp.float32)
    return numerator / jnp.where(numerator < 0, 1.0, jnp.asarray(denominator, jnp.float32))
