"""What policies are worth in a mean-field game, exactly: flows, values, exploitability."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from swarmfield.games.game import Game
from swarmfield.precision import matmul


def flow_of(game: Game, policy: Float[Array, "T S A"]) -> Float[Array, "T S"]:
    """Where all are at each step, if all have a policy."""

    def go_on(mu: Float[Array, " S"], at: Float[Array, "S A"]) -> tuple[Array, Array]:
        pairs = (mu[:, None] * at).reshape(-1)
        return matmul(pairs, game.transition(mu).reshape(pairs.size, -1)), mu

    return jax.lax.scan(go_on, jnp.asarray(game.start, jnp.float32), policy)[1]


def values(
    game: Game, flow: Float[Array, "T S"], policy: Float[Array, "T S A"] | None = None
) -> Float[Array, "T S A"]:
    """What actions are worth to one agent among all others, who follow a flow.

        Q_t(s, a) = r(s, a, mu_t) + sum_s' P(s' | s, a, mu_t) V_{t+1}(s'),   V_T = 0,

    with V_t(s) = sum_a pi_t(a | s) Q_t(s, a), or max_a Q_t(s, a) of who does the best.

    Args:
        game: The game.
        flow: Where the others are.
        policy: What the agent does later on; the best if None.
    """

    def go_back(later: Float[Array, " S"], now: tuple[Array, Array | None]) -> tuple[Array, Array]:
        mu, at = now
        q = game.reward(mu) + matmul(game.transition(mu), later)
        value = jnp.max(q, axis=1) if at is None else jnp.sum(at * q, axis=1)
        return value, q

    last = jnp.zeros(len(game.states))
    return jax.lax.scan(go_back, last, (flow, policy), reverse=True)[1]


def best_response(game: Game, flow: Float[Array, "T S"]) -> Float[Array, "T S A"]:
    """The best policy for one agent among others who follow a flow; ties go to the first action."""
    best = jnp.argmax(values(game, flow), axis=-1)
    return jax.nn.one_hot(best, len(game.actions))


def worth(game: Game, flow: Float[Array, "T S"], policy: Float[Array, "T S A"]) -> Float[Array, ""]:
    """What one agent with a policy gets in the mean, among others who follow a flow."""
    first = jnp.sum(policy[0] * values(game, flow, policy)[0], axis=1)
    return jnp.sum(jnp.asarray(game.start, jnp.float32) * first)


def exploitability(game: Game, policy: Float[Array, "T S A"]) -> Float[Array, ""]:
    """What one agent could gain by leaving a policy that all others keep.

        max over pi' of J(pi', mu^pi) - J(pi, mu^pi),

    means over mu_0; 0 at a Nash equilibrium, and nowhere else.

    Source: Perrin et al. 2020, "Fictitious play for mean field games".
    """
    flow = flow_of(game, policy)
    best = jnp.max(values(game, flow)[0], axis=1)
    return jnp.sum(jnp.asarray(game.start, jnp.float32) * best) - worth(game, flow, policy)
