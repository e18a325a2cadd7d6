"""Every registered environment keeps the guarantees, and the check notices who does not."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest
from toy import SMALL_WORLDS, Toy, ToyConfig

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
