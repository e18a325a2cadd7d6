"""Tiny environments for tests of learning and training, and timesteps made by hand.

Needs nothing of the test runner, so that scripts can use it as well.
"""

from dataclasses import dataclass
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from swarmfield.algorithms import ALGORITHMS
from swarmfield.environments.wrappers import AutoReset
from swarmfield.registry import Entry
from swarmfield.training import program as loop
from swarmfield.training.matchup import Policy, policy_of, random_policy, sides_of
from swarmfield.training.practice import Practice
from swarmfield.training.program import Program
from swarmfield.training.student import Student
from swarmfield.training.terms import Terms
from swarmfield.types import Box, Discrete, Observation, Scene, TeamSpec, Timestep

NUM_ACTIONS = 4
SMALL_WORLDS = {
    "battle": {"map_size": 14, "max_steps": 9},
    "adversarial_pursuit": {"map_size": 12, "max_steps": 9},
    "battlefield": {"map_size": 46, "max_steps": 9},
    "combined_arms": {"map_size": 18, "max_steps": 9},
    "tiger_deer": {"map_size": 14, "max_steps": 9},
    "gather": {"map_size": 30, "max_steps": 9},
}
"""Options of environments that would be large or long otherwise, by name."""


def make_timestep(num_agents, **fields):
    """A timestep in which nothing has happened yet, but for what is given (lists will do)."""
    blank = {
        "shared": {},
        "own": {},
        "first": False,
        "alive": [True] * num_agents,
        "legal": None,
        "kind": jnp.zeros(num_agents, jnp.uint8),
        "position": jnp.zeros((num_agents, 2), jnp.int16),
        "last_action": jnp.full(num_agents, NUM_ACTIONS, jnp.uint8),
        "reward": jnp.zeros(num_agents),
        "terminated": [False] * num_agents,
        "truncated": False,
        "trained": [True] * num_agents,
        "measures": {},
    }
    given = {
        name: value if isinstance(value, dict) or value is None else jnp.asarray(value)
        for name, value in (blank | fields).items()
    }
    return Timestep(**given)


class ToyState(eqx.Module):
    shown: jax.Array
    time: jax.Array
    limit: jax.Array
    score: jax.Array


@dataclass(frozen=True)
class ToyConfig:
    num_agents: int = 6
    max_steps: int = 8
    min_steps: int | None = None
    """Shortest episode, if not all are as long as the longest."""
    num_dead: int = 0
    """Rows at the end of each team that are dead from the start."""


class Toy:
    """Hit the shown number: each agent sees a digit and earns 1 for playing it."""

    name = "toy"
    interchangeable = True
    sides = (("left",), ("right",))
    extent = (1.0, 1.0)
    description = "toy"

    def __init__(self, config: ToyConfig) -> None:
        self.max_steps = config.max_steps
        self.min_steps = config.max_steps if config.min_steps is None else config.min_steps
        self.num_agents = config.num_agents
        self.alive = jnp.arange(config.num_agents) < config.num_agents - config.num_dead
        self.teams = tuple(
            TeamSpec(name, config.num_agents, Discrete(NUM_ACTIONS), None, NUM_ACTIONS)
            for name in ("left", "right")
        )

    def _timestep(self, state, row, last_action, reward):
        won = jnp.sign(state.score[row] - state.score[1 - row])
        return make_timestep(
            self.num_agents,
            shared={"perspective": jnp.uint8(row)},
            own={"shown": state.shown[row]},
            first=state.time == 0,
            alive=self.alive,
            last_action=last_action,
            reward=reward,
            truncated=state.time >= state.limit,
            measures={"win_rate": 0.5 + 0.5 * won.astype(jnp.float32)},
        )

    def reset(self, key):
        key_shown, key_limit = jax.random.split(key)
        limit = jnp.int32(self.max_steps)
        if self.min_steps < self.max_steps:
            limit = jax.random.randint(key_limit, (), self.min_steps, self.max_steps + 1)
        state = ToyState(self._draw(key_shown), jnp.int32(0), limit, jnp.zeros(2))
        none = jnp.full(self.num_agents, NUM_ACTIONS, jnp.uint8)
        zero = jnp.zeros(self.num_agents)
        return state, self._timesteps(state, [none, none], [zero, zero])

    def step(self, key, state, actions):
        chosen = jnp.stack([actions["left"], actions["right"]]).astype(jnp.uint8)
        reward = ((chosen == state.shown) & self.alive[None]).astype(jnp.float32)
        score = state.score + reward.sum(1)
        state = ToyState(self._draw(key), state.time + 1, state.limit, score)
        return state, self._timesteps(state, chosen, reward)

    def _draw(self, key):
        # Compiles faster than `randint`.
        return jax.random.bits(key, (2, self.num_agents), jnp.uint8) % jnp.uint8(NUM_ACTIONS)

    def _timesteps(self, state, last_actions, rewards):
        return {
            team.name: self._timestep(state, row, last_actions[row], rewards[row])
            for row, team in enumerate(self.teams)
        }

    def observe(self, state, team):
        row = [t.name for t in self.teams].index(team)
        return Observation(None, jax.nn.one_hot(state.shown[row], NUM_ACTIONS))

    def unpack(self, team, timestep, index):
        return Observation(None, jax.nn.one_hot(timestep.own["shown"][index], NUM_ACTIONS))

    def scene(self, state):
        n = 2 * self.num_agents
        ones = jnp.ones(n)
        return Scene(jnp.zeros((n, 2)), jnp.ones(n, bool), ones, jnp.ones(n, jnp.int32), None)


