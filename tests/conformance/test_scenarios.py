"""The rules one by one, on small boards; every step is also compared with magent2's engine.

A board has more rows than agents: the rest are dead padding, which must change nothing.
"""

import numpy as np
import pytest
from magent import Engine, Pair, board

from swarmfield.environments.gridworld import adversarial_pursuit, battle
from swarmfield.environments.gridworld.agent_type import AgentType

SOLDIERS = battle.build(battle.BattleConfig(map_size=20, num_agents=20, priority="id"))
HUNT = adversarial_pursuit.build(
    adversarial_pursuit.AdversarialPursuitConfig(map_size=20, num_agents=3, priority="id")
)
SOLDIER: AgentType = SOLDIERS.layout.groups[0].type
PREDATOR: AgentType = HUNT.layout.groups[0].type
PREY: AgentType = HUNT.layout.groups[1].type
STAY = SOLDIER.moves.index((0, 0))

Cells = list[tuple[int, int]]


def soldiers(red: Cells, blue: Cells, walls: Cells = [], seed: int = 0) -> Pair:  # noqa: B006
    return board(SOLDIERS, Engine("battle", 20, True, seed), [red, blue], walls)


def hunt(predators: Cells, prey: Cells, walls: Cells = [], seed: int = 0) -> Pair:  # noqa: B006
    return board(HUNT, Engine("adversarial_pursuit", 20, True, seed), [predators, prey], walls)


def move(dx: int, dy: int, kind: AgentType = SOLDIER) -> int:
    return kind.moves.index((dx, dy))


def attack(dx: int, dy: int, kind: AgentType = SOLDIER) -> int:
    return len(kind.moves) + kind.attacks.index((dx, dy))


def act(pair: Pair, *actions: int) -> None:
    """Give the engine's agents their actions, by id, and step both."""
    joint = np.full(pair.layout.num_agents, STAY)
    joint[pair.rows] = actions
    pair.step(joint)


def places(pair: Pair) -> Cells:
    where = np.stack([np.asarray(pair.state.x), np.asarray(pair.state.y)], axis=1)
    return [(int(x), int(y)) for x, y in where[pair.rows]]


def rewards(pair: Pair) -> list[float]:
    return [float(r) for r in np.asarray(pair.state.reward)[pair.rows]]


def hit_points(pair: Pair) -> list[float]:
    return [float(h) for h in np.asarray(pair.state.hp)[pair.rows]]


def living(pair: Pair) -> int:
    return int(np.asarray(pair.state.alive).sum())


def test_action_tables() -> None:
    assert SOLDIER.moves == (
        *((0, -2), (-1, -1), (0, -1), (1, -1), (-2, 0), (-1, 0), (0, 0)),
        *((1, 0), (2, 0), (-1, 1), (0, 1), (1, 1), (0, 2)),
    )
    around = ((-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1))
    assert SOLDIER.attacks == around
    assert PREDATOR.moves == ((0, -1), (-1, 0), (0, 0), (1, 0), (0, 1))
    assert PREDATOR.attacks == ((0, -1), (1, -1), (-1, 0), (2, 0), (-1, 1), (2, 1), (0, 2), (1, 2))
    assert PREY.moves == (*around[:4], (0, 0), *around[4:])
    assert PREY.attacks == ()
    assert [kind.view_mask.sum() for kind in (SOLDIER, PREDATOR, PREY)] == [113, 80, 49]


@pytest.mark.parametrize("action", range(13))
def test_every_move(action: int) -> None:
    pair = soldiers([(8, 8)], [(15, 15)])
    act(pair, action, STAY)
    dx, dy = SOLDIER.moves[action]
    assert places(pair)[0] == (8 + dx, 8 + dy)
    assert rewards(pair)[0] == np.float32(-0.005)


