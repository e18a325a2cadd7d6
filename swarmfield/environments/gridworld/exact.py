"""Exact float32 observations, computed from the state: for people and for conformance."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32

from swarmfield.environments.gridworld.layout import Layout
from swarmfield.environments.gridworld.observation import divide, features, num_bins
from swarmfield.environments.gridworld.occupancy import BLOCKED, FIRST_AGENT, occupants
from swarmfield.environments.gridworld.state import State
from swarmfield.types import Observation

_OFF_MAP = -1


def observe(layout: Layout, state: State, group: int) -> Observation:
    """What a team sees, given by its first group, `[N, ...]` in ONE world; zeros for the dead."""
    rows = layout.rows_of(layout.groups[group].team)
    view = _views(layout, state, group)
    if layout.minimap:
        view = jnp.concatenate([view, _minimaps(layout, state, group)], axis=-1)
        view = view[..., _channel_order(len(layout.groups))]
    alive = state.alive[rows]
    view = jnp.where(alive[:, None, None, None], view, 0.0)
    if not layout.features:
        return Observation(view, None)
    number = jnp.arange(rows.start, rows.stop)
    columns = (number, state.last_action[rows], state.reward[rows], state.x[rows], state.y[rows])
    vectors = jax.vmap(lambda *column: features(layout, group, *column))(*columns)
    return Observation(view, jnp.where(alive[:, None], vectors, 0.0))


def _views(layout: Layout, state: State, group: int) -> Float32[Array, "N V V C"]:
    kind = layout.groups[group].type
    rows = layout.rows_of(layout.groups[group].team)
    margin = kind.view_size
    owners = jnp.pad(_owners(layout, state), margin, constant_values=_OFF_MAP)
    offsets = margin + kind.view_start + jnp.arange(kind.view_size)
    y = state.y[rows, None, None] + offsets[None, :, None]
    x = state.x[rows, None, None] + offsets[None, None, :]
    seen = jnp.where(jnp.asarray(kind.view_mask)[None], owners[y, x], _OFF_MAP)
    row = seen - FIRST_AGENT
    most = layout.per_agent([g.type.hp for g in layout.groups], jnp.float32)
    share = divide(state.hp, most[0])[jnp.maximum(row, 0)]
    planes = [(seen == BLOCKED).astype(jnp.float32)]
    for k in range(len(layout.groups)):
        shown = (group + k) % len(layout.groups)
        present = (row >= layout.starts[shown]) & (row < layout.starts[shown + 1])
        planes += [present.astype(jnp.float32), jnp.where(present, share, 0.0)]
    return jnp.stack(planes, axis=-1)


def _owners(layout: Layout, state: State) -> Array:
    """The agent on each cell of the map."""
    return occupants(layout, jax.tree.map(lambda x: x[None], state)).reshape(state.walls.shape)


def _minimaps(layout: Layout, state: State, group: int) -> Float32[Array, "N V V K"]:
    """Each group's share of living agents by bin, plus 1 in the observer's own bin."""
    side, _ = num_bins(layout, group)
    size = layout.groups[group].type.view_size
    rows = layout.rows_of(layout.groups[group].team)
    shares = []
    for k in range(len(layout.groups)):
        shown = (group + k) % len(layout.groups)
        members = slice(layout.starts[shown], layout.starts[shown + 1])
        alive = state.alive[members].astype(jnp.float32)
        counts = jnp.zeros((size, size), jnp.float32)
        counts = counts.at[state.y[members] // side, state.x[members] // side].add(alive)
        shares.append(divide(counts, jnp.maximum(jnp.sum(alive), 1.0)))
    numbers = jnp.arange(size)
    own_y = state.y[rows, None] // side == numbers[None]
    own_x = state.x[rows, None] // side == numbers[None]
    own = own_y[:, :, None] & own_x[:, None, :]
    return jnp.stack(shares, axis=-1)[None] + own[..., None].astype(jnp.float32)


def _channel_order(num_groups: int) -> np.ndarray:
    """From all presences and hit points, then all minimaps, to minimaps behind their group."""
    order = [0]
    for k in range(num_groups):
        order += [1 + 2 * k, 2 + 2 * k, 1 + 2 * num_groups + k]
    return np.array(order)
