"""The parallel engine against sequential play, on dense random boards and in any order."""

import dataclasses
import functools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import play_step

from swarmfield.environments import make
from swarmfield.environments.gridworld import adversarial_pursuit, battle
from swarmfield.environments.gridworld.agent_type import AgentType
from swarmfield.environments.gridworld.attacks import nth_smallest
from swarmfield.environments.gridworld.layout import Group, Layout
from swarmfield.environments.gridworld.occupancy import ring
from swarmfield.environments.gridworld.order import draw_orders, hash_priority, id_priority
from swarmfield.environments.gridworld.state import Orders, State, Tally
from swarmfield.types import SwarmfieldError

SIZE = 9
# A soldier of Combined Arms who kills and is then killed.
MOST_AFTER_DEATH = 5.0
KEEP = ("x", "y", "hp", "alive", "reward")


def crowded(env, map_size, *counts):
    """The environment with many more agents than it would place."""
    groups = [
        dataclasses.replace(group, num_agents=count)
        for group, count in zip(env.layout.groups, counts, strict=True)
    ]
    layout = dataclasses.replace(env.layout, map_size=map_size, groups=tuple(groups))
    return dataclasses.replace(env, layout=layout)


SOLDIERS = crowded(battle.build(battle.BattleConfig()), SIZE, 14, 14)
HUNT = crowded(
    adversarial_pursuit.build(adversarial_pursuit.AdversarialPursuitConfig()), SIZE, 5, 9
)
# Jumps of three cells reach beyond the ring's neighbours in memory.
RUNNER = AgentType("runner", hp=3.0, speed=3.0, attack_radius=1.0, damage=1.0, kill_reward=2.0)
RUNNERS = dataclasses.replace(
    SOLDIERS,
    layout=Layout(
        SIZE, (Group("red", "red", RUNNER, 9), Group("blue", "blue", RUNNER, 12)), rules=()
    ),
)
WORLDS = {
    "soldiers": SOLDIERS,
    "hunt": HUNT,
    "runners": RUNNERS,
    "arms": crowded(make("combined_arms"), SIZE, 5, 7, 6, 5),
    "tigers": crowded(make("tiger_deer"), SIZE, 9, 14),
    "double": crowded(make("battle", enemy="double"), SIZE, 14, 7),
    "gatherers": crowded(make("gather", map_size=30), SIZE, 14, 12),
}


@functools.cache
def stepper(name):
    return jax.jit(WORLDS[name].step_in_order)


def board(layout, random):
    """Bodies wherever they fit, some of them dead, some almost; walls in between."""
    walls = ring(layout.map_size) | (random.random((layout.map_size,) * 2) < 0.04)
    taken = walls.copy()
    n = layout.num_agents
    x, y, alive = np.ones(n, np.int32), np.ones(n, np.int32), np.zeros(n, bool)
    for g, group in enumerate(layout.groups):
        size = group.type.size
        for i in range(layout.starts[g], layout.starts[g + 1]):
            a, b = random.integers(1, layout.map_size - size, 2)
            if taken[b : b + size, a : a + size].any() or random.random() < 0.1:
                continue
            taken[b : b + size, a : a + size] = True
            x[i], y[i], alive[i] = a, b, True
    most = np.repeat([g.type.hp for g in layout.groups], [g.num_agents for g in layout.groups])
    hp = np.where(alive, np.round(most * random.random(n), 1), 0).astype(np.float32)
    return {"x": x, "y": y, "hp": hp, "alive": alive, "walls": walls}


def as_state(env, parts):
    n, groups = env.layout.num_agents, len(env.layout.groups)
    zeros = jnp.zeros(groups, jnp.int32)
    blank = {
        "last_action": jnp.zeros(n, jnp.uint8),
        "reward": jnp.zeros(n),
        "steps": jnp.int32(0),
        "tally": Tally(zeros, zeros, zeros),
    }
    return State(**blank | {name: jnp.asarray(value) for name, value in parts.items()})


def draw(layout, random):
    """Actions (attacks preferred) and two orders."""
    actions = np.zeros(layout.num_agents, np.int32)
    for g, group in enumerate(layout.groups):
        rows = slice(layout.starts[g], layout.starts[g + 1])
        low = len(group.type.moves) if group.type.attacks and random.random() < 0.5 else 0
        actions[rows] = random.integers(low, group.type.num_actions, group.num_agents)
    orders = [random.permutation(layout.num_agents).astype(np.uint32) for _ in range(2)]
    return actions, Orders(*orders)


def joint(env, actions):
    return {team.name: jnp.asarray(actions[env.layout.rows_of(team.name)]) for team in env.teams}


