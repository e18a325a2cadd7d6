"""Miners on a torus of cells, sent from cell to cell towards diamonds that nobody sees whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Integer

from swarmfield.environments.immortals import timestep_of_immortals
from swarmfield.environments.options import require_count
from swarmfield.precision import matmul
from swarmfield.types import (
    Box,
    Observation,
    PRNGKey,
    Scene,
    SwarmfieldError,
    TeamSpec,
    Timestep,
)

OUTFLOW = 0.1
"""Miners that leave a cell in one step, if it has as many."""
STRENGTH = 3.0
"""Of actions, which lie in [-1, 1]: at most 99 % go one way."""
DIRECTIONS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Rows and columns to the neighbour above, below, on the left and on the right."""
MOST_CELLS = 10**7
MOST_DIAMONDS = 10**4
_SAMPLES = 3
_SEEN = ((0, 0), (0, 2), (1, 1), (2, 0), (2, 2))
_CENTRE = 2
MAGNIFIED = 10.0
"""Of what is seen, the corners' differences from the centre, which are small beside it."""


@dataclass(frozen=True)
class MinersConfig:
    """Options of Miners."""

    num_agents: int = 100
    """Cells, a square number of at least 9."""
    num_diamonds: int = 2
    """Diamonds, each in a cell drawn at the reset; several may lie in one."""
    max_steps: int = 10
    """Steps after which an episode is cut off."""
    see_miners: bool = False
    """Let each cell see how many miners it has, which matters once a cell can run out of them:
    beyond ten steps."""

    def __post_init__(self) -> None:
        require_count("num_agents", self.num_agents, MOST_CELLS, least=9)
        require_count("num_diamonds", self.num_diamonds, MOST_DIAMONDS)
        require_count("max_steps", self.max_steps)
        side = math.isqrt(self.num_agents)
        if side**2 != self.num_agents:
            raise SwarmfieldError(
                f"--env.num-agents is {self.num_agents}, but miners fill a square of cells: choose "
                f"{side**2} or {(side + 1) ** 2}."
            )


class MinersState(eqx.Module):
    """Miners of N cells, the diamonds' cells (row, column), and what the cells did."""

    miners: Float[Array, " N"]
    diamonds: Int[Array, "M 2"]
    last_action: Float[Array, "N 4"]
    time: Int[Array, ""]


