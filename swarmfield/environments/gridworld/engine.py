"""One step of a flat batch of grid worlds: attacks, recovery, moves, rewards."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float32, Int32, Integer

from swarmfield.environments.gridworld.attacks import Aim, Blows, resolve_attacks, slots_of
from swarmfield.environments.gridworld.layout import Layout, RewardRule
from swarmfield.environments.gridworld.moves import resolve_moves
from swarmfield.environments.gridworld.occupancy import (
    first_cells,
    first_rows,
    look_up,
    occupants,
    rows_on,
)
from swarmfield.environments.gridworld.state import Orders, State, Tally


def advance(
    layout: Layout, state: State, actions: Integer[Array, "E N"], orders: Orders
) -> tuple[State, Bool[Array, "E N"]]:
    """Advance every world by one step.

    Attacks come first, all from where agents stand; then recovery or starving; then all moves;
    the dead free their cells at once. The rules are magent2 0.3.4's, in float32 and in its order
    of summation.

    Args:
        layout: The worlds' static half.
        state: Where they are.
        actions: One for each agent; those of the dead are ignored.
        orders: Who attacks and who moves first.

    Returns:
        The next state, and who died in this step.
    """
    # Keeps a loop over steps from holding grids of walls alone: copying them costs more.
    state, actions = jax.lax.optimization_barrier((state, actions.astype(jnp.int32)))
    grid = occupants(layout, state)
    dx, dy = _offsets(layout, actions)
    target = _targets(layout, state.x + dx, state.y + dy)
    attacks = state.alive & _are_attacks(layout, actions)
    aim = _aim(layout, grid, target, attacks, actions)
    blows = resolve_attacks(layout, aim, state.hp, orders.attack)

    hp = _hit_points(layout, aim, blows)
    died = blows.died
    if any(group.type.recovery < 0 for group in layout.groups):
        died = died | (state.alive & (hp < 0))
    alive = state.alive & ~died
    wants = alive & ~attacks & ((dx != 0) | (dy != 0))
    moved = resolve_moves(layout, grid, target, wants, alive, orders.move)
    following = State(
        x=jnp.where(moved, state.x + dx, state.x),
        y=jnp.where(moved, state.y + dy, state.y),
        hp=jnp.where(alive, hp, 0.0),
        alive=alive,
        last_action=actions.astype(state.last_action.dtype),
        reward=_rewards(layout, state.alive, died, attacks, aim, blows),
        steps=state.steps + 1,
        walls=state.walls,
        tally=_count(layout, state.tally, aim, blows),
    )
    return following, died


def _are_attacks(layout: Layout, actions: Int32[Array, "E N"]) -> Bool[Array, "E N"]:
    types = [group.type for group in layout.groups]
    attacks = actions >= layout.per_agent([len(type.moves) for type in types], jnp.int32)
    if all(type.num_actions == layout.num_actions(i) for i, type in enumerate(types)):
        return attacks
    return attacks & (actions < layout.per_agent([t.num_actions for t in types], jnp.int32))


def _offsets(layout: Layout, actions: Array) -> tuple[Array, Array]:
    dx = layout.per_action([[x for x, _ in table] for table in layout.offsets], actions)
    dy = layout.per_action([[y for _, y in table] for table in layout.offsets], actions)
    return dx, dy


def _targets(layout: Layout, x: Array, y: Array) -> Array:
    """Cells in the grid of all worlds; a wall's for what is off the map."""
    first, size = first_cells(layout, x.shape[0]), layout.map_size
    inside = (x >= 0) & (y >= 0) & (x < size) & (y < size)
    return first + jnp.where(inside, y * size + x, 0)


def _aim(layout: Layout, grid: Array, target: Array, attacks: Array, actions: Array) -> Aim:
    """Who stands where each attack strikes, if it can be hit."""
    row = rows_on(grid, target)
    strikes = attacks & (row >= 0) & ~_is_spared(layout, row)
    victim = first_rows(layout, target.shape[0]) + row
    return Aim(jnp.where(strikes, victim, target.size), row, actions)


def _is_spared(layout: Layout, row: Array) -> Array:
    own = _in_own_team(layout, row)
    spares = [not group.type.hits_own for group in layout.groups]
    return own if all(spares) else own & layout.per_agent(spares, bool)