@pytest.mark.parametrize("name", WORLDS)
@hypothesis.given(seed=st.integers(0, 2**32 - 1))
def test_parallel_play_equals_sequential_play(name, seed):
    env, random = WORLDS[name], np.random.default_rng(seed)
    parts = board(env.layout, random)
    for _ in range(4):
        actions, orders = draw(env.layout, random)
        state, _ = stepper(name)(orders, as_state(env, parts), joint(env, actions))
        parts = play_step(env.layout, parts, actions, orders.attack, orders.move)
        for field in KEEP:
            np.testing.assert_array_equal(np.asarray(getattr(state, field)), parts[field], field)


@hypothesis.given(seed=st.integers(0, 2**32 - 1))
def test_bodies_never_overlap_and_hit_points_stay_in_range(seed):
    random = np.random.default_rng(seed)
    for name, env in WORLDS.items():
        state = as_state(env, board(env.layout, random))
        for _ in range(3):
            actions, orders = draw(env.layout, random)
            state, timesteps = stepper(name)(orders, state, joint(env, actions))
            check_bodies(env, state)
            for team in env.teams:
                over = ~np.asarray(timesteps[team.name].alive)
                assert not np.any(np.asarray(timesteps[team.name].reward)[over] > MOST_AFTER_DEATH)


@pytest.mark.parametrize("name", ["soldiers", "hunt"])
def test_agents_permuted_with_their_orders_are_outcomes_permuted(name):
    env, random = WORLDS[name], np.random.default_rng(7)
    parts = board(env.layout, random)
    actions, orders = draw(env.layout, random)
    shuffle = np.concatenate(
        [
            start + random.permutation(group.num_agents)
            for start, group in zip(env.layout.starts, env.layout.groups, strict=False)
        ]
    )
    moved = {k: v if k == "walls" else v[shuffle] for k, v in parts.items()}
    one, _ = stepper(name)(orders, as_state(env, parts), joint(env, actions))
    permuted = Orders(orders.attack[shuffle], orders.move[shuffle])
    two, _ = stepper(name)(permuted, as_state(env, moved), joint(env, actions[shuffle]))
    for field in KEEP:
        np.testing.assert_array_equal(np.asarray(getattr(one, field))[shuffle], getattr(two, field))


WORLDS_OF_ANY_SIZE = st.tuples(
    st.sampled_from(["soldiers", "hunt"]),
    st.integers(7, 20),
    st.integers(1, 16),
    st.integers(1, 16),
)


