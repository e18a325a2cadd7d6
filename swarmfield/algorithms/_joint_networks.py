"""A network for each agent of a team, and what critics read: what everybody saw and did."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from swarmfield.networks import MLP


class Everybody(eqx.Module):
    """A network for each of a team's agents.

    Attributes:
        layers: Of all of them, leading with N; or of one that is told whose turn it is.
        shared: Whether it is one.
    """

    layers: MLP
    shared: bool = eqx.field(static=True)

    def __call__(self, x: Float[Array, "N D"]) -> Float[Array, "N outputs"]:
        """Each agent's network, of its own row."""
        if not self.shared:
            return eqx.filter_vmap(lambda layers, row: layers(row))(self.layers, x)
        return self.layers(jnp.concatenate([x, jnp.eye(x.shape[0])], axis=1))


def judge(
    critic: Everybody,
    seen: Float[Array, "N D"],
    done: Float[Array, "N A"],
    alive: Bool[Array, " N"],
) -> Float[Array, " N"]:
    """Q_i of what all the living saw and did."""
    everything = jnp.where(alive[:, None], jnp.concatenate([seen, done], axis=1), 0.0).reshape(-1)
    return critic(jnp.broadcast_to(everything, (seen.shape[0], everything.shape[0])))[:, 0]


def judge_own(
    critic: Everybody,
    seen: Float[Array, "N D"],
    done: Float[Array, "N A"],
    own: Float[Array, "N A"],
    alive: Bool[Array, " N"],
) -> Float[Array, " N"]:
    """Q_i if agent i did `own[i]`, and all others what they did."""
    n = seen.shape[0]
    is_own = jnp.eye(n, dtype=bool)[..., None]
    each = jnp.where(is_own, own[None], done[None])
    table = jnp.concatenate([jnp.broadcast_to(seen, (n, *seen.shape)), each], axis=2)
    return critic(jnp.where(alive[None, :, None], table, 0.0).reshape(n, -1))[:, 0]