def test_every_action_in_the_corner() -> None:
    pair = soldiers([(1, 1)], [(15, 15)])
    for action in range(21):
        before = places(pair)[0]
        act(pair, action, STAY)
        offset = SOLDIER.moves[action] if action < 13 else (0, 0)
        wanted = (before[0] + offset[0], before[1] + offset[1])
        assert places(pair)[0] == (wanted if min(wanted) > 0 else before)
        assert rewards(pair)[0] == pytest.approx(-0.005 if action < 13 else -0.105)
        act(pair, move(max(-2, 1 - places(pair)[0][0]), 0), STAY)
        act(pair, move(0, max(-2, 1 - places(pair)[0][1])), STAY)


def test_a_contested_cell_goes_to_the_first() -> None:
    pair = soldiers([(5, 5), (7, 5)], [(6, 6)])
    act(pair, move(1, 0), move(-1, 0), move(0, -1))
    assert places(pair) == [(6, 5), (7, 5), (6, 6)]


def test_neighbours_do_not_swap() -> None:
    pair = soldiers([(5, 5)], [(6, 5)])
    act(pair, move(1, 0), move(-1, 0))
    assert places(pair) == [(5, 5), (6, 5)]


def test_a_column_advances_only_from_its_head() -> None:
    pair = soldiers([(7, 5), (6, 5), (5, 5)], [(15, 15)])
    act(pair, *[move(1, 0)] * 3, STAY)
    assert places(pair)[:3] == [(8, 5), (7, 5), (6, 5)]
    pair = soldiers([(5, 5), (6, 5), (7, 5)], [(15, 15)])
    act(pair, *[move(1, 0)] * 3, STAY)
    assert places(pair)[:3] == [(5, 5), (6, 5), (8, 5)]


def test_a_cycle_never_turns() -> None:
    pair = soldiers([(5, 5), (6, 5), (6, 6), (5, 6)], [(15, 15)])
    act(pair, move(1, 0), move(0, 1), move(-1, 0), move(0, -1), STAY)
    assert places(pair)[:4] == [(5, 5), (6, 5), (6, 6), (5, 6)]


def test_into_a_cell_that_the_other_team_leaves() -> None:
    pair = soldiers([(6, 5)], [(5, 5)])
    act(pair, move(1, 0), move(1, 0))
    assert places(pair) == [(7, 5), (6, 5)]
    pair = soldiers([(5, 5)], [(6, 5)])
    act(pair, move(1, 0), move(1, 0))
    assert places(pair) == [(5, 5), (7, 5)]


def test_moves_jump_over_agents_and_walls() -> None:
    pair = soldiers([(5, 5), (5, 8)], [(6, 5)], walls=[(6, 8)])
    act(pair, move(2, 0), move(2, 0), STAY)
    assert places(pair)[:2] == [(7, 5), (7, 8)]


def test_a_duel_of_one_takes_six_blows() -> None:
    pair = soldiers([(5, 5)], [(6, 5)])
    left = []
    for _ in range(5):
        act(pair, attack(1, 0), STAY)
        left.append(hit_points(pair)[1])
        assert rewards(pair)[0] == pytest.approx(0.095)
    assert left == pytest.approx([8.1, 6.2, 4.3, 2.4, 0.5], abs=1e-5)
    act(pair, attack(1, 0), STAY)
    assert living(pair) == 1
    assert rewards(pair) == pytest.approx([4.895, -0.1])


AROUND = [(dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dx, dy) != (0, 0)]


def test_five_hits_at_once_leave_zero_which_is_alive() -> None:
    pair = soldiers([(8 + dx, 8 + dy) for dx, dy in AROUND[:5]], [(8, 8)])
    act(pair, *[attack(-dx, -dy) for dx, dy in AROUND[:5]], STAY)
    assert living(pair) == 6
    assert hit_points(pair)[5] == pytest.approx(0.1)