@hypothesis.settings(max_examples=hypothesis.settings().max_examples // 3)
@hypothesis.given(world=WORLDS_OF_ANY_SIZE, seed=st.integers(0, 2**32 - 1))
def test_worlds_of_any_size_keep_the_rules(world, seed):
    """As sequential play has it; permuted with their agents; and the same with more dead rows."""
    name, size, *counts = world
    env, padded = (crowded(WORLDS[name], size, *(n + more for n in counts)) for more in (0, 3))
    step, step_padded = jax.jit(env.step_in_order), jax.jit(padded.step_in_order)
    random = np.random.default_rng(seed)
    parts = board(env.layout, random)
    rows = np.r_[: counts[0], counts[0] + 3 : sum(counts) + 3]
    shuffle = np.concatenate(
        [random.permutation(counts[0]), counts[0] + random.permutation(counts[1])]
    )
    for _ in range(4):
        actions, orders = draw(env.layout, random)
        state, shown = step(orders, as_state(env, parts), joint(env, actions))
        check_bodies(env, state)

        moved = {k: v if k == "walls" else v[shuffle] for k, v in parts.items()}
        turned = Orders(orders.attack[shuffle], orders.move[shuffle])
        permuted, _ = step(turned, as_state(env, moved), joint(env, actions[shuffle]))
        wide, last = spread(parts, rows), sum(counts) + 5
        more = Orders(*(spread_rows(order, rows, last) for order in orders))
        acts = spread_rows(actions, rows, 0)
        crowd, crowd_shown = step_padded(more, as_state(padded, wide), joint(padded, acts))

        parts = play_step(env.layout, parts, actions, orders.attack, orders.move)
        for field in KEEP:
            expected = parts[field]
            np.testing.assert_array_equal(np.asarray(getattr(state, field)), expected, field)
            np.testing.assert_array_equal(getattr(permuted, field), expected[shuffle], field)
            np.testing.assert_array_equal(np.asarray(getattr(crowd, field))[rows], expected, field)
        for team, one in shown.items():
            np.testing.assert_array_equal(one.shared.grid, crowd_shown[team].shared.grid)


def spread_rows(values, rows, filler):
    """Rows of a larger world; the others hold a filler."""
    wide = np.full(len(rows) + 6, filler, values.dtype)
    wide[rows] = values
    return wide


def spread(parts, rows):
    """The agents of a board in rows of a larger world, with the dead between them."""
    fillers = {"x": 1, "y": 1, "hp": 0, "alive": False}
    agents = {name: spread_rows(parts[name], rows, fill) for name, fill in fillers.items()}
    return {**agents, "walls": parts["walls"]}


def check_bodies(env, state):
    """No two on a cell, and hit points in range, 0 for the dead."""
    cells, hp, alive = np.asarray(state.walls).astype(int), np.asarray(state.hp), state.alive
    counts = [group.num_agents for group in env.layout.groups]
    sizes = np.repeat([group.type.size for group in env.layout.groups], counts)
    most = np.repeat([group.type.hp for group in env.layout.groups], counts)
    for i in np.flatnonzero(alive):
        x, y = int(state.x[i]), int(state.y[i])
        cells[y : y + sizes[i], x : x + sizes[i]] += 1
    assert cells.max() == 1
    assert np.all((hp >= 0) & (hp <= most))
    assert np.all(hp[~np.asarray(alive)] == 0)


def test_more_dead_rows_change_nothing_for_the_others():
    small, large = SOLDIERS, crowded(SOLDIERS, SIZE, 20, 17)
    random, key = np.random.default_rng(3), jax.random.key(5)
    parts = board(small.layout, random)
    actions = np.where(np.arange(28) % 3, 13 + np.arange(28) % 8, np.arange(28) % 13)
    rows = np.r_[0:14, 20:34]
    padded = {"walls": parts["walls"]}
    for name in ("x", "y", "hp", "alive"):
        padded[name] = (
            np.ones(37, parts[name].dtype) if name in "xy" else np.zeros(37, parts[name].dtype)
        )
        padded[name][rows] = parts[name]
    more = np.zeros(37, int)
    more[rows] = actions
    few, many = as_state(small, parts), as_state(large, padded)
    step_small, step_large = jax.jit(small.step), jax.jit(large.step)
    for i in range(4):
        key_step = jax.random.fold_in(key, i)
        few, shown_few = step_small(key_step, few, joint(small, actions))
        many, shown_many = step_large(key_step, many, joint(large, more))
        for field in KEEP:
            np.testing.assert_array_equal(
                getattr(few, field), np.asarray(getattr(many, field))[rows]
            )
        for team, one in shown_few.items():
            np.testing.assert_array_equal(one.shared.grid, shown_many[team].shared.grid)


def test_worlds_in_nested_batches_are_what_they_are_alone():
    env = SOLDIERS
    random = np.random.default_rng(1)
    states = [as_state(env, board(env.layout, random)) for _ in range(6)]
    actions = [joint(env, draw(env.layout, random)[0]) for _ in range(6)]
    keys = jax.random.split(jax.random.key(0), 6)
    step = jax.jit(env.step)
    alone = [step(*one) for one in zip(keys, states, actions, strict=True)]

    def nest(*trees):
        return jax.tree.map(lambda *x: jnp.stack(x).reshape(2, 3, *x[0].shape), *trees)

    together = jax.jit(jax.vmap(jax.vmap(env.step)))(
        keys.reshape(2, 3), nest(*states), nest(*actions)
    )
    jax.tree.map(np.testing.assert_array_equal, together, nest(*alone))


def test_compiled_and_eager_steps_agree():
    env, random = SOLDIERS, np.random.default_rng(2)
    state = as_state(env, board(env.layout, random))
    actions, orders = draw(env.layout, random)
    compiled = stepper("soldiers")(orders, state, joint(env, actions))
    eager = env.step_in_order(orders, state, joint(env, actions))
    jax.tree.map(np.testing.assert_array_equal, compiled, eager)


@pytest.mark.parametrize("num_rows", [1, 2, 3, 5, 8, 12])
def test_the_nth_smallest_time_is_found(num_rows):
    random = np.random.default_rng(num_rows)
    never = np.iinfo(np.uint16).max
    times = np.stack([random.permutation(100) for _ in range(num_rows)]).reshape(num_rows, 20, 5)
    times = (times * num_rows + np.arange(num_rows)[:, None, None]).astype(np.uint16)
    times[random.random(times.shape) < 0.3] = never
    for n in range(1, num_rows + 2):
        found = nth_smallest(list(jnp.asarray(times)), jnp.full((20, 5), n))
        expected = np.sort(times, axis=0)[n - 1] if n <= num_rows else np.full((20, 5), never)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("num_agents", "bits"), [(1000, 15), (20_000, 31)])
