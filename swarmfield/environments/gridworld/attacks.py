"""Who hits, wounds and kills whom when attacks happen one after the other in a given order.

Sequential attacks have one outcome for each order, and parallel sweeps find it. A victim that n
hits kill dies at the time of the n-th earliest attack that is carried out on it; an attack is
carried out if its attacker dies later than that. Starting from "all are carried out", a sweep
recomputes every time of death and then who attacks; each sweep settles at least the earliest
attack not yet settled, and the sweeps end when no attack changes that anybody feels.

Source: the rules are those of MAgent's engine (Zheng et al. 2018, "MAgent").
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float32, Int32, UInt

from swarmfield.environments.gridworld.agent_type import Offset
from swarmfield.environments.gridworld.layout import Layout
from swarmfield.environments.gridworld.occupancy import look_up


class Aim(NamedTuple):
    """The attacks of one step, before anyone is hit.

    Attributes:
        victim: Row of whom it would hit in arrays `[E * N]`; E * N for nobody.
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
    layout: Layout, aim: Aim, hp: Float32[Array, "E N"], order: UInt[Array, "E N"]
) -> Blows:
    """Carry out all attacks in order.

    Args:
        layout: The world.
        aim: The attacks.
        hp: Hit points before.
        order: Attack priorities, lowest first.
    """
    aimed = aim.victim < hp.size
    if layout.damage == 0:
        nobody = jnp.zeros_like(aimed)
        return Blows(aimed, nobody, count_by_victim(aimed, aim), nobody, hp)
    lethal = hits_to_kill(layout, hp)
    slot = _slots(layout, aim.action)
    # Unsigned, so that there is a time after the last turn.
    order = order.astype(f"u{np.dtype(layout.word)}")
    never = latest(order)

    def sweep(carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        attacks = carry[0]
        times = _times_of_attacks(layout, attacks, aim.victim, slot, order)
        death = nth_smallest(times, lethal)
        last = jnp.minimum(death, never - 1)
        struck = sum(((time <= last).astype(jnp.int32) for time in times), jnp.int32(0))
        survivors = aimed & (order < death)
        # Whether somebody attacks the dead in vain changes nothing.
        matters = (survivors != attacks) & (order <= look_up(death, aim.victim))
        return survivors, death, struck, jnp.any(matters)

    nothing = jnp.full(hp.shape, never)
    start = (aimed, nothing, jnp.zeros(hp.shape, jnp.int32), jnp.asarray(True))
    attacks, death, struck, _ = jax.lax.while_loop(lambda carry: carry[-1], sweep, start)
    end = look_up(death, aim.victim)
    hit = attacks & (order <= end)
    return Blows(hit, hit & (order == end), struck, death != never, wounded(layout, hp, struck))


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


def latest(times: UInt[Array, "E N"]) -> np.unsignedinteger:
    """The last moment that times of this type can tell: never."""
    return times.dtype.type(np.iinfo(times.dtype).max)


def _times_of_attacks(
    layout: Layout, attacks: Array, victim: Array, slot: Array, order: Array
) -> list[UInt[Array, "E N"]]:
    """When each agent is attacked from each slot; the latest time where it is not."""
    num_slots = len(slots_of(layout))
    entry = jnp.where(attacks, slot * victim.size + victim, num_slots * victim.size)
    times = jnp.full(num_slots * victim.size, latest(order))
    times = times.at[entry].set(order, mode="drop")
    return list(times.reshape(num_slots, *victim.shape))


def _slots(layout: Layout, actions: Int32[Array, "E N"]) -> Int32[Array, "E N"]:
    """Number of the offset between attacker and victim: no two attackers of one share it."""
    slots = slots_of(layout)
    numbers = {offset: slot for slot, offset in enumerate(slots)}
    tables = [[numbers.get(offset, 0) for offset in table] for table in layout.offsets]
    return layout.per_action(tables, actions)


def nth_smallest(rows: Sequence[UInt[Array, "E N"]], n: Int32[Array, "E N"]) -> UInt[Array, "E N"]:
    """The n-th smallest of each agent's times, the first being n = 1; never beyond the last.

    All pairs are compared: more operations than sorting takes, but one pass over memory.
    """
    kind = rows[0].dtype
    ranks = [jnp.ones(n.shape, kind) for _ in rows]
    for i, j in itertools.combinations(range(len(rows)), 2):
        earlier = (rows[i] < rows[j]).astype(kind)
        ranks[i], ranks[j] = ranks[i] + (1 - earlier), ranks[j] + earlier
    chosen = jnp.full(n.shape, latest(rows[0]))
    for row, rank in zip(rows, ranks, strict=True):
        chosen = jnp.where(rank >= n.astype(kind), jnp.minimum(chosen, row), chosen)
    return chosen
