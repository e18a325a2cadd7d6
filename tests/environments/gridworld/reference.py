"""The rules in plain Python, one agent after the other: what the engine must equal."""

import numpy as np


def play_step(layout, state, actions, attack_order, move_order):
    """Sequential rules for one world, on dicts of numpy arrays. Returns the next state."""
    group = np.repeat(np.arange(len(layout.groups)), [g.num_agents for g in layout.groups])
    types = [layout.groups[g].type for g in group]
    team = [layout.groups[g].team for g in group]
    x, y = state["x"].copy(), state["y"].copy()
    hp, alive = state["hp"].astype(np.float32).copy(), state["alive"].copy()
    was_alive = alive.copy()
    reward = np.array([np.float32(t.step_reward) for t in types])
    events, kills = {}, {}
    owner = {}

    def cells(i, at_x, at_y):
        size = types[i].size
        return [(at_x + a, at_y + b) for a in range(size) for b in range(size)]

    def die(i):
        alive[i] = False
        reward[i] = types[i].dead_penalty
        for cell in cells(i, x[i], y[i]):
            del owner[cell]

    for i in np.flatnonzero(alive):
        owner |= dict.fromkeys(cells(i, x[i], y[i]), i)

    num_moves = np.array([len(t.moves) for t in types])
    attackers = [i for i in np.flatnonzero(alive) if actions[i] >= num_moves[i]]
    attackers = [i for i in attackers if actions[i] < types[i].num_actions]
    for i in sorted(attackers, key=lambda i: attack_order[i]):
        if not alive[i]:
            continue
        dx, dy = types[i].attacks[actions[i] - num_moves[i]]
        victim = owner.get((x[i] + dx, y[i] + dy))
        penalty = np.float32(types[i].attack_penalty)
        friend = victim is not None and layout.groups[group[victim]].team == team[i]
        if victim is None or (friend and not types[i].hits_own):
            reward[i] += penalty
            continue
        hp[victim] -= np.float32(types[i].damage)
        if hp[victim] >= 0:
            events[i] = victim
            reward[i] += penalty
            continue
        die(victim)
        kills[i] = victim
        hp[i] = min(np.float32(types[i].hp), hp[i] + np.float32(types[victim].kill_supply))
        reward[i] += np.float32(types[victim].kill_reward) + penalty

    for i in np.flatnonzero(alive):
        hp[i] = min(np.float32(types[i].hp), hp[i] + np.float32(types[i].recovery))
        if hp[i] < 0:
            die(i)

    movers = [i for i in np.flatnonzero(alive) if actions[i] < num_moves[i]]
    for i in sorted(movers, key=lambda i: move_order[i]):
        dx, dy = types[i].moves[actions[i]]
        wanted = cells(i, x[i] + dx, y[i] + dy)
        off = any(min(c) < 0 or max(c) >= layout.map_size for c in wanted)
        if off or any(state["walls"][b, a] or owner.get((a, b), i) != i for a, b in wanted):
            continue
        for cell in cells(i, x[i], y[i]):
            del owner[cell]
        x[i], y[i] = x[i] + dx, y[i] + dy
        owner |= dict.fromkeys(wanted, i)

    for rule in layout.rules:
        for i, victim in (kills if rule.kills else events).items():
            if group[i] == rule.attacker and group[victim] == rule.victim:
                company = sum(other == victim for other in events.values()) - 1
                reward[i] += np.float32(rule.attacker_reward + company * rule.company_reward)
                reward[victim] += np.float32(rule.victim_reward)
    return {
        "x": x,
        "y": y,
        "hp": np.where(alive, hp, np.float32(0)),
        "alive": alive,
        "reward": np.where(was_alive, reward, np.float32(0)).astype(np.float32),
        "walls": state["walls"],
    }