@dataclass(frozen=True)
class Miners:
    """Each cell is an agent that says where its miners go; all begin with one miner.

    On a torus of L x L cells, every cell sampled 3 x 3 times,

    - field at a sample: sum over diamonds of exp(-2 r^2 / 3L), r in cells from the centre of
      the diamond's cell (all its images around the torus count); F_c sums a cell's samples;
    - m_c = miners; min(0.1, m_c) of them leave in a step, in shares softmax(3 a_c) to the four
      neighbours; whoever arrives moves on in the next step at the earliest;
    - reward of a cell: the change of sum_k m_k F_k over its four neighbours k.

    The team's return is four times what sum_c m_c F_c, the `mined` measure, has grown by.

    What a cell sees is the field at its centre, and how much more it is at its corners, times
    10; not its miners: 0.1 of them leave, however many there are, so that changes do not depend
    on m before a cell runs out, which takes more than ten steps (`see_miners` shows them). For
    the same reason the shares of different cells and steps add up, and to send everybody to the
    neighbour with the largest F is the best that can be done in ten steps.

    Source: the grid task of Hao et al. 2023 and its code. Departures: a cell never sends
    miners that it does not have (there it does, and is then clipped to 0, which makes miners
    out of nothing after ten steps); actions are bounded; a diamond's images
    are not cut off at ten cells, where they are below 0.002; the field at the corners is seen
    relative to the centre's (there as it is, and the small differences that matter have to be
    learned first).
    """

    config: MinersConfig

    name = "miners"
    sides = (("cells",),)
    interchangeable = False

    @cached_property
    def side(self) -> int:
        """L, cells of a row."""
        return math.isqrt(self.config.num_agents)

    @property
    def max_steps(self) -> int:
        """Steps of an episode."""
        return self.config.max_steps

    @property
    def description(self) -> str:
        """What was built."""
        return (
            f"miners: {self.side} x {self.side} cells, diamonds: {self.config.num_diamonds}, "
            f"{self.max_steps} steps"
        )

    @cached_property
    def teams(self) -> tuple[TeamSpec, ...]:
        """The only team."""
        actions = Box(len(DIRECTIONS), -1.0, 1.0)
        features = len(_SEEN) + self.config.see_miners
        n = self.config.num_agents
        return (TeamSpec("cells", n, actions, None, features, graph=self._neighbours),)

    @property
    def extent(self) -> tuple[float, float]:
        """Of the grid."""
        return float(self.side), float(self.side)

    def reset(self, key: PRNGKey) -> tuple[MinersState, dict[str, Timestep]]:
        """A miner everywhere, and diamonds anywhere."""
        n = self.config.num_agents
        shape = (self.config.num_diamonds, 2)
        diamonds = jax.random.randint(key, shape, 0, self.side, jnp.int32)
        state = MinersState(jnp.ones(n), diamonds, jnp.zeros((n, 4)), jnp.int32(0))
        return state, {"cells": self._timestep(state, jnp.zeros(n))}

    def step(
        self, key: PRNGKey, state: MinersState, actions: Mapping[str, Float[Array, "N 4"]]
    ) -> tuple[MinersState, dict[str, Timestep]]:
        """Move the miners; nothing is left to chance."""
        del key
        action = jnp.clip(actions["cells"], -1.0, 1.0)
        arrives = self.flow(state.miners, action)
        state = MinersState(state.miners + arrives, state.diamonds, action, state.time + 1)
        return state, {"cells": self._timestep(state, self.pay(state.diamonds, arrives))}

    def flow(self, miners: Float[Array, " N"], action: Float[Array, "N 4"]) -> Float[Array, " N"]:
        """How many miners more each cell has after a step."""
        leaves = jnp.minimum(miners, OUTFLOW)
        sent = (leaves[:, None] * jax.nn.softmax(STRENGTH * action)).reshape(
            self.side, self.side, 4
        )
        moved = [
            jnp.roll(sent[..., way], steps, (0, 1)).reshape(-1)
            for way, steps in enumerate(DIRECTIONS)
        ]
        return sum(moved[1:], start=moved[0]) - leaves

    def pay(self, diamonds: Int[Array, "M 2"], arrives: Float[Array, " N"]) -> Float[Array, " N"]:
        """Each cell's reward for how its neighbours' miners change."""
        gain = self.field(diamonds) * arrives
        return jnp.sum(gain[self._neighbours], axis=1)

    def field(self, diamonds: Int[Array, "M 2"]) -> Float[Array, " N"]:
        """F, the field that each cell has in sum over its samples."""
        bump = self._bump.reshape(self.side, _SAMPLES).sum(axis=1)
        cells = jnp.arange(self.side)[None]
        rows, columns = (jnp.asarray(bump)[(cells - at[:, None]) % self.side] for at in diamonds.T)
        return matmul(rows.T, columns).reshape(-1)

    def observe(self, state: MinersState, team: str) -> Observation:
        """The field at the centre of every cell, and how the corners differ."""
        del team  # there is one
        everyone = jnp.arange(self.config.num_agents)
        return Observation(
            None,
            jax.vmap(self._features, in_axes=(None, 0, 0))(state.diamonds, state.miners, everyone),
        )

    def unpack(self, team: str, timestep: Timestep, index: Int[Array, ""]) -> Observation:
        """The same, of one."""
        del team  # there is one
        miners = timestep.own["miners"][index] if self.config.see_miners else jnp.zeros(())
        return Observation(None, self._features(timestep.shared["diamonds"], miners, index))

    def scene(self, state: MinersState) -> Scene:
        """The cells, the brighter the more miners they have."""
        n = self.config.num_agents
        return Scene(
            position=jnp.asarray(self._places),
            alive=jnp.ones(n, bool),
            level=state.miners / (1 + state.miners),
            size=jnp.ones(n, jnp.uint8),
            walls=jnp.zeros((self.side, self.side), bool),
        )

    @cached_property
    def _bump(self) -> Float[np.ndarray, " X"]:
        """A diamond along one axis, at the samples of its cell and of those after it.

        exp(-2 (x^2 + y^2) / 3L) is a product of two of these.
        """
        length = _SAMPLES * self.side
        offset = (np.arange(length) - 1)[:, None] + length * np.arange(-3, 4)[None]
        cells = offset / _SAMPLES
        return np.exp(-2 * cells**2 / length).sum(axis=1).astype(np.float32)

    @cached_property
    def _places(self) -> Integer[np.ndarray, "N 2"]:
        """Column and row of each cell."""
        row, column = np.divmod(np.arange(self.config.num_agents), self.side)
        return np.stack([column, row], axis=1).astype(np.int16)

    @cached_property
    def _neighbours(self) -> Int[np.ndarray, "N 4"]:
        column, row = self._places.astype(np.int32).T[:, :, None]
        down, right = np.array(DIRECTIONS).T
        return (row + down) % self.side * self.side + (column + right) % self.side

    def _features(
        self, diamonds: Int[Array, "M 2"], miners: Float[Array, ""], index: Int[Array, ""]
    ) -> Float[Array, " F"]:
        place = jnp.stack(jnp.divmod(index, self.side))
        first = _SAMPLES * (place[None] - diamonds)
        sample = (first[None] + jnp.array(_SEEN)[:, None]) % (_SAMPLES * self.side)
        seen = jnp.sum(jnp.prod(jnp.asarray(self._bump)[sample], axis=-1), axis=-1)
        centre = seen[_CENTRE]
        seen = (MAGNIFIED * (seen - centre)).at[_CENTRE].set(centre)
        return jnp.append(seen, miners) if self.config.see_miners else seen

    def _timestep(self, state: MinersState, reward: Float[Array, " N"]) -> Timestep:
        field = self.field(state.diamonds)
        return timestep_of_immortals(
            shared={"diamonds": state.diamonds},
            own={"miners": state.miners} if self.config.see_miners else None,
            position=jnp.asarray(self._places),
            last_action=state.last_action,
            reward=reward,
            time=state.time,
            max_steps=self.max_steps,
            measures={
                "mined": jnp.sum(state.miners * field),
                "gain": jnp.sum((state.miners - 1) * field),
            },
        )
