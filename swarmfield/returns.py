"""What a value should be: bootstrapped targets, on one transition, batched by `vmap`."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from swarmfield.distributions import boltzmann


def double_q_target(
    reward: Float[Array, ""],
    terminated: Bool[Array, ""],
    online_next: Float[Array, " A"],
    target_next: Float[Array, " A"],
    gamma: float,
) -> Float[Array, ""]:
    """Y = r + gamma (1 - d) Q_target(s', argmax_a Q(s', a)).

    Args:
        reward: r, of the transition.
        terminated: d; a time limit is not one.
        online_next: Q(s', .), of the network that chooses; illegal actions masked.
        target_next: Q_target(s', .), of the network that values.
        gamma: Discount in [0, 1].

    Source: van Hasselt et al. 2016, as used by the reference code of mean-field Q-learning.
    """
    return bootstrap(reward, terminated, double_q_value(online_next, target_next), gamma)


def double_q_value(
    online_next: Float[Array, " A"], target_next: Float[Array, " A"]
) -> Float[Array, ""]:
    """V(s') = Q_target(s', argmax_a Q(s', a))."""
    return target_next[jnp.argmax(online_next)]


def boltzmann_target(
    reward: Float[Array, ""],
    terminated: Bool[Array, ""],
    target_next: Float[Array, " A"],
    temperature: Float[Array, ""],
    gamma: float,
) -> Float[Array, ""]:
    """Y = r + gamma (1 - d) sum_a pi(a | s') Q_target(s', a), pi proportional to exp(Q_target / T).

    Source: Yang et al. 2018, Eq. 9 (mean-field value), with the sign of the exponent that
    prefers better actions.
    """
    return bootstrap(reward, terminated, boltzmann_value(target_next, temperature), gamma)


def boltzmann_value(
    target_next: Float[Array, " A"], temperature: Float[Array, ""]
) -> Float[Array, ""]:
    """V(s') = sum_a pi(a | s') Q_target(s', a), pi proportional to exp(Q_target / T)."""
    return jnp.sum(boltzmann(target_next, temperature) * target_next)


def bootstrap(
    reward: Float[Array, ""],
    terminated: Bool[Array, ""],
    value: Float[Array, ""],
    gamma: float,
) -> Float[Array, ""]:
    """Y = r + gamma (1 - d) V(s')."""
    return reward + gamma * jnp.where(terminated, 0.0, value)


def gae(
    reward: Float[Array, " T"],
    terminated: Bool[Array, " T"],
    value: Float[Array, " T+1"],
    valid: Bool[Array, " T"],
    gamma: float,
    lambda_: float,
) -> Float[Array, " T"]:
    """A_t = delta_t + gamma lambda A_{t+1}, delta_t = r_{t+1} + gamma (1 - d_{t+1}) V_{t+1} - V_t.

    With `lambda_` 1, A_t + V_t is the discounted return of the rest of the episode, or of the
    rest of the rollout and V at its end. At the time limit V counts on, and the sum ends.

    Args:
        reward: r_1 ... r_T, of the transitions.
        terminated: d_1 ... d_T; a time limit is not one.
        value: V_0 ... V_T.
        valid: Transitions of a living agent; what follows an episode's end is none, and A is 0.
        gamma: Discount in [0, 1].
        lambda_: Decay in [0, 1].

    Source: Schulman et al. 2016, Eq. 16.
    """
    delta = jnp.where(
        valid, reward + gamma * jnp.where(terminated, 0.0, value[1:]) - value[:-1], 0.0
    )

    def back(after: Float[Array, ""], step: tuple[Array, Array]) -> tuple[Array, Array]:
        error, counts = step
        advantage = jnp.where(counts, error + gamma * lambda_ * after, 0.0)
        return advantage, advantage

    return jax.lax.scan(back, jnp.zeros(()), (delta, valid), reverse=True)[1]