def _in_own_team(layout: Layout, row: Array) -> Array:
    ranges = [layout.rows_of(group.team) for group in layout.groups]
    first = layout.per_agent([rows.start for rows in ranges], jnp.int32)
    last = layout.per_agent([rows.stop for rows in ranges], jnp.int32)
    return (row >= first) & (row < last)


def _hit_points(layout: Layout, aim: Aim, blows: Blows) -> Float32[Array, "E N"]:
    """After attacks, what kills supply, and recovery; below 0 for who dies."""
    types = [group.type for group in layout.groups]
    most = layout.per_agent([type.hp for type in types], jnp.float32)
    hp = blows.hp
    if any(type.kill_supply for type in types):
        supply = _by_victim(layout, aim, [np.float32(type.kill_supply) for type in types])
        hp = jnp.where(blows.kill, jnp.minimum(most, hp + supply), hp)
    if any(type.recovery for type in types):
        recovery = layout.per_agent([type.recovery for type in types], jnp.float32)
        hp = jnp.minimum(most, hp + recovery)
    return hp


def _rewards(
    layout: Layout, alive: Array, died: Array, attacks: Array, aim: Aim, blows: Blows
) -> Float32[Array, "E N"]:
    """Step reward, then the attack's pay as one number, then the rules' pay.

    Death replaces the first two by the dead penalty. An attack carried out by an agent who dies
    later in the same step still earns the rules' pay.
    """
    types = [group.type for group in layout.groups]
    penalty = layout.per_agent([type.attack_penalty for type in types], jnp.float32)
    bounty = _by_victim(layout, aim, [np.float32(type.kill_reward) for type in types])
    reward = layout.per_agent([type.step_reward for type in types], jnp.float32)
    reward = reward + jnp.where(attacks, jnp.where(blows.kill, bounty + penalty, penalty), 0.0)
    dead = layout.per_agent([type.dead_penalty for type in types], jnp.float32)
    reward = jnp.where(died, dead, reward)
    for rule in layout.rules:
        reward = _pay(layout, rule, reward, aim, blows)
    return jnp.where(alive, reward, 0.0)


def _by_victim(layout: Layout, aim: Aim, values: list[np.float32]) -> Array:
    """The value of each attack's victim's group."""
    if len(set(values)) == 1:
        return jnp.full((1, 1), values[0])
    result = jnp.full(aim.row.shape, values[0])
    for start, value in zip(layout.starts[1:-1], values[1:], strict=True):
        result = jnp.where(aim.row >= start, value, result)
    return result


def _pay(layout: Layout, rule: RewardRule, reward: Array, aim: Aim, blows: Blows) -> Array:
    def members(group: int) -> Array:
        return layout.per_agent([i == group for i in range(len(layout.groups))], bool)

    start, stop = layout.starts[rule.victim], layout.starts[rule.victim + 1]
    paid = members(rule.attacker) & blows.hit & (blows.kill if rule.kills else ~blows.kill)
    paid &= (aim.row >= start) & (aim.row < stop)
    reward = reward + jnp.where(paid, np.float32(rule.attacker_reward), 0.0)
    if not rule.victim_reward and not rule.company_reward:
        return reward
    wounds = blows.struck - blows.died.astype(jnp.int32)
    if rule.company_reward:
        company = (look_up(wounds, aim.victim) - 1).astype(jnp.float32)
        reward = reward + jnp.where(paid, company * np.float32(rule.company_reward), 0.0)
    # One after the other, as float32 arithmetic has it.
    for i in range(len(slots_of(layout)) if rule.victim_reward else 0):
        loss = members(rule.victim) & (wounds > i)
        reward = jnp.where(loss, reward + np.float32(rule.victim_reward), reward)
    return reward


def _count(layout: Layout, tally: Tally, aim: Aim, blows: Blows) -> Tally:
    hit, kill = blows.hit, blows.kill
    if any(group.type.hits_own for group in layout.groups):
        foe = ~_in_own_team(layout, aim.row)
        hit, kill = hit & foe, kill & foe
    return Tally(
        tally.hits + layout.count(hit),
        tally.struck + layout.count(blows.struck),
        tally.kills + layout.count(kill),
    )