@pytest.mark.parametrize("seed", range(3))
def test_eight_hits_at_once_are_five_hits_a_kill_and_two_misses(seed: int) -> None:
    pair = soldiers([(8 + dx, 8 + dy) for dx, dy in AROUND], [(8, 8)], seed=seed)
    act(pair, *[attack(-dx, -dy) for dx, dy in AROUND], STAY)
    assert living(pair) == 8
    assert sorted(rewards(pair)[:8]) == pytest.approx([-0.105] * 2 + [0.095] * 5 + [4.895])
    assert int(pair.state.tally.kills[0]) == 1
    assert int(pair.state.tally.hits[0]) == 6


def test_a_lethal_duel_has_one_survivor_and_both_may_be_it() -> None:
    survivors = set()
    for seed in range(4):
        pair = soldiers([(5, 5)], [(6, 5)], seed=seed)
        while living(pair) == 2:
            act(pair, attack(1, 0), attack(-1, 0))
        survivors.add(tuple(np.asarray(pair.state.alive)[pair.rows]))
        winner = rewards(pair)[0] > 0
        assert sorted(rewards(pair)) == pytest.approx([-0.1, 4.895])
        assert winner == bool(np.asarray(pair.state.alive)[0])
    assert survivors == {(True, False), (False, True)}


def test_who_hits_and_is_then_killed_keeps_the_pay_for_the_hit() -> None:
    outcomes = set()
    for seed in (1, 12345, 99991, 271828, 3141592, 65537):
        pair = soldiers([(5, 5), (15, 5)], [(6, 5)], seed=seed)
        for _ in range(5):
            act(pair, STAY, STAY, attack(-1, 0))
        act(pair, attack(1, 0), STAY, attack(-1, 0))
        assert living(pair) == 2
        outcomes.add(round(rewards(pair)[0], 4))
    assert outcomes == {-0.1, 0.1}


def test_attacks_on_wall_nothing_and_friend_only_cost() -> None:
    pair = soldiers([(5, 5), (6, 5)], [(15, 15)], walls=[(5, 4)])
    for target in ((0, -1), (-1, 0), (1, 0)):
        act(pair, attack(*target), STAY, STAY)
        assert rewards(pair) == pytest.approx([-0.105, -0.005, -0.005])
        assert hit_points(pair) == [10.0, 10.0, 10.0]


def test_a_victim_that_walks_away_is_hit_where_it_stood() -> None:
    pair = soldiers([(5, 5)], [(6, 5)])
    act(pair, attack(1, 0), move(2, 0))
    assert places(pair)[1] == (8, 5)
    assert hit_points(pair)[1] == pytest.approx(8.1)


def test_the_cell_of_the_killed_is_free_at_once() -> None:
    pair = soldiers([(5, 5), (6, 6)], [(6, 5), (15, 15)])
    for _ in range(5):
        act(pair, attack(1, 0), STAY, STAY, STAY)
    act(pair, attack(1, 0), move(0, -1), STAY, STAY)
    assert living(pair) == 3
    assert places(pair)[1] == (6, 5)


def test_crowded_views_at_every_border() -> None:
    red = [(1, 1), (2, 1), (18, 1), (18, 2), (17, 18)]
    blue = [(1, 2), (1, 18), (2, 18), (18, 18), (9, 1)]
    pair = soldiers(red, blue, walls=[(3, 3), (16, 16)])
    pair.compare_observations()
    act(pair, *[STAY] * 10)
    assert pair.worst <= 1e-6


@pytest.mark.parametrize("action", range(13))
def test_every_predator_action(action: int) -> None:
    pair = hunt([(8, 8)], [(15, 15)])
    act(pair, action, STAY)
    dx, dy = PREDATOR.moves[action] if action < 5 else (0, 0)
    assert places(pair)[0] == (8 + dx, 8 + dy)
    assert rewards(pair)[0] == pytest.approx(0.0 if action < 5 else -0.2)


@pytest.mark.parametrize("action", range(9))
def test_every_prey_move(action: int) -> None:
    pair = hunt([(15, 15)], [(8, 8)])
    act(pair, 2, action)
    dx, dy = PREY.moves[action]
    assert places(pair)[1] == (8 + dx, 8 + dy)


