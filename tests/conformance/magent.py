"""The installed MAgent2 engine next to ours: same start, same actions, same order of attacks."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from swarmfield.environments import make
from swarmfield.environments.gridworld import adversarial_pursuit
from swarmfield.environments.gridworld.occupancy import ring
from swarmfield.environments.gridworld.order import id_priority
from swarmfield.environments.gridworld.state import Orders, State
from swarmfield.environments.gridworld.world import GridWorld

SEED_MODULUS = 2147483647
ID_BITS = 10


class Generator:
    """The engine's linear congruential generator."""

    def __init__(self, seed: int):
        self.state = seed % SEED_MODULUS or 1

    def draw(self, bound: int) -> int:
        self.state = 16807 * self.state % SEED_MODULUS
        return self.state % bound

    def shuffle(self, items: list[int]) -> list[int]:
        items = list(items)
        for i in range(len(items)):
            j = self.draw(i + 1)
            items[i], items[j] = items[j], items[i]
        return items


def double_reach(config) -> None:
    """Give the second group of Battle a type of its own, which reaches twice as far."""
    from magent2.gridworld import CircleRange

    small = config.agent_type_dict[config.groups[1]]
    reach = {"speed": 4, "view_range": CircleRange(12), "attack_range": CircleRange(3)}
    config.groups[1] = config.register_agent_type("double", {**small, **reach})


