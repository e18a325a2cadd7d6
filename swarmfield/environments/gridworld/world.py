"""The grid world as an environment: one world's protocol over the flat engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float32, Int, Int32, Integer, UInt8

from swarmfield.batching import flat_batched
from swarmfield.environments.gridworld.engine import advance
from swarmfield.environments.gridworld.exact import observe
from swarmfield.environments.gridworld.layout import Layout
from swarmfield.environments.gridworld.observation import (
    num_channels,
    num_features,
    pack_grid,
    pack_minimap,
    smallest_unsigned,
    unpack,
)
from swarmfield.environments.gridworld.order import draw_orders
from swarmfield.environments.gridworld.placement import Placement
from swarmfield.environments.gridworld.state import Orders, Packed, State, Tally
from swarmfield.types import (
    Discrete,
    Observation,
    PRNGKey,
    Scene,
    TeamSpec,
    Timestep,
)

Measure = Callable[[Tally, Int32[Array, "E K"], int], dict[str, Float32[Array, " E"]]]


@dataclass(frozen=True)
class GridWorld:
    """A world of bodies on a square grid; the environment protocol.

    Attributes:
        name: Its name in the registry.
        layout: Map, groups, reward rules and options.
        place: `(layout, keys [E]) -> Placement`, the starting positions.
        measure: `(tally, alive, team) -> measures` of the team of that index, from totals of
            each team; those of bodies without a team are one more.
        max_steps: Steps after which an episode is truncated.
        interchangeable: Both sides have the same agents.
        description: One line for people.
        home: The team on the first side, which learns; the first team if None.
    """

    name: str
    layout: Layout
    place: Callable[[Layout, PRNGKey], Placement]
    measure: Measure
    max_steps: int
    interchangeable: bool
    description: str
    home: str | None = None

    @cached_property
    def teams(self) -> tuple[TeamSpec, ...]:
        """Every team's specification; the kinds of its agents are its groups."""
        return tuple(self._specify(name) for name in self.layout.team_names)

    def _specify(self, team: str) -> TeamSpec:
        layout, rows, first = self.layout, self.layout.rows_of(team), self._index(team)
        side = layout.groups[first].type.view_size
        return TeamSpec(
            name=team,
            num_agents=rows.stop - rows.start,
            actions=Discrete(layout.num_actions(first)),
            view=(side, side, num_channels(layout)),
            features=num_features(layout, first),
            num_kinds=len(layout.groups_of(team)),
            cells=(layout.map_size, layout.map_size),
        )

    @property
    def sides(self) -> tuple[tuple[str, ...], ...]:
        """Each team is a side."""
        names = self.layout.team_names
        home = self.home or names[0]
        return ((home,), *((name,) for name in names if name != home))

    @property
    def extent(self) -> tuple[float, float]:
        """Width and height, in cells."""
        return (float(self.layout.map_size), float(self.layout.map_size))

    def reset(self, key: PRNGKey) -> tuple[State, dict[str, Timestep]]:
        """Start an episode."""
        return flat_batched(self._reset)(key)

    def step(
        self, key: PRNGKey, state: State, actions: Mapping[str, Integer[Array, " N"]]
    ) -> tuple[State, dict[str, Timestep]]:
        """Advance by one step; who comes first is drawn from the key."""
        return flat_batched(self._step)(key, state, dict(actions))

    def step_in_order(
        self, orders: Orders, state: State, actions: Mapping[str, Integer[Array, " N"]]
    ) -> tuple[State, dict[str, Timestep]]:
        """Advance by one step in which the caller decides who comes first."""
        return flat_batched(self._step_in_order)(orders, state, dict(actions))

    def observe(self, state: State, team: str) -> Observation:
        """Exact float observations of all of a team's agents; zeros for the dead."""
        return observe(self.layout, state, self._index(team))

    def unpack(self, team: str, timestep: Timestep, index: Int[Array, ""]) -> Observation:
        """One agent's network input; the timestep says which team it looks from."""
        return unpack(self.layout, self._index(team), timestep, index)

    def scene(self, state: State) -> Scene:
        """Every body, its share of hit points, and the walls; bodies without a team come last."""
        most = [group.type.hp for group in self.layout.groups]
        level = state.hp / self.layout.per_agent(most, jnp.float32)[0]
        bodies = [group.type.size for group in self.layout.groups]
        size = jnp.broadcast_to(self.layout.per_agent(bodies, jnp.int32)[0], state.alive.shape)
        position = jnp.stack([state.x, state.y], axis=-1)
        return Scene(position, state.alive, level, size, state.walls)

    def _index(self, team: str) -> int:
        return self.layout.groups_of(team)[0]

    def _reset(self, keys: PRNGKey) -> tuple[State, dict[str, Timestep]]:
        layout = self.layout
        placement = self.place(layout, keys)
        shape = placement.x.shape
        types = [group.type for group in layout.groups]
        none = layout.per_agent([layout.num_actions(i) for i in range(len(types))], jnp.int32)
        zeros = jnp.zeros((shape[0], len(layout.groups)), jnp.int32)
        state = State(
            x=placement.x,
            y=placement.y,
            hp=jnp.broadcast_to(layout.per_agent([t.hp for t in types], jnp.float32), shape),
            alive=jnp.ones(shape, bool),
            last_action=jnp.broadcast_to(none, shape).astype(self._action_type),
            reward=jnp.zeros(shape, jnp.float32),
            steps=jnp.zeros(shape[0], jnp.int32),
            walls=placement.walls,
            tally=Tally(zeros, zeros, zeros),
        )
        return state, self._timesteps(state, jnp.zeros(shape, bool))

    def _step(
        self, keys: PRNGKey, state: State, actions: dict[str, Array]
    ) -> tuple[State, dict[str, Timestep]]:
        return self._step_in_order(draw_orders(self.layout, keys, state), state, actions)

    def _step_in_order(
        self, orders: Orders, state: State, actions: dict[str, Array]
    ) -> tuple[State, dict[str, Timestep]]:
        parts = [actions[name] for name in self.layout.team_names]
        if sum(part.shape[1] for part in parts) < self.layout.num_agents:
            idle = self.layout.rows_of(None)
            parts += [jnp.zeros_like(state.last_action[:, idle], parts[0].dtype)]
        joint = jnp.concatenate(parts, axis=1)
        state, died = advance(self.layout, state, joint, orders)
        return state, self._timesteps(state, died)

    def _timesteps(self, state: State, died: Bool[Array, "E N"]) -> dict[str, Timestep]:
        grid = pack_grid(self.layout, state)
        living = self.layout.count(state.alive)
        over = jnp.any(living == 0, axis=1, keepdims=True)
        terminated = died | (over & state.alive)
        tally = jax.tree.map(self.layout.per_team, state.tally)
        living = self.layout.per_team(living)
        return {
            name: self._timestep(name, state, terminated, grid, self.measure(tally, living, i))
            for i, name in enumerate(self.layout.team_names)
        }

    def _timestep(
        self, name: str, state: State, terminated: Array, grid: Array, measures: dict[str, Array]
    ) -> Timestep:
        rows, first = self.layout.rows_of(name), self._index(name)
        team = self.layout.team_names.index(name)
        shape = state.x[:, rows].shape
        position = jnp.stack([state.x[:, rows], state.y[:, rows]], axis=-1)
        return Timestep(
            shared=Packed(
                grid=grid,
                minimap=pack_minimap(self.layout, state, first) if self.layout.minimap else None,
                perspective=jnp.full(shape[0], team, jnp.uint8),
            ),
            own=None,
            first=state.steps == 0,
            alive=state.alive[:, rows],
            legal=self._legal(name, shape[0]),
            kind=self._kind(name, shape[0]),
            position=position.astype(self._position_type),
            last_action=state.last_action[:, rows],
            reward=state.reward[:, rows],
            terminated=terminated[:, rows],
            truncated=state.steps >= self.max_steps,
            trained=jnp.ones(shape, bool),
            measures=measures,
        )

    def _kind(self, team: str, num_worlds: int) -> UInt8[Array, "E N"]:
        """Which of its team's groups each agent is in."""
        sizes = [self.layout.groups[i].num_agents for i in self.layout.groups_of(team)]
        kinds = np.repeat(np.arange(len(sizes), dtype=np.uint8), sizes)
        return jnp.broadcast_to(kinds, (num_worlds, len(kinds)))

    def _legal(self, team: str, num_worlds: int) -> Bool[Array, "E N A"] | None:
        """What each agent's type can do, or None where that is everything."""
        groups = [self.layout.groups[i] for i in self.layout.groups_of(team)]
        counts = [group.type.num_actions for group in groups]
        if len(set(counts)) == 1:
            return None
        can = np.repeat(counts, [g.num_agents for g in groups])[:, None] > np.arange(max(counts))
        return jnp.broadcast_to(can, (num_worlds, *can.shape))

    @property
    def _action_type(self) -> type:
        return smallest_unsigned(max(group.type.num_actions for group in self.layout.groups))

    @property
    def _position_type(self) -> type:
        return np.int16 if self.layout.map_size <= np.iinfo(np.int16).max else np.int32