def test_all_tag_cells_reach_and_corners_do_not() -> None:
    for offset in PREDATOR.attacks:
        pair = hunt([(8, 8)], [(8 + offset[0], 8 + offset[1])])
        act(pair, attack(*offset, PREDATOR), 4)
        assert rewards(pair) == pytest.approx([0.8, -1.0])
    for corner in ((-1, -1), (2, -1), (-1, 2), (2, 2)):
        pair = hunt([(8, 8)], [(8 + corner[0], 8 + corner[1])])
        for action in range(5, 13):
            act(pair, action, 4)
            assert rewards(pair) == pytest.approx([-0.2, 0.0])


def test_two_predators_tag_one_prey() -> None:
    pair = hunt([(5, 5), (8, 5)], [(7, 5)])
    act(pair, attack(2, 0, PREDATOR), attack(-1, 0, PREDATOR), 4)
    assert rewards(pair) == pytest.approx([0.8, 0.8, -2.0])


def test_a_large_body_is_blocked_by_half() -> None:
    pair = hunt([(5, 5)], [(7, 6)], walls=[(5, 8)])
    act(pair, move(1, 0, PREDATOR), 4)
    assert places(pair)[0] == (5, 5)
    act(pair, move(0, 1, PREDATOR), 4)
    assert places(pair)[0] == (5, 6)
    act(pair, move(0, 1, PREDATOR), 4)
    assert places(pair)[0] == (5, 6)


def test_large_bodies_follow_each_other_in_order() -> None:
    pair = hunt([(7, 5), (5, 5)], [(15, 15)])
    act(pair, move(1, 0, PREDATOR), move(1, 0, PREDATOR), 4)
    assert places(pair)[:2] == [(8, 5), (6, 5)]
    pair = hunt([(5, 5), (7, 5)], [(15, 15)])
    act(pair, move(1, 0, PREDATOR), move(1, 0, PREDATOR), 4)
    assert places(pair)[:2] == [(5, 5), (8, 5)]


def test_prey_enters_what_a_predator_leaves() -> None:
    pair = hunt([(5, 5)], [(4, 5)])
    act(pair, move(1, 0, PREDATOR), move(1, 0, PREY))
    assert places(pair) == [(6, 5), (5, 5)]


def test_prey_may_escape_after_a_tag() -> None:
    pair = hunt([(5, 5)], [(7, 5)])
    act(pair, attack(2, 0, PREDATOR), move(1, 1, PREY))
    assert rewards(pair) == pytest.approx([0.8, -1.0])
    assert places(pair)[1] == (8, 6)


def test_views_of_hunters_and_hunted() -> None:
    pair = hunt([(1, 1), (17, 17), (3, 1)], [(1, 3), (18, 1), (5, 5), (16, 16)], walls=[(6, 6)])
    pair.compare_observations()
    act(pair, 2, 2, 2, 4, 4, 4, 4)
    assert pair.worst <= 1e-6


def test_a_game_is_over_when_a_team_is_extinct() -> None:
    pair = soldiers([(5, 5)], [(6, 5)])
    for _ in range(6):
        assert not any(bool(t.terminated.any()) for t in (pair.timesteps or {}).values())
        act(pair, attack(1, 0), STAY)
    red, blue = pair.timesteps["red"], pair.timesteps["blue"]
    assert np.asarray(red.terminated).sum() == 1
    assert bool(red.alive[0])
    assert np.asarray(blue.terminated).tolist() == [True] + [False] * 9
    assert not np.asarray(blue.alive).any()
    assert {name: float(value) for name, value in red.measures.items()} == {
        "kills": 1.0,
        "alive": 1.0,
        "win_rate": 1.0,
        "win_or_tie_rate": 1.0,
    }
    assert float(blue.measures["win_rate"]) == 0.0