class Engine:
    """magent2's raw engine, with results in rows that the dead keep."""

    def __init__(
        self,
        module: str,
        map_size: int,
        minimap: bool,
        seed: int,
        enemy: str = "equal",
        **rewards: float,
    ):
        source = importlib.import_module(f"magent2.environments.{module}.{module}")
        defaults = vars(source).get("default_reward_args") or source.default_env_args
        rewards = {**defaults, **rewards}
        import magent2

        config = source.get_config(map_size, minimap, seed, **rewards)
        if enemy == "double":
            double_reach(config)
        self.world = magent2.GridWorld(config, map_size=map_size)
        self.handles = self.world.get_handles()
        if module == "gather":  # Food comes first there, but is placed last and acts never.
            self.handles.reverse()
        self.players = self.handles[:1] if module == "gather" else self.handles
        self.generator = Generator(seed)
        self.world.reset()
        self.map_size = map_size

    def add_agents(self, group: int, positions: np.ndarray) -> None:
        places = [[int(x), int(y), 0] for x, y in positions]
        self.world.add_agents(self.handles[group], method="custom", pos=places)

    def add_walls(self, cells: list[tuple[int, int]]) -> None:
        self.world.add_walls(method="custom", pos=[[x, y] for x, y in cells])

    def add_random(self) -> None:
        """Adversarial Pursuit's placement."""
        area = self.map_size * self.map_size
        self.world.add_walls(method="random", n=area * 0.03)
        self.world.add_agents(self.handles[0], method="random", n=area * 0.0125)
        self.world.add_agents(self.handles[1], method="random", n=area * 0.025)

    def ids(self, group: int) -> np.ndarray:
        return self.world.get_agent_id(self.handles[group]).copy()

    def positions(self, group: int) -> np.ndarray:
        return self.world.get_pos(self.handles[group]).copy()

    def walls(self) -> np.ndarray:
        walls = np.zeros((self.map_size, self.map_size), bool)
        found = self.world._get_walls_info()
        walls[found[:, 1], found[:, 0]] = True
        return walls

    def observations(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        view, features = self.world.get_observation(self.handles[group])
        return view.copy(), features.copy()

    def attack_order(self, actions: np.ndarray, num_moves: list[int]) -> np.ndarray:
        """Priority by id of every attack in the engine's shuffle; consumes its draws."""
        attackers = []
        for group, moves in enumerate(num_moves):
            listed = self.ids(group)
            attackers += [int(i) for i in listed if actions[i] >= moves]
        order = np.arange(len(actions), dtype=np.uint32) + len(actions)
        for place, i in enumerate(self.generator.shuffle(attackers)):
            order[i] = place
        return order

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rewards and survivors by id; then the dead are cleared."""
        for group, handle in enumerate(self.players):
            self.world.set_action(handle, actions[self.ids(group)].astype(np.int32))
        self.world.step()
        rewards, alive = np.zeros(len(actions), np.float32), np.zeros(len(actions), bool)
        for group, handle in enumerate(self.handles):
            ids = self.ids(group)
            rewards[ids] = self.world.get_reward(handle)
            alive[ids] = self.world.get_alive(handle)
        self.world.clear_dead()
        return rewards, alive


@functools.partial(jax.jit, static_argnums=0)
def advance(env: GridWorld, attack, state: State, actions):
    """Our step, attacks in the given order and moves in the order of ids."""
    moves = id_priority(env.layout, state.x[None])[0]
    joint = {team.name: actions[env.layout.rows_of(team.name)] for team in env.teams}
    return env.step_in_order(Orders(attack, moves), state, joint)


@functools.partial(jax.jit, static_argnums=0)
def observe(env: GridWorld, state: State):
    return [env.observe(state, team.name) for team in env.teams]


@functools.partial(jax.jit, static_argnums=0)
def unpack(env: GridWorld, timesteps):
    def all_of(team):
        rows = jnp.arange(team.num_agents)
        return jax.vmap(lambda i: env.unpack(team.name, timesteps[team.name], i))(rows)

    return [all_of(team) for team in env.teams]


class Pair:
    """Our world and the engine, stepped together and compared after every step.

    `rows` are our rows of the engine's agents by id; other rows are padding.
    """

    def __init__(self, env: GridWorld, engine: Engine, state: State, rows=None):
        self.env, self.engine, self.state = env, engine, state
        self.layout = env.layout
        self.rows = np.arange(self.layout.num_agents) if rows is None else rows
        self.groups = range(len(env.layout.groups))
        self.num_moves = [len(group.type.moves) for group in self.layout.groups]
        self.timesteps = None
        self.worst = 0.0

    def step(self, actions: np.ndarray) -> np.ndarray:
        """Step both; fail where they differ. Returns which of our rows are alive."""
        actions = np.asarray(actions, np.int32)
        theirs = actions[self.rows]
        order = np.arange(len(actions), dtype=np.uint32) + len(actions)
        order[self.rows] = self.engine.attack_order(theirs, self.num_moves)
        was_alive = np.asarray(self.state.alive)
        rewards, alive = self.engine.step(theirs)
        self.state, self.timesteps = advance(self.env, order, self.state, actions)
        np.testing.assert_array_equal(np.asarray(self.state.alive)[self.rows], alive)
        rewards = rewards * was_alive[self.rows]
        np.testing.assert_array_equal(np.asarray(self.state.reward)[self.rows], rewards)
        self.compare_positions()
        if all(len(self.engine.ids(group)) for group in self.groups):
            self.compare_observations()
        return np.asarray(self.state.alive)

    def compare_positions(self) -> None:
        places = np.stack([np.asarray(self.state.x), np.asarray(self.state.y)], axis=1)
        for group in self.groups:
            ours = places[self.rows[self.engine.ids(group)]]
            np.testing.assert_array_equal(ours, self.engine.positions(group))

    def compare_observations(self) -> None:
        """Exact ones bit for bit, packed ones within 1e-6."""
        exact = observe(self.env, self.state)
        packed = exact if self.timesteps is None else unpack(self.env, self.timesteps)
        for group in self.groups:
            name = self.layout.groups[group].team
            if name is None:
                continue
            team = self.layout.team_names.index(name)
            rows = self.rows[self.engine.ids(group)] - self.layout.rows_of(name).start
            theirs = self.engine.observations(group)
            ours = self.as_seen_by(group, exact[team], rows)
            ours_packed = self.as_seen_by(group, packed[team], rows)
            for one, other, their in zip(ours, ours_packed, theirs, strict=True):
                their = their[..., their.shape[-1] - one.shape[-1] :]
                np.testing.assert_array_equal(one, their)
                self.worst = max(self.worst, float(np.abs(other - their).max()))

    def as_seen_by(self, group: int, observation, rows) -> tuple[np.ndarray, np.ndarray]:
        """Our team's observations as the engine shows them to one of the team's groups.

        The engine shows a group itself first, ours the team's first group; and it gives a group
        only its own actions. Both have ten bits of the number in front, unless we leave them out.
        """
        layout, width = self.layout, 3 if self.layout.minimap else 2
        first, count = layout.groups_of(layout.groups[group].team)[0], len(layout.groups)
        places = [(group + k - first) % count for k in range(count)]
        channels = [0] + [1 + width * place + i for place in places for i in range(width)]
        features = np.asarray(observation.features)[rows]
        start = (ID_BITS if layout.id_bits else 0) + layout.groups[group].type.num_actions
        end = start + layout.num_actions(group) - layout.groups[group].type.num_actions
        assert not features[:, start:end].any()
        features = np.concatenate([features[:, :start], features[:, end:]], axis=1)
        return np.asarray(observation.view)[rows][..., channels], features


def start(env: GridWorld, positions: np.ndarray, alive: np.ndarray, walls: np.ndarray) -> State:
    """Our state with everybody at a given place."""
    shapes, _ = jax.eval_shape(env.reset, jax.random.key(0))
    state = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    types = [group.type for group in env.layout.groups]
    counts = [group.num_agents for group in env.layout.groups]
    full = np.repeat([kind.hp for kind in types], counts).astype(np.float32)
    none = np.repeat([kind.num_actions for kind in types], counts)
    return dataclasses.replace(
        state,
        x=jnp.asarray(positions[:, 0], jnp.int32),
        y=jnp.asarray(positions[:, 1], jnp.int32),
        hp=jnp.where(alive, full, 0.0),
        alive=jnp.asarray(alive),
        last_action=jnp.asarray(none, state.last_action.dtype),
        walls=jnp.asarray(walls),
    )


def board(env: GridWorld, engine: Engine, places: list[list[tuple[int, int]]], walls) -> Pair:
    """Few agents of each group at given places; all other rows are dead padding."""
    layout = env.layout
    rows = [start + np.arange(len(p)) for start, p in zip(layout.starts, places, strict=False)]
    rows = np.concatenate(rows).astype(int)
    positions, alive = np.ones((layout.num_agents, 2), int), np.zeros(layout.num_agents, bool)
    positions[rows], alive[rows] = np.concatenate([p for p in places if p]), True
    solid = ring(layout.map_size)
    for x, y in walls:
        solid[y, x] = True
    engine.add_walls(walls)
    for group, cells in enumerate(places):
        engine.add_agents(group, np.array(cells))
    return Pair(env, engine, start(env, positions, alive, solid), rows)


def pair(name: str, map_size: int, minimap: bool, seed: int, **options) -> Pair:
    """A world from our own map and places."""
    bits = {} if name == "gather" else {"id_bits": True}
    env = make(name, map_size=map_size, minimap=minimap, priority="id", **bits, **options)
    return placed(env, Engine(name, map_size, minimap, seed, **options), seed)


def double_pair(map_size: int, agents: int, enemies: int, minimap: bool, seed: int) -> Pair:
    """Battle against enemies who reach twice as far, from our own places."""
    env = make(
        "battle",
        map_size=map_size,
        enemy="double",
        agents=agents,
        enemies=enemies,
        minimap=minimap,
        priority="id",
        id_bits=True,
    )
    return placed(env, Engine("battle", map_size, minimap, seed, enemy="double"), seed)


def placed(env: GridWorld, engine: Engine, seed: int) -> Pair:
    """The engine's world with our own walls and places."""
    state, _ = jax.jit(env.reset)(jax.random.key(seed))
    inner = np.argwhere(np.asarray(state.walls)[1:-1, 1:-1]) + 1
    if len(inner):
        engine.add_walls([(int(x), int(y)) for y, x in inner])
    places = np.stack([state.x, state.y], axis=1)
    for group, (first, last) in enumerate(itertools.pairwise(env.layout.starts)):
        engine.add_agents(group, places[first:last])
    return Pair(env, engine, state)


def pursuit_pair(map_size: int, minimap: bool, seed: int) -> Pair:
    """Adversarial Pursuit from the engine's own random map."""
    options = {"priority": "id", "minimap": minimap, "id_bits": True}
    config = adversarial_pursuit.AdversarialPursuitConfig(map_size=map_size, **options)
    env = adversarial_pursuit.build(config)
    engine = Engine("adversarial_pursuit", map_size, minimap, seed)
    engine.add_random()
    positions = np.concatenate([engine.positions(0), engine.positions(1)])
    alive = np.ones(len(positions), bool)
    return Pair(env, engine, start(env, positions, alive, engine.walls()))


def random_actions(pair: Pair, random: np.random.Generator) -> np.ndarray:
    """Uniformly random actions."""
    return np.concatenate(
        [random.integers(0, g.type.num_actions, g.num_agents) for g in pair.layout.groups]
    ).astype(np.int32)


def greedy_actions(pair: Pair, random: np.random.Generator, noise: float = 0.1) -> np.ndarray:
    """Attack another team in reach, else move towards its nearest agent; some act at random."""
    actions = random_actions(pair, random)
    place = np.stack([np.asarray(pair.state.x), np.asarray(pair.state.y)], axis=1)
    alive = np.asarray(pair.state.alive)
    for g, group in enumerate(pair.layout.groups):
        rows = np.arange(pair.layout.starts[g], pair.layout.starts[g + 1])
        friends = np.r_[pair.layout.rows_of(group.team)]
        enemies = place[np.setdiff1d(np.flatnonzero(alive), friends)]
        if len(enemies) == 0 or group.team is None:
            continue
        attacks = np.array(group.type.attacks).reshape(-1, 2)
        moves = np.array(group.type.moves)
        cells = {(int(x), int(y)) for x, y in enemies}
        for i in rows[alive[rows]]:
            if random.random() < noise:
                continue
            reach = [a for a, d in enumerate(attacks) if tuple((place[i] + d).tolist()) in cells]
            if reach:
                actions[i] = len(moves) + random.choice(reach)
                continue
            nearest = enemies[np.argmin(np.abs(enemies - place[i]).sum(axis=1))]
            distance = np.hypot(*(place[i] + moves - nearest).T) + 0.01 * random.random(len(moves))
            actions[i] = int(np.argmin(distance))
    return actions
