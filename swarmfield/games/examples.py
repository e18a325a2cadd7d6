"""Mean-field games by name."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from swarmfield.environments.m3fc.beach_bar import CROWDING, SIDE, STEPS, apart
from swarmfield.games.game import Game


def left_right() -> Game:
    """Everybody goes left or right once, and loses by how many are there; right costs double.

    r = -mu(left) on the left and -2 mu(right) on the right. In the equilibrium two thirds go left.

    Source: Cui and Koeppl 2021, "Approximately solving mean field games via entropy-regularized
    deep reinforcement learning".
    """
    states, actions = ("centre", "left", "right"), ("left", "right")
    after = np.zeros((3, 2, 3), np.float32)
    after[:, 0, 1] = after[:, 1, 2] = 1.0

    def reward(mu: Float[Array, " 3"]) -> Float[Array, "3 2"]:
        here = jnp.stack([jnp.zeros(()), -mu[1], -2 * mu[2]])
        return jnp.broadcast_to(here[:, None], (3, 2))

    return Game(
        "left_right",
        "left or right, where it is the worse the more go there",
        states,
        actions,
        2,
        np.array([1.0, 0.0, 0.0], np.float32),
        reward,
        lambda _: jnp.asarray(after),
    )


def rock_paper_scissors() -> Game:
    """Everybody chooses once, and is paid by how many chose what it beats, and what beats it.

        r(rock) = 2 mu(scissors) - mu(paper),     r(paper) = 4 mu(rock) - 2 mu(scissors),
        r(scissors) = 6 mu(paper) - 3 mu(rock).

    In the equilibrium rock, paper and scissors have shares of 26/77, 20/77 and 31/77, all worth
    6/11.

    Source: Cui and Koeppl 2021.
    """
    actions = ("rock", "paper", "scissors")
    after = np.zeros((4, 3, 4), np.float32)
    after[:, np.arange(3), np.arange(1, 4)] = 1.0
    wins = np.array([[0, -1, 2], [4, 0, -2], [-3, 6, 0]], np.float32)

    def reward(mu: Float[Array, " 4"]) -> Float[Array, "4 3"]:
        here = jnp.append(0.0, jnp.sum(jnp.asarray(wins) * mu[None, 1:], axis=1))
        return jnp.broadcast_to(here[:, None], (4, 3))

    return Game(
        "rock_paper_scissors",
        "one of three, where it counts how many chose the others",
        ("nothing yet", *actions),
        actions,
        2,
        np.array([1.0, 0.0, 0.0, 0.0], np.float32),
        reward,
        lambda _: jnp.asarray(after),
    )


def beach(steps: int = 200) -> Game:
    """The beach where each wants the most for itself, and the bar stays in the middle.

        r(x, mu) = -d(x, bar) - 1.5 mu(x),

    on the torus and with the moves of `beach_bar`, all starting anywhere. The mean of r over the
    crowd is what all share there, but for the bar's own part.

    Args:
        steps: T.

    Source: the environment, made a game by us: crowds cost each agent what it stands in.
    """
    cells = np.stack(np.divmod(np.arange(SIDE**2), SIDE), axis=1)
    goal = (cells[:, None] + STEPS[None]) % SIDE
    after = np.eye(SIDE**2, dtype=np.float32)[goal[..., 0] * SIDE + goal[..., 1]]
    bar = jnp.full((1, 2), SIDE // 2)
    away = np.asarray(apart(jnp.asarray(cells, jnp.int32), bar), np.float32)

    def reward(mu: Float[Array, " 25"]) -> Float[Array, "25 5"]:
        return jnp.broadcast_to((-away - CROWDING * mu)[:, None], (SIDE**2, len(STEPS)))

    return Game(
        "beach",
        "near the bar, but not where all others are",
        tuple(f"{x}, {y}" for x, y in cells),
        ("stay", "left", "right", "up", "down"),
        steps,
        np.full(SIDE**2, 1 / SIDE**2, np.float32),
        reward,
        lambda _: jnp.asarray(after),
    )


GAMES = {"left_right": left_right, "rock_paper_scissors": rock_paper_scissors, "beach": beach}
