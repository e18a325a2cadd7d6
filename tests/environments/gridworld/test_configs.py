"""Sizes, placement and refusals of the shipped grid worlds."""

import dataclasses
from functools import partial

import jax
import numpy as np
import pytest

from swarmfield.environments import make
from swarmfield.environments.gridworld import adversarial_pursuit, battle
from swarmfield.environments.gridworld.placement import RandomPlacement
from swarmfield.types import Discrete, SwarmfieldError

WORLDS = (
    "battle",
    "adversarial_pursuit",
    "battlefield",
    "combined_arms",
    "tiger_deer",
    "gather",
)
BAD = [
    ("battle", {"map_size": 5}, "at least 12"),
    ("battle", {"num_agents": 7}, "even"),
    ("battle", {"num_agents": 0}, "even"),
    ("battle", {"map_size": 12, "num_agents": 200}, "at least"),
    ("battle", {"max_steps": 0}, "max-steps"),
    ("battle", {"step_reward": float("nan")}, "finite"),
    ("battle", {"kill_reward": float("inf")}, "finite"),
    ("battle", {"priority": "speed"}, "speed"),
    ("battle", {"enemy": "triple"}, "triple"),
    ("battle", {"agents": 200}, "--env.agents is 200.*--env.enemy double"),
    ("battle", {"enemies": 100}, "--env.enemies is 100.*--env.enemy double"),
    ("battle", {"enemy": "double", "num_agents": 300}, "--env.agents and --env.enemies"),
    ("battle", {"enemy": "double", "agents": 0}, "--env.agents is 0"),
    ("battle", {"enemy": "double", "enemies": -2}, "--env.enemies is -2"),
    ("battle", {"enemy": "double", "map_size": 23}, "at least 24"),
    ("battle", {"enemy": "double", "map_size": 40, "agents": 65}, "64 in each team.* least 45"),
    ("battle", {"enemy": "double", "map_size": 40, "enemies": 200}, "--env.enemies.* least 75"),
    ("battle", {"enemy": "double", "max_steps": 0}, "max-steps"),
    ("battle", {"enemy": "double", "kill_reward": float("nan")}, "finite"),
    ("adversarial_pursuit", {"map_size": 8}, "at least 9"),
    ("adversarial_pursuit", {"num_agents": -1}, "num-agents"),
    ("adversarial_pursuit", {"map_size": 20, "num_agents": 50}, "at least"),
    ("adversarial_pursuit", {"max_steps": -3}, "max-steps"),
    ("adversarial_pursuit", {"tag_penalty": float("-inf")}, "finite"),
    ("battlefield", {"map_size": 45}, "at least 46"),
    ("battlefield", {"num_agents": 9}, "even"),
    ("battlefield", {"map_size": 46, "num_agents": 2000}, "at least"),
    ("battlefield", {"kill_reward": float("nan")}, "finite"),
    ("combined_arms", {"map_size": 15}, "at least 16"),
    ("combined_arms", {"num_agents": 2}, "at least 4"),
    ("combined_arms", {"map_size": 16, "num_agents": 400}, "at least"),
    ("tiger_deer", {"map_size": 9}, "at least 10"),
    ("tiger_deer", {"map_size": 10, "num_agents": 2}, "tigers"),
    ("tiger_deer", {"deer_attacked": float("inf")}, "finite"),
    ("gather", {"map_size": 29}, "at least 30"),
    ("gather", {"map_size": 30, "num_agents": 1000}, "omnivores"),
    ("gather", {"max_steps": 0}, "max-steps"),
]


@pytest.mark.parametrize(("name", "options", "message"), BAD)
def test_bad_options_are_refused_in_one_sentence(name, options, message):
    with pytest.raises(SwarmfieldError, match=message) as caught:
        make(name, **options)
    assert "\n" not in str(caught.value)


def test_defaults():
    env = make("battle")
    assert env.description == "Battle: 64 against 64 on a 40 x 40 map, 400 steps"
    assert env.max_steps == 400
    assert env.interchangeable
    red, blue = env.teams
    assert (red.view, red.features, red.actions) == ((13, 13, 7), 24, Discrete(21))
    assert red == blue._replace(name="red")
    predator, prey = make("adversarial_pursuit").teams
    assert (predator.num_agents, predator.view, predator.features) == (25, (10, 10, 7), 16)
    assert (prey.num_agents, prey.view, prey.features) == (50, (9, 9, 7), 12)