def test_priorities_are_distinct_and_differ_between_keys(num_agents, bits):
    layout = battle.build(battle.BattleConfig(num_agents=num_agents)).layout
    keys = jax.random.split(jax.random.key(0), 64)
    order = np.asarray(hash_priority(layout, keys)).astype(np.int64)
    assert order.max() < 2**bits
    assert all(len(np.unique(row)) == layout.num_agents for row in order)
    ranks = order.argsort(axis=1).argsort(axis=1) / layout.num_agents
    # Independent orders of n agents have a correlation of standard deviation 1 / sqrt(n).
    correlations = np.corrcoef(ranks)[np.triu_indices(64, 1)] * np.sqrt(num_agents)
    assert 0.8 < correlations.std() < 1.2
    assert np.abs(correlations).max() < 5
    half = num_agents // 2
    red_first = (order[:, :half] < order[:, half:]).mean(axis=1)
    np.testing.assert_allclose(red_first, 0.5, atol=3 / np.sqrt(half))


@pytest.mark.parametrize("map_size", [12, 40])
def test_either_of_two_agents_comes_first_equally_often(map_size):
    layout = battle.build(battle.BattleConfig(map_size=map_size)).layout
    order = np.asarray(hash_priority(layout, jax.random.split(jax.random.key(1), 4000)))
    for i in range(layout.num_agents):
        shares = (order[:, i : i + 1] < order[:, :i]).mean(axis=0)
        assert (np.abs(shares - 0.5) < 0.04).all()


def test_any_of_three_agents_comes_first_equally_often():
    layout = battle.build(battle.BattleConfig(map_size=40)).layout
    order = np.asarray(hash_priority(layout, jax.random.split(jax.random.key(1), 6000)))
    random = np.random.default_rng(0)
    triples = [random.choice(layout.num_agents, 3, replace=False) for _ in range(300)]
    for triple in (*triples, (0, 1, 2), (0, 64, 127), (5, 69, 37)):
        ranks = order[:, list(triple)].argsort(axis=1) @ [9, 3, 1]
        shares = np.unique(ranks, return_counts=True)[1] / len(order)
        assert len(shares) == 6
        # Five standard deviations.
        np.testing.assert_allclose(shares, 1 / 6, atol=0.025)


def test_the_order_of_ids_on_small_and_large_maps():
    small = dataclasses.replace(SOLDIERS.layout, map_size=99)
    x = jnp.arange(small.num_agents, dtype=jnp.int32)[None]
    np.testing.assert_array_equal(id_priority(small, x)[0], np.arange(28))
    large = dataclasses.replace(SOLDIERS.layout, map_size=100)
    x = jnp.full((1, 28), 45).at[0, 0].set(2).at[0, 1].set(8).at[0, 2].set(91)
    order = np.asarray(id_priority(large, x.astype(jnp.int32)))[0]
    # Strips are 13 wide. Columns 2 and 91 are near a border, 8 is in strip 0, 45 in strip 3.
    assert np.argsort(order)[0] == 1
    assert set(np.argsort(order)[-2:]) == {0, 2}


def test_orders_follow_the_priority_option():
    keys = jax.random.split(jax.random.key(0), 1)
    state = as_state(SOLDIERS, board(SOLDIERS.layout, np.random.default_rng(0)))
    batch = jax.tree.map(lambda x: x[None], state)
    by_id = dataclasses.replace(SOLDIERS.layout, priority="id")
    np.testing.assert_array_equal(draw_orders(by_id, keys, batch).move[0], np.arange(28))
    assert not np.array_equal(draw_orders(SOLDIERS.layout, keys, batch).move[0], np.arange(28))


def test_the_compiled_step_sorts_nothing():
    env = SOLDIERS
    state = as_state(env, board(env.layout, np.random.default_rng(0)))
    actions = joint(env, np.zeros(env.layout.num_agents, int))
    text = jax.jit(env.step).lower(jax.random.key(0), state, actions).as_text()
    assert "stablehlo.sort" not in text


def test_what_the_engine_cannot_do_is_refused():
    brute = AgentType("brute", size=2, attack_radius=2.0, damage=1.0)
    with pytest.raises(SwarmfieldError, match="wounded"):
        Layout(9, (Group("a", "a", brute, 1), Group("b", "b", RUNNER, 1)), rules=())
    mild = dataclasses.replace(RUNNER, damage=0.5)
    with pytest.raises(SwarmfieldError, match="differ"):
        Layout(9, (Group("a", "a", mild, 1), Group("b", "b", RUNNER, 1)), rules=())
