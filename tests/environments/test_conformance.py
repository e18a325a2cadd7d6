"""Every registered environment keeps the guarantees, and the check notices who does not."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import NUM_ACTIONS, SMALL_WORLDS, Toy, ToyConfig, ToyState

from swarmfield.environments import ENVIRONMENTS, make
from swarmfield.environments.conformance import check_environment
from swarmfield.types import SwarmfieldError


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_keeps_the_guarantees(name):
    check_environment(make(name, **SMALL_WORLDS.get(name, {})), jax.random.key(0), num_steps=12)


def test_double_enemies_keep_the_guarantees():
    env = make("battle", enemy="double", agents=6, enemies=3, max_steps=9)
    check_environment(env, jax.random.key(0), num_steps=12)


def test_the_check_accepts_a_minimal_environment():
    check_environment(Toy(ToyConfig(num_dead=2)), jax.random.key(0), num_steps=20)


class Broken(Toy):
    """A toy environment with one field of every timestep replaced."""

    def __init__(self, config, **replace):
        super().__init__(config)
        self.replace = replace

    def _timesteps(self, state, last_actions, rewards):
        timesteps = super()._timesteps(state, last_actions, rewards)
        return {
            name: dataclasses.replace(
                timestep, **{field: make(state, timestep) for field, make in self.replace.items()}
            )
            for name, timestep in timesteps.items()
        }


FAULTS = {
    "comes back to life": {"alive": lambda s, t: t.alive | (s.time == 2)},
    "dead before the step is paid": {"reward": lambda s, t: t.reward + (s.time > 0)},
    "not finite": {"reward": lambda s, t: jnp.where(s.time == 1, jnp.nan, t.reward)},
    "first is false": {"first": lambda s, t: s.time == 1},
    "first of team": {"first": lambda s, t: s.time >= 0},
    "there is a reward": {"reward": lambda s, t: t.reward + t.alive * (s.time == 0)},
    "somebody is terminated": {"terminated": lambda s, t: t.alive & (s.time == 0)},
    "dead already is terminated again": {"terminated": lambda s, t: ~t.alive & (s.time > 0)},
    "truncated of team": {"truncated": lambda s, t: s.time < 0},
    "dies without being terminated": {"alive": lambda s, t: t.alive & (s.time < 2)},
    "no legal action": {"legal": lambda s, t: jnp.broadcast_to(s.time == 0, (6, 4))},
    "is no action": {"last_action": lambda s, t: t.last_action + (s.time > 0) * jnp.uint8(9)},
}


@pytest.mark.parametrize("message", FAULTS)
def test_the_check_names_what_is_wrong(message):
    broken = Broken(ToyConfig(num_dead=2), **FAULTS[message])
    with pytest.raises(SwarmfieldError, match=message):
        check_environment(broken, jax.random.key(0), num_steps=10)


class Peeking(Toy):
    def unpack(self, team, timestep, index):
        return super().unpack(team, timestep, index)._replace(view=jnp.zeros((1, 1, 1)))


class OffTheMap(Broken):
    """Agents on a map of 2 x 2 cells who walk off it."""

    def __init__(self, config):
        super().__init__(config, position=lambda s, t: t.position + s.time.astype(jnp.int16))
        self.teams = tuple(team._replace(cells=(2, 2)) for team in self.teams)


class Uneven(Toy):
    sides = (("left",), ("left", "right"))


@pytest.mark.parametrize(
    ("kind", "message"),
    [(Peeking, "view of team"), (Uneven, "sides are"), (OffTheMap, "no cell of its map of 2")],
)
def test_the_check_compares_with_the_specification(kind, message):
    with pytest.raises(SwarmfieldError, match=message):
        check_environment(kind(ToyConfig()), jax.random.key(0), num_steps=3)


class Forgetful(Toy):
    """What it pays depends on what Python counts."""

    traced = 0

    def step(self, key, state, actions):
        self.traced += 1
        state, timesteps = super().step(key, state, actions)
        paid = {name: t.reward + self.traced * t.alive for name, t in timesteps.items()}
        return state, {
            name: dataclasses.replace(t, reward=paid[name]) for name, t in timesteps.items()
        }


class Drawn(Toy):
    """It draws by NumPy."""

    def reset(self, key):
        state, timesteps = super().reset(key)
        limit = jnp.int32(3 + np.random.default_rng().integers(10**6))
        return dataclasses.replace(state, limit=limit), timesteps


class Haunted(Toy):
    """What the dead do decides what is shown in the step after."""

    def step(self, key, state, actions):
        dead = sum(jnp.sum(jnp.where(self.alive, 0, chosen)) for chosen in actions.values())
        shown = ((state.shown + (dead % 4).astype(jnp.uint8)) % NUM_ACTIONS).astype(jnp.uint8)
        chosen = jnp.stack([actions["left"], actions["right"]]).astype(jnp.uint8)
        reward = ((chosen == state.shown) & self.alive[None]).astype(jnp.float32)
        state = ToyState(shown, state.time + 1, state.limit, state.score + reward.sum(1))
        timesteps = self._timesteps(state, chosen, reward)
        blind = {"shown": jnp.zeros(self.num_agents, jnp.uint8)}  # nobody sees it at once
        return state, {n: dataclasses.replace(t, own=blind) for n, t in timesteps.items()}


class Branching(Toy):
    def step(self, key, state, actions):
        if state.time > 3:
            state = dataclasses.replace(state, time=state.time * 0)
        return super().step(key, state, actions)


class Bare(Toy):
    def reset(self, key):
        return super().reset(key)[1]


class Lacking:
    name = "lacking"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Forgetful, "not on NumPy's randomness nor on anything that Python keeps"),
        (Drawn, "not on NumPy's randomness nor on anything that Python keeps"),
        (Haunted, "the actions of the dead change what happens"),
        (Branching, "step cannot be compiled .*choose by jnp.where, not by `if`"),
        (Bare, "reset must return the state and a dictionary"),
    ],
)
def test_worlds_that_are_no_functions_are_found(kind, message):
    with pytest.raises(SwarmfieldError, match=message):
        check_environment(kind(ToyConfig(num_dead=2)), jax.random.key(0), num_steps=6)


@pytest.mark.parametrize("what", [Lacking(), Toy, 3])
def test_what_is_no_environment_is_told(what):
    with pytest.raises((SwarmfieldError, TypeError), match=r"no environment|Type-check"):
        check_environment(what, jax.random.key(0))
