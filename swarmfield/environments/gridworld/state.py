"""What changes in a grid world, and what its agents are shown."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array, Bool, Float32, Int32, Integer, UInt, UInt8, UInt32


class Tally(NamedTuple):
    """Totals since the reset, by group: hits on others than the own team, hits taken, kills."""

    hits: Int32[Array, "*E K"]
    struck: Int32[Array, "*E K"]
    kills: Int32[Array, "*E K"]


class State(eqx.Module):
    """A grid world at one instant; all groups' agents one after the other in N rows.

    Attributes:
        x: Column of each body's left cell.
        y: Row of each body's top cell; it grows downwards.
        hp: Hit points, exactly as sequential float32 arithmetic makes them; 0 for the dead.
        alive: Who is alive.
        last_action: The last action, `num_actions` where there was none.
        reward: For the last action.
        steps: Steps since the reset.
        walls: Cells that are wall; the outer ring always is.
        tally: Totals since the reset.
    """

    x: Int32[Array, "*E N"]
    y: Int32[Array, "*E N"]
    hp: Float32[Array, "*E N"]
    alive: Bool[Array, "*E N"]
    last_action: Integer[Array, "*E N"]
    reward: Float32[Array, "*E N"]
    steps: Int32[Array, "*E"]
    walls: Bool[Array, "*E H W"]
    tally: Tally


class Orders(NamedTuple):
    """Who comes first, lowest first: distinct numbers within one world.

    They are below 2**15 where the layout's word has 16 bits, else below 2**31.
    """

    attack: UInt[Array, "*E N"]
    move: UInt[Array, "*E N"]


class Minimap(eqx.Module):
    """The coarse map of a team, its own group first.

    Attributes:
        counts: Living agents in each bin, of each group.
        totals: Living agents of each group, so that nobody has to add them up again.
    """

    counts: Integer[Array, "*E R R K"]
    totals: UInt32[Array, "*E K"]


class Packed(eqx.Module):
    """What all agents of a team see, in the smallest integers that hold it.

    Attributes:
        grid: One code a cell: 0 empty, 1 wall, else a group and the level of its hit points.
        minimap: The coarse map, or None without one.
        perspective: Index of the team that looks.
    """

    grid: Integer[Array, "*E H W"]
    minimap: Minimap | None
    perspective: UInt8[Array, "*E"]