@pytest.mark.parametrize(
    ("options", "view", "features"),
    [
        ({"minimap": False}, (13, 13, 5), 22),
        ({"minimap": False, "id_bits": True}, (13, 13, 5), 32),
        ({"id_bits": True}, (13, 13, 7), 34),
        ({"features": False}, (13, 13, 7), 0),
    ],
)
def test_options_choose_channels_and_features(options, view, features):
    team = make("battle", **options).teams[0]
    assert (team.view, team.features) == (view, features)


def test_defaults_of_the_other_worlds():
    sizes = {
        name: [team.num_agents for team in make(name).teams]
        for name in ("battlefield", "combined_arms", "tiger_deer", "gather")
    }
    assert sizes == {
        "battlefield": [12, 12],
        "combined_arms": [81, 81],
        "tiger_deer": [101, 20],
        "gather": [495],
    }
    (red, blue), deer_and_tigers, gather = (
        make("combined_arms").teams,
        make("tiger_deer"),
        make("gather"),
    )
    assert red == blue._replace(name="red")
    assert (red.actions, red.view, red.features, red.num_kinds) == (
        Discrete(25),
        (13, 13, 13),
        28,
        2,
    )
    assert deer_and_tigers.sides == (("tiger",), ("deer",))
    assert [team.actions for team in deer_and_tigers.teams] == [Discrete(5), Discrete(9)]
    assert gather.sides == (("omnivore",),)
    assert gather.teams[0].actions == Discrete(33)
    assert gather.description.startswith("Gather: 495 omnivores and 2272 pieces of food on a 200")


@pytest.mark.parametrize(
    ("name", "num_agents", "teams"),
    [
        ("battlefield", 6, [3, 3]),
        ("battlefield", 3000, [1500, 1500]),
        ("combined_arms", 6, [3, 3]),
        ("combined_arms", 3000, [1500, 1500]),
        ("tiger_deer", 50, [250, 50]),
        ("gather", 7, [7]),
        ("gather", 3000, [3000]),
    ],
)
def test_any_number_of_agents_finds_places(name, num_agents, teams):
    env = make(name, num_agents=num_agents)
    assert [team.num_agents for team in env.teams] == teams
    state, _ = jax.jit(env.reset)(jax.random.key(0))
    x, y, walls = (np.asarray(part) for part in (state.x, state.y, state.walls))
    assert bodies(env, x, y, walls).max() == 1


def test_melee_soldiers_have_fewer_actions():
    env = make("combined_arms", map_size=18)
    state, timesteps = jax.jit(env.reset)(jax.random.key(0))
    blue = timesteps["blue"]
    assert np.asarray(blue.kind).tolist() == [0] * 6 + [1] * 3
    assert np.asarray(blue.legal).sum(axis=1).tolist() == [9] * 6 + [25] * 3
    # What a type cannot do is staying: here one row up for those who can.
    actions = {name: np.full(9, 13 + 7) for name in ("red", "blue")}
    after, _ = jax.jit(env.step)(jax.random.key(0), state, actions)
    np.testing.assert_array_equal(after.x, state.x)
    np.testing.assert_array_equal(after.reward[:6], np.full(6, np.float32(-0.005)))


@pytest.mark.parametrize("num_agents", [2, 6, 100, 128, 1000, 10_000, 1_000_000])
def test_battle_picks_the_smallest_map_that_holds_its_agents(num_agents):
    env = make("battle", num_agents=num_agents)
    assert sum(team.num_agents for team in env.teams) == num_agents
    size = env.layout.map_size
    assert 2 * battle.team_size(size) >= num_agents
    assert size == battle.SMALLEST_MAP or 2 * battle.team_size(size - 1) < num_agents


@pytest.mark.parametrize(
    ("options", "sizes", "map_size"),
    [
        ({}, [200, 100], 75),
        ({"agents": 200, "enemies": 100}, [200, 100], 75),
        ({"agents": 50, "enemies": 25}, [50, 25], 40),
        ({"agents": 51}, [51, 26], 40),
        ({"enemies": 25}, [50, 25], 40),
        ({"agents": 1, "enemies": 30}, [1, 30], 30),
        ({"agents": 1}, [1, 1], 24),
        ({"map_size": 40}, [64, 32], 40),
        ({"map_size": 40, "enemies": 64}, [64, 64], 40),
        ({"map_size": 100, "agents": 50}, [50, 25], 100),
    ],
)
def test_numbers_of_soldiers_and_double_enemies(options, sizes, map_size):
    env = make("battle", enemy="double", **options)
    assert [team.num_agents for team in env.teams] == sizes
    assert env.layout.map_size == map_size


