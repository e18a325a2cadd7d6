"""Who hits, wounds and kills whom when attacks happen one after the other in a given order.

Sequential attacks have one outcome for each order, and parallel sweeps find it. A victim that n
hits kill dies at the time of the n-th earliest attack that is carried out on it; an attack is
carried out if its attacker dies later than that. Starting from "all are carried out", a sweep
recomputes every time of death and then who attacks; each sweep settles at least the earliest
attack not yet settled, and the sweeps end when nothing changes.

Source: the rules are those of MAgent's engine (Zheng et al. 2018, "MAgent").
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float32, Int32, UInt32

from swarmfield.environments.gridworld.layout import Layout, Offset
from swarmfield.environments.gridworld.occupancy import look_up

NEVER = np.uint32(0xFFFFFFFF)


class Aim(NamedTuple):
    """The attacks of one step, before anyone is hit.

    Attributes:
        victim: Row of the enemy on the target cell in arrays `[E * N]`; E * N for none.
        row: The same in arrays `[N]`; without meaning where there is none.
        action: The attackers' actions.
    """

    victim: Int32[Array, "E N"]
    row: Int32[Array, "E N"]
    action: Int32[Array, "E N"]


class Blows(NamedTuple):
    """The outcome of one step's attacks.

    Attributes:
        hit: Attacks that landed, killing blows included.
        kill: Attacks that killed.
        struck: Hits that each agent took.
        died: Agents who were killed.
        hp: Hit points after, below 0 for those who died.
    """

    hit: Bool[Array, "E N"]
    kill: Bool[Array, "E N"]
    struck: Int32[Array, "E N"]
    died: Bool[Array, "E N"]
    hp: Float32[Array, "E N"]


def slots_of(layout: Layout) -> tuple[Offset, ...]:
    """Every offset from an attacker's position to a cell it can hit."""
    return tuple(dict.fromkeys(offset for g in layout.groups for offset in g.type.attacks))


def resolve_attacks(
    layout: Layout, aim: Aim, hp: Float32[Array, "E N"], order: UInt32[Array, "E N"]
) -> Blows:
    """Carry out all attacks in order.

    Args:
        layout: The world.
        aim: The attacks.
        hp: Hit points before.
        order: Attack priorities, lowest first.
    """
    aimed = aim.victim < hp.size
    hits = count_by_victim(aimed, aim)
    nobody = jnp.zeros_like(aimed)
    if layout.damage == 0:
        return Blows(aimed, nobody, hits, nobody, hp)
    left = wounded(layout, hp, hits)
    return jax.lax.cond(
        jnp.any(left < 0),
        lambda: _resolve_lethal(layout, aim, hp, order),
        lambda: Blows(aimed, nobody, hits, nobody, left),
    )


def count_by_victim(hit: Bool[Array, "E N"], aim: Aim) -> Int32[Array, "E N"]:
    """Hits that each agent takes."""
    target = jnp.where(hit, aim.victim, hit.size)
    return jnp.zeros(hit.size, jnp.int32).at[target].add(1, mode="drop").reshape(hit.shape)


def wounded(layout: Layout, hp: Float32[Array, "E N"], struck: Array) -> Float32[Array, "E N"]:
    """Hit points after that many hits, subtracted one by one as float32 arithmetic has it."""
    for i in range(len(slots_of(layout))):
        hp = jnp.where(struck > i, hp - np.float32(layout.damage), hp)
    return hp


def hits_to_kill(layout: Layout, hp: Float32[Array, "E N"]) -> Int32[Array, "E N"]:
    """Hits until hp < 0; hp = 0 is alive. More than there are slots means it cannot die."""
    lethal = jnp.ones(hp.shape, jnp.int32)
    for _ in slots_of(layout):
        hp = hp - np.float32(layout.damage)
        lethal = lethal + (hp >= 0).astype(jnp.int32)
    return lethal


def _resolve_lethal(
    layout: Layout, aim: Aim, hp: Float32[Array, "E N"], order: UInt32[Array, "E N"]
) -> Blows:
    aimed = aim.victim < hp.size
    lethal = hits_to_kill(layout, hp)
    slot = _slots(layout, aim.action)

    def sweep(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        attacks, _, _ = carry
        death = _times_of_death(layout, attacks, aim.victim, slot, lethal, order)
        survivors = aimed & (order < death)
        return survivors, death, jnp.any(survivors != attacks)

    start = (aimed, jnp.full(hp.shape, NEVER), jnp.asarray(True))
    attacks, death, _ = jax.lax.while_loop(lambda carry: carry[2], sweep, start)
    end = look_up(death, aim.victim)
    hit = attacks & (order <= end)
    struck = count_by_victim(hit, aim)
    return Blows(hit, hit & (order == end), struck, death != NEVER, wounded(layout, hp, struck))


def _times_of_death(
    layout: Layout, attacks: Array, victim: Array, slot: Array, lethal: Array, order: Array
) -> UInt32[Array, "E N"]:
    """When the n-th attack on each agent comes, n being what kills it; NEVER without one."""
    num_slots = len(slots_of(layout))
    entry = jnp.where(attacks, slot * victim.size + victim, num_slots * victim.size)
    times = jnp.full(num_slots * victim.size, NEVER).at[entry].set(order, mode="drop")
    return select_row(sort_rows(times.reshape(num_slots, *victim.shape)), lethal - 1)


def _slots(layout: Layout, actions: Int32[Array, "E N"]) -> Int32[Array, "E N"]:
    """Number of the offset between attacker and victim: no two attackers of one share it."""
    slots = slots_of(layout)
    tables = [
        [0] * len(g.type.moves) + [slots.index(offset) for offset in g.type.attacks]
        for g in layout.groups
    ]
    return layout.per_action(tables, actions)


def select_row(rows: UInt32[Array, "slots E N"], index: Int32[Array, "E N"]) -> Array:
    """`rows[index]` for each agent, NEVER beyond the last row."""
    chosen = jnp.full(index.shape, NEVER)
    for i in range(rows.shape[0]):
        chosen = jnp.where(index == i, rows[i], chosen)
    return chosen


def sort_rows(rows: UInt32[Array, "slots E N"]) -> UInt32[Array, "slots E N"]:
    """Sort along the first axis by Batcher's network of elementwise minima and maxima."""
    lines = list(rows)
    for i, j in _comparators(len(lines)):
        lines[i], lines[j] = jnp.minimum(lines[i], lines[j]), jnp.maximum(lines[i], lines[j])
    return jnp.stack(lines)


def _comparators(num_lines: int) -> list[tuple[int, int]]:
    """Batcher's odd-even merge sort; lines beyond `num_lines` hold what is largest."""
    exponents = range((num_lines - 1).bit_length())
    size = 1 << len(exponents)
    stages = [(1 << p, 1 << k) for p in exponents for k in range(p, -1, -1)]
    pairs = [
        (i, i + k)
        for p, k in stages
        for j in range(k % p, size - k, 2 * k)
        for i in range(j, min(j + k, size - k))
        if i // (2 * p) == (i + k) // (2 * p)
    ]
    return [(i, j) for i, j in pairs if j < num_lines]
