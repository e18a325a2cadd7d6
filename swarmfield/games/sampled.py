"""What one agent learns to gain from experience alone: a lower bound of exploitability."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from swarmfield.games.game import Game
from swarmfield.games.values import flow_of, worth
from swarmfield.types import PRNGKey


class _Steps(NamedTuple):
    """A step of M episodes: where, what, for how much, and where to."""

    state: Int[Array, "... M"]
    action: Int[Array, "... M"]
    reward: Float[Array, "... M"]
    after: Int[Array, "... M"]


def learned_response(
    game: Game,
    flow: Float[Array, "T S"],
    key: PRNGKey,
    *,
    rounds: int = 200,
    episodes: int = 64,
    explore: float = 0.3,
) -> Float[Array, "T S A"]:
    """The greedy policy of Q-learning by one agent among others who follow a flow.

    It sees states, rewards and the time, and knows neither P nor r. In each round M episodes are
    played epsilon-greedily, from states at random in half of them, and every Q_t(s, a) that
    occurred moves to the mean of

        r + max_a' Q_{t+1}(s', a')

    over its occurrences and those of earlier rounds, which are forgotten by halves; the last step's
    first. Only what was tried at s' counts in the maximum, and 0 where nothing was.

    Args:
        game: The game.
        flow: Where the others are.
        key: Draws episodes.
        rounds: How many.
        episodes: M, of a round.
        explore: Epsilon.

    Source: Watkins 1989 for Q-learning; as a bound of exploitability it is what Perrin et al. 2020
    and others use where best responses are not known.
    """
    number, num_actions = game.shape[1:]

    def one(table: tuple[Array, Array], key: PRNGKey) -> tuple[tuple[Array, Array], None]:
        q, count = table
        played = _play(game, flow, _tried(q, count), key, episodes, explore)

        def back(later: Float[Array, "S A"], now: tuple[Array, Array, _Steps]) -> tuple[Array, Any]:
            q, count, some = now
            best = jnp.max(later, axis=1)[some.after]
            target = some.reward + jnp.where(jnp.isfinite(best), best, 0.0)
            seen = jnp.zeros((number, num_actions)).at[some.state, some.action].add(1.0)
            total = jnp.zeros((number, num_actions)).at[some.state, some.action].add(target)
            # Early targets were of values not yet learned: they are forgotten by halves.
            kept = 0.5 * count
            q = jnp.where(seen > 0, (kept * q + total) / jnp.maximum(kept + seen, 1.0), q)
            count = jnp.where(seen > 0, kept + seen, count)
            return _tried(q, count), (q, count)

        last = jnp.zeros((number, num_actions))
        _, table = jax.lax.scan(back, last, (q, count, played), reverse=True)
        return table, None

    empty = (jnp.zeros(game.shape), jnp.zeros(game.shape))
    table, _ = jax.lax.scan(one, empty, jax.random.split(key, rounds))
    return jax.nn.one_hot(jnp.argmax(_tried(*table), axis=-1), num_actions)


def _tried(q: Float[Array, "*T S A"], count: Float[Array, "*T S A"]) -> Float[Array, "*T S A"]:
    """Values of what was tried: nothing else may be taken for the best."""
    return jnp.where(count > 0, q, -jnp.inf)


def learned_exploitability(
    game: Game,
    policy: Float[Array, "T S A"],
    key: PRNGKey,
    *,
    rounds: int = 200,
    episodes: int = 64,
) -> Float[Array, ""]:
    """What an agent that learned by itself gains by leaving a policy: at most the exploitability.

    What it learned is valued exactly, so that chance in its learning can only make the bound lower.

    Args:
        game: The game.
        policy: What all others do.
        key: Draws what it learns from.
        rounds: As in `learned_response`.
        episodes: As there.
    """
    flow = flow_of(game, policy)
    answer = learned_response(game, flow, key, rounds=rounds, episodes=episodes)
    return worth(game, flow, answer) - worth(game, flow, policy)


def _play(
    game: Game,
    flow: Float[Array, "T S"],
    q: Float[Array, "T S A"],
    key: PRNGKey,
    episodes: int,
    explore: float,
) -> _Steps:
    """Steps `[T, M]` of episodes, half of which start where the game does."""
    number, num_actions = q.shape[1:]
    key_start, key_any, key_steps = jax.random.split(key, 3)
    usual = jax.random.choice(key_start, number, (episodes,), p=jnp.asarray(game.start))
    anywhere = jax.random.randint(key_any, (episodes,), 0, number)
    start = jnp.where(jnp.arange(episodes) % 2 == 0, usual, anywhere)

    def step(state: Int[Array, " M"], now: tuple[Array, Array, PRNGKey]) -> tuple[Array, _Steps]:
        mu, values, key = now
        key_whether, key_which, key_after = jax.random.split(key, 3)
        wild = jax.random.uniform(key_whether, (episodes,)) < explore
        drawn = jax.random.randint(key_which, (episodes,), 0, num_actions)
        action = jnp.where(wild, drawn, jnp.argmax(values[state], axis=1))
        chances = game.transition(mu)[state, action]
        after = jax.random.categorical(key_after, jnp.log(chances), axis=-1)
        return after, _Steps(state, action, game.reward(mu)[state, action], after)

    keys = jax.random.split(key_steps, flow.shape[0])
    return jax.lax.scan(step, start, (flow, q, keys))[1]