ENTRY = Entry(ToyConfig, Toy, "a test")


class Posts(Toy):
    """Each agent earns 1 for its own number, always the same, and nobody sees anything."""

    def _draw(self, key):
        return jnp.broadcast_to(jnp.arange(self.num_agents, dtype=jnp.uint8), (2, self.num_agents))

    def observe(self, state, team):
        return Observation(None, jnp.zeros((self.num_agents, NUM_ACTIONS)))

    def unpack(self, team, timestep, index):
        return Observation(None, jnp.zeros(NUM_ACTIONS))


class Wind(eqx.Module):
    blows: jax.Array
    time: jax.Array


class WeatherVanes:
    """Play what most of the own flock has just played, which only mean actions show.

    Three of four agents are vanes: they turn with their flock's wind, which is drawn anew every
    step, whatever they choose. The others earn 1 for their flock's wind of the step before. An
    agent sees only its flock, and whether it is a vane. With several flocks of equal size the
    mean action of the whole team does not tell whose wind is whose.
    """

    name = "weather_vanes"
    interchangeable = False
    sides = (("flock",),)
    extent = (1.0, 1.0)
    description = "weather vanes"
    max_steps = 8

    def __init__(self, num_flocks=1):
        self.num_flocks, self.num_agents = num_flocks, 8 * num_flocks
        self.flock = jnp.arange(self.num_agents) // 8
        self.vane = jnp.arange(self.num_agents) % 8 < 6
        features = num_flocks + 1
        self.teams = (TeamSpec("flock", self.num_agents, Discrete(NUM_ACTIONS), None, features),)
        # Nothing is known of the wind at the first step.
        self.best_return = (self.max_steps - 1) * 2 * num_flocks

    def reset(self, key):
        none = jnp.full(self.num_agents, NUM_ACTIONS, jnp.uint8)
        state = Wind(jnp.full(self.num_flocks, NUM_ACTIONS, jnp.uint8), jnp.int32(0))
        return state, self._timesteps(state, none, jnp.zeros(self.num_agents))

    def step(self, key, state, actions):
        wind = jax.random.bits(key, (self.num_flocks,), jnp.uint8) % jnp.uint8(NUM_ACTIONS)
        executed = jnp.where(self.vane, wind[self.flock], actions["flock"].astype(jnp.uint8))
        reward = (~self.vane & (executed == state.blows[self.flock])).astype(jnp.float32)
        state = Wind(wind, state.time + 1)
        return state, self._timesteps(state, executed, reward)

    def _timesteps(self, state, last_action, reward):
        timestep = make_timestep(
            self.num_agents,
            first=state.time == 0,
            last_action=last_action,
            reward=reward,
            truncated=state.time >= self.max_steps,
        )
        return {"flock": timestep}

    def observe(self, state, team):
        agents = jnp.arange(self.num_agents)
        return jax.vmap(lambda index: self.unpack(team, None, index))(agents)

    def unpack(self, team, timestep, index):
        flock = jax.nn.one_hot(self.flock[index], self.num_flocks)
        return Observation(None, jnp.append(flock, self.vane[index].astype(jnp.float32)))

    def scene(self, state):
        n = self.num_agents
        ones = jnp.ones(n)
        return Scene(jnp.zeros((n, 2)), jnp.ones(n, bool), ones, jnp.ones(n, jnp.int32), None)