def test_double_enemies_reach_twice_as_far():
    env = make("battle", enemy="double")
    assert env.description == (
        "Battle: 200 against 100 who reach twice as far on a 75 x 75 map, 400 steps"
    )
    assert not env.interchangeable
    assert env.sides == (("red",), ("blue",))
    red, blue = env.teams
    assert red == make("battle").teams[0]._replace(num_agents=200, cells=(75, 75))
    assert (blue.view, blue.features, blue.actions) == ((25, 25, 7), 80, Discrete(77))
    strong, soldier = env.layout.groups[1].type, env.layout.groups[0].type
    assert (len(strong.moves), len(strong.attacks)) == (49, 28)
    assert (strong.moves[0], strong.moves[24], strong.moves[-1]) == ((0, -4), (0, 0), (0, 4))
    assert (strong.attacks[0], strong.attacks[-1]) == ((0, -3), (0, 3))
    assert (strong.hp, strong.damage, strong.recovery) == (10.0, 2.0, 0.1)
    assert strong.kill_reward == soldier.kill_reward == 5.0


def test_soldiers_and_double_enemies_face_each_other_around_the_middle():
    state, _ = jax.jit(make("battle", enemy="double", agents=50, enemies=20).reset)(
        jax.random.key(0)
    )
    x, y = np.asarray(state.x), np.asarray(state.y)
    # Columns of eight around row 19; of the last one what is left, in its middle.
    assert sorted(set(x[:50])) == [3, 5, 7, 9, 11, 13, 15]
    assert sorted(set(x[50:])) == [23, 25, 27]
    assert sorted(set(y[:50])) == sorted(set(y[50:])) == [12, 14, 16, 18, 20, 22, 24, 26]
    assert sorted(y[:50][x[:50] == 3]) == [18, 20]
    assert sorted(y[50:][x[50:] == 27]) == [16, 18, 20, 22]


