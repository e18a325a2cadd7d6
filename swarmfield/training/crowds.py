"""Who leads a crowd, for any number of agents and in the limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from swarmfield.algorithms import ALGORITHMS
from swarmfield.chunks import AGENTS_AT_ONCE, in_chunks
from swarmfield.environments import is_known, make
from swarmfield.environments.m3fc.control import MeanFieldControl, Population
from swarmfield.environments.m3fc.limit import Limit
from swarmfield.environments.m3fc.minor_major import MinorMajor
from swarmfield.environments.m3fc.model import Model
from swarmfield.rule_options import Execution
from swarmfield.training.control import controlled, executed
from swarmfield.training.evaluate import num_bodies
from swarmfield.training.matchup import Policy
from swarmfield.training.player import Which, load
from swarmfield.types import Environment, PRNGKey, SwarmfieldError, Timestep

_CONTROLLER = "m3fppo"
"""Whose options say how a rule's numbers are read where nobody was trained."""


class Led(NamedTuple):
    """A crowd, and who leads it or acts in it.

    Attributes:
        environment: Where it is, of one team.
        policy: How that acts.
        parameters: Its.
    """

    environment: Environment
    policy: Policy
    parameters: PyTree

    @property
    def model(self) -> Model:
        """How the crowd goes on."""
        return _population(self.environment).model


@dataclass(frozen=True)
class Leader:
    """A run's policy, or, of an environment, one who says zeros all the time.

    That is what an untrained controller says in the mean: all do the same everywhere.

    Attributes:
        subject: The run's folder, or the environment's name.
        env: Options of the environment to change.
        which: The run's newest checkpoint, or the best in evaluation.
        seed: Which of its seeds; the first if None.

    Raises:
        SwarmfieldError: There are no minor agents, or their number is among the options.
    """

    subject: str
    env: Mapping[str, Any]
    which: Which = "last"
    seed: int | None = None

    def __post_init__(self) -> None:
        if "num_agents" in self.env:
            raise SwarmfieldError(
                f"--env.num-agents is {self.env['num_agents']!r}, but several numbers of agents "
                "are compared: give them by --num-agents."
            )
        if is_known(self.subject):
            _population(make(self.subject, **self.env))

    def of(self, num_agents: int, execution: Execution | None = None) -> Led:
        """Leading so many minor agents, in a way of execution if it controls them."""
        env = {**self.env, "num_agents": num_agents}
        if is_known(self.subject):
            world = make(self.subject, **env)
            options = ALGORITHMS[_CONTROLLER].config()
            control = controlled(world, options, _CONTROLLER)
            control = executed(control, execution or "centralised", _CONTROLLER)
            return Led(control, Policy(lambda *_: None, _say_zeros), None)
        player = load(self.subject, which=self.which, seed=self.seed, env=env)
        _population(player.environment)
        player = player if execution is None else player.executed(execution)
        return Led(player.environment, player.policy, player.parameters)

    def limit(self) -> Led | None:
        """Leading infinitely many, or None where that is not known exactly."""
        led = self.of(1)
        control = led.environment
        if not isinstance(control, MeanFieldControl) or led.model.cells is None:
            return None
        endless = replace(control, population=Limit(led.model), execution="centralised")
        return led._replace(environment=cast("Environment", endless))


def _say_zeros(
    _parameters: Any, timestep: Timestep, memory: None, _key: PRNGKey, _explore: Float[Array, " R"]
) -> tuple[Array, None, None]:
    return jnp.zeros_like(timestep.last_action), memory, None


def _population(environment: Environment) -> Population:
    """Those who act in an environment of minor agents.

    Raises:
        SwarmfieldError: It has none.
    """
    if isinstance(environment, MeanFieldControl):
        return environment.population
    if isinstance(environment, MinorMajor):
        return environment
    raise SwarmfieldError(
        f"{environment.name!r} has no minor agents whose number could go to infinity; choose "
        "two_gaussians, formation, beach_bar, foraging or potential, or a run in one of them."
    )


class Playing(NamedTuple):
    """How episodes are played.

    Attributes:
        episodes: How many, M.
        explore: How much of what is done is left to chance; 0 is greedy.
        evaluation_seed: Decides the episodes.
    """

    episodes: int
    explore: float
    evaluation_seed: int


class Paths(NamedTuple):
    """What came of M episodes of T steps.

    Attributes:
        shared_return: The sum of the reward that all share.
        field: The share of the crowd in each cell at each time, the first one before any step.
    """

    shared_return: Float[np.ndarray, " M"]
    field: Float[np.ndarray, "M T1 B"]


def paths(led: Led, playing: Playing) -> Paths:
    """Whole episodes, whose worlds draw the same for any number of agents."""
    keys = jax.random.split(jax.random.key(playing.evaluation_seed), playing.episodes)

    at_once = max(1, AGENTS_AT_ONCE // num_bodies(led.environment))

    def all_of(parameters: PyTree, keys: PRNGKey) -> tuple[Array, Array]:
        episode = partial(_episode, led._replace(parameters=parameters), playing.explore)
        return in_chunks(jax.vmap(episode), keys, at_once)

    return Paths(*map(np.asarray, jax.jit(all_of)(led.parameters, keys)))


def _episode(
    led: Led, explore: float, key: PRNGKey
) -> tuple[Float[Array, ""], Float[Array, "T1 B"]]:
    environment, policy = led.environment, led.policy
    (team,) = environment.teams
    population = _population(environment)

    def field(state: Any) -> Float[Array, " B"]:
        return led.model.bins.histogram(population.crowd(state))

    def step(now: tuple[Any, Timestep, Any], time: Array) -> tuple[Any, Array]:
        state, timestep, memory = now
        key_act, key_move = jax.random.split(jax.random.fold_in(key, time))
        strength = jnp.full(team.num_agents, explore)
        actions, memory, _ = policy.act(led.parameters, timestep, memory, key_act, strength)
        state, timesteps = environment.step(key_move, state, {team.name: actions})
        return (state, timesteps[team.name], memory), field(state)

    key_reset, key_begin = jax.random.split(key)
    state, timesteps = environment.reset(key_reset)
    timestep = timesteps[team.name]
    memory = policy.begin(led.parameters, timestep, None, key_begin)
    first = field(state)
    times = jnp.arange(environment.max_steps)
    (state, *_), fields = jax.lax.scan(step, (state, timestep, memory), times)
    return state.shared_return, jnp.concatenate([first[None], fields])