class Drift:
    """Do what most of the team has just done, by real numbers, as in `WeatherVanes`.

    Most agents are vanes. The others earn 1 - (a - w)^2, w being the wind of the step before,
    which they see where it is shown.
    """

    name = "drift"
    interchangeable = False
    sides = (("flock",),)
    extent = (1.0, 1.0)
    description = "drift"
    max_steps = 8
    num_agents = 12
    num_vanes = 9
    best_return = (max_steps - 1) * (num_agents - num_vanes)
    blind_return = best_return * 2 / 3
    """Of doing nothing: the wind is uniform in [-1, 1]."""

    def __init__(self, *, shown):
        self.shown = shown
        beside = (np.arange(self.num_agents)[:, None] + np.array([-1, 1])) % self.num_agents
        self.teams = (TeamSpec("flock", self.num_agents, Box(1), None, 2, graph=beside),)

    def reset(self, key):
        del key
        state = Wind(jnp.zeros(()), jnp.int32(0))
        return state, self._timesteps(state, jnp.zeros((self.num_agents, 1)), state.blows)

    def step(self, key, state, actions):
        vane = jnp.arange(self.num_agents) < self.num_vanes
        wind = jax.random.uniform(key, minval=-1.0)
        executed = jnp.where(vane[:, None], wind, actions["flock"])
        earned = 1 - (executed[:, 0] - state.blows) ** 2
        reward = jnp.where(vane | (state.time == 0), 0.0, earned)
        state = Wind(wind, state.time + 1)
        return state, self._timesteps(state, executed, reward)

    def _timesteps(self, state, last_action, reward):
        timestep = make_timestep(
            self.num_agents,
            shared={"wind": state.blows},
            first=state.time == 0,
            last_action=last_action,
            reward=jnp.broadcast_to(reward, (self.num_agents,)),
            truncated=state.time >= self.max_steps,
        )
        return {"flock": timestep}

    def unpack(self, team, timestep, index):
        wind = jnp.where(self.shown, timestep.shared["wind"], 0.0)
        return Observation(None, jnp.stack([wind, (index < self.num_vanes).astype(jnp.float32)]))

    def observe(self, state, team):
        vane = (jnp.arange(self.num_agents) < self.num_vanes).astype(jnp.float32)
        wind = jnp.full(self.num_agents, jnp.where(self.shown, state.blows, 0.0))
        return Observation(None, jnp.stack([wind, vane], axis=1))

    scene = WeatherVanes.scene


def answering(shift):
    """A policy that plays the shown number, plus a shift: right for 0, else wrong."""

    def act(_learner, timestep, memory, _key, _explore):
        return (timestep.own["shown"] + jnp.uint8(shift)) % NUM_ACTIONS, memory, None

    return Policy(lambda *_: None, act)


def make_algorithm(name, environment, **options):
    """An algorithm for the learner's team of an environment."""
    team = environment.teams[0]
    entry = ALGORITHMS[name]
    return entry.build(entry.config(**options), team, partial(environment.unpack, team.name))


def make_program(algorithm, environment, num_envs, env_steps, opponent="random", rival=None):
    """The off-policy loop's parts.

    `opponent` is `self`, `pool`, `random` or a policy, or `rival` an algorithm that learns too.
    """
    sides = sides_of(environment)
    kind = "rival" if rival else opponent if isinstance(opponent, str) else "frozen"
    other = None
    if rival is not None:
        other = make_student(rival, sides.away, num_envs, env_steps)
        opponent = other.policy
    elif sides.away is None:
        opponent = None
    elif not isinstance(opponent, Policy):
        own = kind in ("self", "pool")
        opponent = policy_of(algorithm) if own else random_policy(sides.away)
    return Program(
        student=make_student(algorithm, sides.home, num_envs, env_steps),
        environment=AutoReset(environment),
        sides=sides,
        opponent=opponent,
        practice=Practice(kind, pool_size=3),
        other=other,
    )


def learned_return(algorithm, environment, steps, num_envs=8):
    """The mean return of the episodes in the last fifth of a run."""
    program = make_program(algorithm, environment, num_envs, steps * num_envs)
    advance = jax.jit(partial(loop.advance, program))
    last = steps // 5
    run = loop.start(program, None, jax.random.key(0))
    run = advance(run, jnp.int32(0), jnp.int32(steps - last))
    after = advance(run, jnp.int32(steps - last), jnp.int32(last))
    episodes = after.window.episodes - run.window.episodes
    return float((after.window.returns[0] - run.window.returns[0]) / episodes)


def make_student(algorithm, team, num_envs, env_steps):
    """How an algorithm learns, each agent from its own rewards."""
    terms = Terms(team)
    return Student(algorithm, algorithm.experience, terms, num_envs, env_steps // num_envs)