@pytest.mark.parametrize("map_size", [24, 25, 40])
def test_double_enemies_see_exactly_from_everywhere(map_size):
    """Packed views, at the map's corners too, where a row of the view is as long as the map."""
    env = make("battle", enemy="double", map_size=map_size, agents=4, enemies=4, features=False)
    state, _ = jax.jit(env.reset)(jax.random.key(0))
    near, far = 1, map_size - 2
    places = [(near, near + 1), (far - 1, near), (near + 2, far), (far, far - 2)]
    places += [(near, near), (far, near), (near, far), (far, far)]
    x, y = (jax.numpy.asarray(part, state.x.dtype) for part in zip(*places, strict=True))
    state = dataclasses.replace(state, x=x, y=y)
    stay = {
        team.name: np.full(4, len(moves) // 2)
        for team, moves in zip(
            env.teams, [group.type.moves for group in env.layout.groups], strict=True
        )
    }
    state, timesteps = jax.jit(env.step)(jax.random.key(0), state, stay)
    np.testing.assert_array_equal(state.x, x)
    for team in env.teams:
        packed = jax.vmap(lambda i, name=team.name: env.unpack(name, timesteps[name], i))
        exact = jax.jit(partial(env.observe, team=team.name))(state).view
        found = jax.jit(packed)(jax.numpy.arange(4)).view
        np.testing.assert_allclose(found, exact, atol=1e-6)


def test_fewer_soldiers_fill_the_front():
    env = make("battle", map_size=40, num_agents=40)
    state, _ = jax.jit(env.reset)(jax.random.key(0))
    red, blue = np.asarray(state.x[:20]), np.asarray(state.x[20:])
    assert sorted(set(red)) == [11, 13, 15]
    assert sorted(set(blue)) == [23, 25, 27]
    assert (red == 11).sum() == (blue == 27).sum() == 4
    order = np.lexsort((state.y[:20], red))
    np.testing.assert_array_equal(order, np.arange(20))


@pytest.mark.parametrize("map_size", [12, 45])
def test_formations(map_size):
    env = make("battle", map_size=map_size)
    state, timesteps = jax.jit(env.reset)(jax.random.key(0))
    n = env.teams[0].num_agents
    x, y = np.asarray(state.x), np.asarray(state.y)
    assert len({*zip(x.tolist(), y.tolist(), strict=True)}) == 2 * n
    assert x.min() > 0
    assert x.max() < map_size - 1
    assert x[n:].min() - x[:n].max() == 8
    assert float(timesteps["red"].measures["win_rate"]) == 0.5


def bodies(env, x, y, walls):
    cells = walls.astype(int)
    for g, group in enumerate(env.layout.groups):
        for i in range(env.layout.starts[g], env.layout.starts[g + 1]):
            cells[y[i] : y[i] + group.type.size, x[i] : x[i] + group.type.size] += 1
    return cells


@pytest.mark.parametrize("map_size", [9, 45])
def test_random_places_are_free(map_size):
    env = make("adversarial_pursuit", map_size=map_size)
    keys = jax.random.split(jax.random.key(map_size), 5)
    batch, _ = jax.jit(jax.vmap(env.reset))(keys)
    assert len({np.asarray(x).tobytes() for x in batch.x}) == 5
    for world in range(5):
        x, y, walls = (np.asarray(part[world]) for part in (batch.x, batch.y, batch.walls))
        assert walls[1:-1, 1:-1].sum() == int(map_size**2 * 0.03)
        assert walls[[0, -1]].all()
        assert walls[:, [0, -1]].all()
        assert bodies(env, x, y, walls).max() == 1


@pytest.mark.slow
def test_random_places_on_a_large_map():
    env = make("adversarial_pursuit", map_size=1633)
    state, _ = jax.jit(env.reset)(jax.random.key(0))
    cells = bodies(env, *(np.asarray(part) for part in (state.x, state.y, state.walls)))
    assert cells.max() == 1


def test_pursuit_scales_with_its_predators():
    env = make("adversarial_pursuit", num_agents=100)
    assert [team.num_agents for team in env.teams] == [100, 200]
    size = env.layout.map_size
    assert (
        adversarial_pursuit.num_predators(size) >= 100 > adversarial_pursuit.num_predators(size - 1)
    )


def test_one_cell_bodies_are_placed_uniformly():
    env = make("adversarial_pursuit", map_size=12)
    keys = jax.random.split(jax.random.key(3), 3000)
    placement = jax.jit(lambda keys: RandomPlacement(0)(env.layout, keys))(keys)
    walls = jax.jit(lambda keys: RandomPlacement(30)(env.layout, keys))(keys).walls
    inner = np.asarray(walls).mean(axis=0)[1:-1, 1:-1]
    assert np.abs(inner - 0.3).max() < 0.04
    start = env.layout.starts[1]
    prey = np.zeros((12, 12))
    np.add.at(prey, (np.asarray(placement.y[:, start]), np.asarray(placement.x[:, start])), 1)
    assert abs(prey[1:-1, 1:-1].std() / prey[1:-1, 1:-1].mean()) < 0.35
    assert prey.sum() == prey[1:-1, 1:-1].sum() == 3000


def test_equal_configurations_are_equal_environments():
    for name in WORLDS:
        assert make(name) == make(name)
        assert hash(make(name)) == hash(make(name))
    assert make("battle") != make("battle", map_size=41)


def test_either_side_unpacks_from_its_own_perspective():
    env = make("battle", map_size=14, features=False)
    state, timesteps = jax.jit(env.reset)(jax.random.key(0))
    agents = jax.numpy.arange(env.teams[0].num_agents)

    @partial(jax.jit, static_argnums=0)
    def unpack(reader, timestep):
        return jax.vmap(lambda i: env.unpack(reader, timestep, i))(agents).view

    for name in ("red", "blue"):
        exact = jax.jit(partial(env.observe, team=name))(state).view
        for reader in ("red", "blue"):
            np.testing.assert_allclose(unpack(reader, timesteps[name]), exact, atol=1e-6)


def test_tags_are_counted_for_both_teams():
    env = make("adversarial_pursuit", map_size=12)
    state, timesteps = jax.jit(env.reset)(jax.random.key(0))
    step, tags = jax.jit(env.step), 0
    for i in range(30):
        n = [team.num_agents for team in env.teams]
        actions = {
            "predator": jax.random.randint(jax.random.key(i), (n[0],), 5, 13),
            "prey": jax.random.randint(jax.random.key(-i), (n[1],), 0, 9),
        }
        state, timesteps = step(jax.random.key(i), state, actions)
        tags -= float(timesteps["prey"].reward.sum())
    assert float(timesteps["predator"].measures["tags"]) == tags
    assert float(timesteps["prey"].measures["tags"]) == tags
