"""What other worlds add to the rules, on small boards; every step is compared with magent2's."""

import numpy as np
import pytest
from magent import Engine, Pair, board

from swarmfield.environments import make

ARMS = make("combined_arms", map_size=20, priority="id")
HUNT = make("tiger_deer", map_size=20, priority="id")
MEAL = make("gather", map_size=40, priority="id")
MELEE, RANGED = (group.type for group in ARMS.layout.groups[:2])
TIGER = HUNT.layout.groups[1].type
OMNIVORE = MEAL.layout.groups[0].type
FAR = [(17, 17)]


def arms(*places, seed: int = 0) -> Pair:
    return board(ARMS, Engine("combined_arms", 20, True, seed), list(places), [])


def hunt(deer, tigers) -> Pair:
    return board(HUNT, Engine("tiger_deer", 20, True, 0), [deer, tigers], [])


def meal(omnivores, food) -> Pair:
    return board(MEAL, Engine("gather", 40, True, 0), [omnivores, food], [])


def attack(kind, dx: int, dy: int) -> int:
    return len(kind.moves) + kind.attacks.index((dx, dy))


def stay(kind) -> int:
    return kind.moves.index((0, 0))


def act(pair: Pair, **actions: int) -> None:
    """Step both; agents are named by letter in the order of ids, and stay unless told otherwise."""
    types = [group.type for group in pair.layout.groups for _ in range(group.num_agents)]
    joint = np.array([stay(kind) for kind in types])
    for name, action in actions.items():
        joint[pair.rows["abcdefgh".index(name)]] = action
    pair.step(joint)


def rewards(pair: Pair) -> list[float]:
    return [float(r) for r in np.asarray(pair.state.reward)[pair.rows]]


def hit_points(pair: Pair) -> list[float]:
    return [float(h) for h in np.asarray(pair.state.hp)[pair.rows]]


def test_soldiers_hurt_their_own_without_pay() -> None:
    pair = arms([(5, 5)], [(6, 5)], FAR, [(17, 15)])
    act(pair, a=attack(MELEE, 1, 0))
    assert rewards(pair)[0] == pytest.approx(-0.105)
    assert hit_points(pair) == pytest.approx([10.0, 1.1, 10.0, 3.0])
    act(pair, a=attack(MELEE, 1, 0))
    assert rewards(pair)[:2] == pytest.approx([-0.105, -0.1])
    assert np.asarray(pair.state.tally.kills).tolist() == [0, 0, 0, 0]
    assert np.asarray(pair.state.tally.hits).tolist() == [0, 0, 0, 0]
    assert np.asarray(pair.state.tally.struck).tolist() == [0, 2, 0, 0]


def test_a_kill_of_an_enemy_is_paid_by_rule_and_counted_for_the_team() -> None:
    pair = arms(FAR, [(5, 5)], [(15, 15)], [(7, 5)])
    act(pair, b=attack(RANGED, 2, 0))
    assert rewards(pair)[1] == pytest.approx(0.095)
    act(pair, b=attack(RANGED, 2, 0))
    assert rewards(pair)[1] == pytest.approx(4.895)
    red, blue = (pair.timesteps[name] for name in ("red", "blue"))
    assert float(red.measures["kills"]) == float(red.measures["win_rate"]) == 1.0
    assert float(blue.measures["alive"]) == 1.0
    # One of the four groups is extinct, so the game is over for everybody.
    assert np.asarray(red.terminated).sum() == 2
    assert np.asarray(blue.terminated).sum() == 2


def test_two_who_kill_each_other_in_one_step_are_one_dead() -> None:
    outcomes = set()
    for seed in range(4):
        pair = arms(FAR, [(5, 5), (1, 1)], [(15, 15)], [(7, 5), (1, 18)], seed=seed)
        for _ in range(2):
            act(pair, b=attack(RANGED, 2, 0), d=stay(MELEE), e=attack(RANGED, -2, 0))
        outcomes.add(tuple(np.asarray(pair.state.alive)[pair.rows]))
    assert len(outcomes) == 2


def test_tigers_are_paid_for_company() -> None:
    pair = hunt([(8, 8), (1, 1)], [(7, 8), (9, 8), (8, 7)])
    act(pair, c=attack(TIGER, 1, 0))
    assert rewards(pair) == pytest.approx([-0.1, 0.0, 0.0, 0.0, 0.0])
    blows = {"c": attack(TIGER, 1, 0), "d": attack(TIGER, -1, 0), "e": attack(TIGER, 0, 1)}
    act(pair, **blows)
    assert rewards(pair) == pytest.approx([-0.3, 0.0, 2.0, 2.0, 2.0])
    assert hit_points(pair)[0] == pytest.approx(5 - 1 + 0.2 - 3 + 0.2)
    act(pair, **blows)
    # One hits, the second kills, the third strikes nothing: none of them had company.
    assert rewards(pair) == pytest.approx([-1.1, 0.0, 0.0, 0.0, 0.0])
    assert float(pair.timesteps["tiger"].measures["kills"]) == 1.0


def test_a_tiger_starves_unless_it_kills() -> None:
    pair = hunt([(8, 8), (1, 1)], [(7, 8), (17, 17)])
    for _ in range(60):
        act(pair)
    # Before the sixth hit a rounding error less than 1 is left: 5 * (1 - 0.2) subtracted from 5.
    for _ in range(6):
        act(pair, c=attack(TIGER, 1, 0))
    assert not np.asarray(pair.state.alive)[pair.rows[0]]
    assert hit_points(pair)[2] == pytest.approx(10 - 0.1)
    for _ in range(40):
        act(pair)
    tigers = pair.timesteps["tiger"]
    assert np.asarray(pair.state.alive)[pair.rows].tolist() == [False, True, True, False]
    assert float(tigers.measures["alive"]) == 1.0
    assert float(tigers.measures["kills"]) == 1.0


def test_food_takes_five_bites() -> None:
    pair = meal([(8, 8)], [(9, 8), (20, 20)])
    for left in (19, 13, 7, 1):
        act(pair, a=attack(OMNIVORE, 1, 0))
        assert hit_points(pair) == [3.0, left, 25.0]
        assert rewards(pair)[0] == pytest.approx(-0.01 - 0.1 + 0.5)
    act(pair, a=attack(OMNIVORE, 1, 0))
    assert rewards(pair)[0] == pytest.approx(-0.01 - 0.1 + 5)
    measures = {name: float(x) for name, x in pair.timesteps["omnivore"].measures.items()}
    assert measures == {"eaten": 1.0, "food": 1.0, "alive": 1.0}


def test_omnivores_kill_each_other_with_one_bite() -> None:
    pair = meal([(8, 8), (9, 8)], [(20, 20)])
    act(pair, a=attack(OMNIVORE, 1, 0))
    assert rewards(pair)[:2] == pytest.approx([-0.11, -1.0])
    assert hit_points(pair)[1] == 0.0
    assert float(pair.timesteps["omnivore"].measures["eaten"]) == 0.0
