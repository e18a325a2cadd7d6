"""What one kind of body is and can do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool

Offset = tuple[int, int]


def disc(radius: float | int, size: int = 1, inner: float = 0.0) -> tuple[Offset, ...]:
    """Cells whose distance from a body's centre is in [inner, radius], row by row.

    Args:
        radius: Outer radius, in cells.
        size: Side of the body. The centre of an even body is a corner of cells.
        inner: Inner radius, in cells.

    Returns:
        Offsets (dx, dy) from the body's left, top cell; x grows right, y grows down.
    """
    shift = (size - 1) / 2
    reach = range(math.floor(shift - radius), math.ceil(shift + radius) + 1)
    return tuple(
        (dx, dy)
        for dy in reach
        for dx in reach
        if inner**2 <= (dx - shift) ** 2 + (dy - shift) ** 2 <= radius**2
    )


@dataclass(frozen=True)
class AgentType:
    """One kind of body: what it can do, and what the world pays it.

    Attributes:
        name: For people.
        size: Side of its square body, in cells; its position is the left, top cell.
        hp: Hit points at the start, which are also the most it can have.
        speed: Radius of its moves, in cells; a move is a jump to the cell.
        view_radius: Radius of what it sees, in cells.
        attack_radius: Radius of its attacks, in cells; 0 for none.
        damage: Hit points taken by one of its hits.
        recovery: Hit points it regains every step; if negative it starves, and dies below 0.
        kill_supply: Hit points that its killer regains.
        hits_own: Whether its attacks hit its own team too.
        step_reward: Paid for every step alive.
        attack_penalty: Paid for every attack, whatever it hits.
        kill_reward: Paid to whoever kills it.
        dead_penalty: What it gets in the step of its death, instead of all it had earned.
        levels_per_hp: Levels of hit points, for each of them, that a packed observation tells
            apart: 10 where they come in tenths, 1 where they are whole.
    """

    name: str
    size: int = 1
    hp: float = 1.0
    speed: float = 1.0
    view_radius: int = 4
    attack_radius: float = 0.0
    damage: float = 0.0
    recovery: float = 0.0
    kill_supply: float = 0.0
    hits_own: bool = False
    step_reward: float = 0.0
    attack_penalty: float = 0.0
    kill_reward: float = 0.0
    dead_penalty: float = 0.0
    levels_per_hp: int = 10

    @cached_property
    def moves(self) -> tuple[Offset, ...]:
        """Offsets of the move actions, in the order of their numbers; staying is one of them."""
        return disc(self.speed)

    @cached_property
    def attacks(self) -> tuple[Offset, ...]:
        """Offsets of the cells that the attack actions hit; their numbers follow the moves'."""
        return disc(self.attack_radius, self.size, inner=self.size / 2)

    @property
    def num_actions(self) -> int:
        """How many actions it has."""
        return len(self.moves) + len(self.attacks)

    @property
    def view_size(self) -> int:
        """Side V of the square view."""
        return 2 * self.view_radius + self.size % 2

    @property
    def view_start(self) -> int:
        """Offset of the view's left column (and top row) from the position."""
        return self.size // 2 - self.view_radius

    @property
    def num_levels(self) -> int:
        """Levels of hit points that a packed observation tells apart, zero included."""
        return round(self.hp * self.levels_per_hp) + 1

    @cached_property
    def view_mask(self) -> Bool[np.ndarray, "V V"]:
        """The cells of the view that it sees: those inside the disc."""
        mask = np.zeros((self.view_size, self.view_size), bool)
        for dx, dy in disc(self.view_radius, self.size):
            mask[dy - self.view_start, dx - self.view_start] = True
        return mask
