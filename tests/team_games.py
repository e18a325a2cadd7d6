"""Small games of a team that is paid together."""

import equinox as eqx
import jax
import jax.numpy as jnp
from toy import WeatherVanes, make_timestep

from swarmfield.types import Discrete, Observation, TeamSpec


class Stage(eqx.Module):
    game: jax.Array
    time: jax.Array


class PayoffGame:
    """Two agents choose, and both earn half of what stands where their choices meet.

    Each sees who it is and which game it is in. `payoffs` `[G, A, A]` are the games; with several,
    the first step earns nothing, and the first agent's choice there is the game of the second.
    """

    name = "payoff"
    interchangeable = False
    sides = (("pair",),)
    extent = (1.0, 1.0)
    description = "payoff"
    num_agents = 2

    def __init__(self, payoffs):
        self.payoffs = jnp.asarray(payoffs, jnp.float32)
        self.num_games, self.num_actions, _ = self.payoffs.shape
        self.max_steps = 1 if self.num_games == 1 else 2
        self.none = jnp.full(2, self.num_actions, jnp.uint8)
        self.teams = (TeamSpec("pair", 2, Discrete(self.num_actions), None, 3 + self.num_games),)

    def reset(self, key):
        del key
        state = Stage(jnp.int32(0), jnp.int32(self.max_steps - 1))
        return state, self._timesteps(state, True, self.none, jnp.zeros(2))

    def step(self, key, state, actions):
        del key
        chosen = actions["pair"].astype(jnp.int32)
        last = state.time == 0
        earned = jnp.where(last, self.payoffs[state.game, chosen[0], chosen[1]], 0.0)
        game = jnp.minimum(chosen[0], self.num_games - 1)
        state = Stage(jnp.where(last, state.game, game), jnp.where(last, -1, state.time - 1))
        reward = jnp.full(2, 0.5) * earned
        return state, self._timesteps(state, False, actions["pair"].astype(jnp.uint8), reward)

    def _timesteps(self, state, first, last_action, reward):
        over = state.time < 0
        timestep = make_timestep(
            2,
            shared={"game": state.game, "decides": state.time > 0},
            first=first,
            last_action=last_action,
            reward=reward,
            terminated=jnp.full(2, over),
        )
        return {"pair": timestep}

    def unpack(self, team, timestep, index):
        shared = timestep.shared
        game = jax.nn.one_hot(shared["game"], self.num_games) * ~shared["decides"]
        who = jax.nn.one_hot(index, 2)
        return Observation(None, jnp.concatenate([who, game, shared["decides"][None] * 1.0]))

    def observe(self, state, team):
        timestep = self._timesteps(state, False, self.none, jnp.zeros(2))["pair"]
        return jax.vmap(lambda index: self.unpack(team, timestep, index))(jnp.arange(2))

    scene = WeatherVanes.scene


TWO_STEPS = [[[7, 7], [7, 7]], [[0, 1], [1, 8]]]
"""Safe or worth coordinating: with the second game a team earns 8, if both choose right.

Source: Rashid et al. 2018, section 5."""

NOT_MONOTONIC = [[[8, -12, -12], [-12, 0, 0], [-12, 0, 0]]]
"""The best is next to the worst. Source: Son et al. 2019, Table 1."""
