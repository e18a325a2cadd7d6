"""Our grid worlds against the installed magent2 engine, step by step and bit for bit."""

import itertools

import numpy as np
import pytest
from magent import (
    Generator,
    Pair,
    double_pair,
    greedy_actions,
    pair,
    pursuit_pair,
    random_actions,
)

from swarmfield.environments.gridworld import adversarial_pursuit, battle

# Hit points drift off tenths as recoveries add up in float32: below 1e-6 of the maximum in most
# games, and below this for soldiers who are hit again and again before they have recovered.
ROUNDING = 5e-6
POLICIES = {"random": random_actions, "greedy": greedy_actions}


def play(both: Pair, policy: str, seed: int, num_steps: int) -> None:
    """Play until the end of the game; packed observations agree but for rounding to tenths."""
    random = np.random.default_rng(seed)
    starts = both.layout.starts
    both.compare_positions()
    both.compare_observations()
    for _ in range(num_steps):
        alive = both.step(POLICIES[policy](both, random))
        if not all(alive[a:b].any() for a, b in itertools.pairwise(starts)):
            break
    assert both.worst <= ROUNDING


@pytest.mark.parametrize(
    ("map_size", "minimap", "policy"),
    [(12, False, "greedy"), (40, True, "random"), (40, False, "greedy")],
)
def test_battle(map_size: int, minimap: bool, policy: str) -> None:
    play(pair("battle", map_size, minimap, seed=map_size), policy, seed=1, num_steps=60)


def test_battle_moves_by_strips_on_large_maps() -> None:
    play(pair("battle", 120, False, seed=3), "random", seed=3, num_steps=12)


@pytest.mark.parametrize(
    ("map_size", "agents", "enemies", "minimap", "policy"),
    [
        (24, 16, 16, True, "greedy"),
        (40, 50, 25, True, "random"),
        (75, 200, 100, False, "greedy"),
    ],
)
def test_battle_against_double_enemies(map_size, agents, enemies, minimap, policy) -> None:
    both = double_pair(map_size, agents, enemies, minimap, seed=map_size)
    play(both, policy, seed=1, num_steps=60)


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("minimap", [False, True])
@pytest.mark.parametrize(
    ("map_size", "agents", "enemies"),
    [(24, 1, 9), (25, 20, 10), (33, 36, 5), (40, 64, 32), (75, 225, 225), (120, 500, 250)],
)
def test_battle_against_double_enemies_at_many_sizes(
    map_size, agents, enemies, minimap, policy
) -> None:
    for seed in range(3):
        both = double_pair(map_size, agents, enemies, minimap, seed)
        play(both, policy, seed, num_steps=60 if map_size == 120 else 200)


@pytest.mark.parametrize(
    ("map_size", "minimap", "policy"),
    [(9, True, "greedy"), (45, False, "random")],
)
def test_pursuit(map_size: int, minimap: bool, policy: str) -> None:
    play(pursuit_pair(map_size, minimap, seed=map_size), policy, seed=1, num_steps=40)


@pytest.mark.parametrize(
    ("name", "map_size", "minimap", "policy"),
    [
        ("battlefield", 46, False, "greedy"),
        ("gather", 40, True, "greedy"),
        ("tiger_deer", 20, False, "greedy"),
        ("combined_arms", 20, True, "greedy"),
    ],
)
def test_other_worlds(name: str, map_size: int, minimap: bool, policy: str) -> None:
    play(pair(name, map_size, minimap, seed=map_size), policy, seed=1, num_steps=60)


@pytest.mark.slow
@pytest.mark.parametrize("minimap", [False, True])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("name", "map_size"),
    [
        *[("battlefield", size) for size in (46, 47, 61, 80, 90, 120)],
        *[("gather", size) for size in (30, 41, 57, 200)],
        *[("tiger_deer", size) for size in (10, 13, 30, 45, 105)],
        *[("combined_arms", size) for size in (16, 18, 23, 25, 31, 45, 60, 100)],
    ],
)
def test_other_worlds_at_many_sizes(name: str, map_size: int, minimap: bool, policy: str) -> None:
    play(pair(name, map_size, minimap, seed=map_size), policy, seed=2, num_steps=200)


@pytest.mark.slow
@pytest.mark.parametrize("map_size", [*range(12, 81), 120])
def test_battle_on_every_map(map_size: int) -> None:
    for minimap in (False, True):
        for policy in POLICIES:
            both = pair("battle", map_size, minimap, seed=map_size)
            play(both, policy, seed=map_size, num_steps=400 if policy == "greedy" else 60)


@pytest.mark.slow
@pytest.mark.parametrize("map_size", range(9, 65))
def test_pursuit_on_every_map(map_size: int) -> None:
    for minimap in (False, True):
        for policy in POLICIES:
            both = pursuit_pair(map_size, minimap, seed=map_size)
            play(both, policy, seed=map_size, num_steps=100)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_whole_battles_with_many_seeds(seed: int) -> None:
    play(pair("battle", 40, True, seed), "greedy", seed, num_steps=400)
    play(pair("battle", 40, True, seed), "random", seed, num_steps=400)


def test_the_generator_gives_the_engines_numbers() -> None:
    generator = Generator(0)
    assert [generator.draw(2**31) for _ in range(4)] == [16807, 282475249, 1622650073, 984943658]


# Agents on each map, counted on magent2's environments: soldiers a team, predators, prey.
COUNTS = {
    12: (2, 1, 3),
    16: (6, 3, 6),
    25: (20, 7, 15),
    36: (49, 16, 32),
    40: (64, 20, 40),
    44: (64, 24, 48),
    45: (81, 25, 50),
    60: (144, 45, 90),
    80: (256, 80, 160),
}


@pytest.mark.parametrize("map_size", COUNTS)
def test_as_many_agents_as_in_magent2(map_size: int) -> None:
    pursuit = adversarial_pursuit
    counts = (
        battle.team_size(map_size),
        pursuit.num_predators(map_size),
        pursuit.num_prey(map_size),
    )
    assert counts == COUNTS[map_size]
