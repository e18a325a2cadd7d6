"""The value of a group: what its members' choices are worth, and what the group as a whole does.

    Q_GRP = sum_k lambda_k Q_LOC(o_k, a_k) + 2 Q_GMF(mu),    mu = sum_k lambda_k x_k,
    x_k = (o_k, u_k),  u_k the action's one-hot,  over members k of the group

    lambda_k = softmax_k((W_q x_bar) . (W_k x_k) / sqrt(d)),  x_bar = mean of x_k over the group

Source: Yu et al. 2023, Eq. 9 and 11. They take lambda from attention and give no query: it is
made of the group's plain mean, so that nobody's order counts; d is 32.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from swarmfield.mean_field.groups import masked_softmax
from swarmfield.networks import MLP, Linear, linear
from swarmfield.precision import matmul
from swarmfield.types import PRNGKey

_WIDTH = 32
"""d, numbers of a query and of a key."""


class Supervisor(eqx.Module):
    """What judges groups, all of them with the same parameters.

    Attributes:
        query: W_q.
        key: W_k.
        value: Q_GMF.
        sees_others: Whether it reads the mean of the other groups' mu beside its own.
    """

    query: Linear
    key: Linear
    value: MLP
    sees_others: bool = eqx.field(static=True)


class Judged(NamedTuple):
    """Groups at one step, or at several; all zeros where a group has no members.

    Attributes:
        local: sum_k lambda_k Q_LOC.
        shared: Q_GMF.
        weight: lambda of each agent in each group, 0 in those it is not in.
        mean: mu.
        size: Members.
    """

    local: Float[Array, "*M K"]
    shared: Float[Array, "*M K"]
    weight: Float[Array, "*M K N"]
    mean: Float[Array, "*M K D"]
    size: Float[Array, "*M K"]

    @property
    def value(self) -> Float[Array, "*M K"]:
        """Q_GRP."""
        return self.local + 2 * self.shared


def supervisor(size: int, *, sees_others: bool, key: PRNGKey) -> Supervisor:
    """New parameters.

    Args:
        size: Numbers of x.
        sees_others: Q_GMF of a group reads the mean of the other groups' mu beside its own.
        key: Draws them.
    """
    keys = jax.random.split(key, 3)
    return Supervisor(
        linear(size, _WIDTH, keys[0]),
        linear(size, _WIDTH, keys[1]),
        MLP(2 * size if sees_others else size, 128, 64, 1, key=keys[2]),
        sees_others,
    )


def members_of(
    label: Integer[Array, " N"], members: Bool[Array, " N"], num_groups: int
) -> Bool[Array, "K N"]:
    """Who belongs to each group; who is no member, to none."""
    return (label[None] == jnp.arange(num_groups)[:, None]) & members[None]


def judge(
    module: Supervisor,
    x: Float[Array, "N D"],
    values: Float[Array, " N"],
    belongs: Bool[Array, "K N"],
) -> Judged:
    """What groups are worth.

    Args:
        module: Its parameters.
        x: What everybody saw and did.
        values: Q_LOC of what they did.
        belongs: Who is in which group.
    """
    counts = jnp.any(belongs, axis=0)
    x = jnp.where(counts[:, None], x, 0.0)  # not by a product: the dead may hold NaN
    size = jnp.sum(belongs, axis=1, dtype=jnp.float32)
    middle = matmul(belongs.astype(jnp.float32), x) / jnp.maximum(size, 1.0)[:, None]
    score = matmul(module.query(middle), module.key(x).T) / math.sqrt(_WIDTH)
    weight = masked_softmax(score, belongs)
    mean = matmul(weight, x)
    shared = jnp.where(size > 0, _value(module, mean, mean, size > 0), 0.0)
    local = matmul(weight, jnp.where(counts, values, 0.0))
    return Judged(local, shared, weight, mean, size)


def _value(
    module: Supervisor,
    own: Float[Array, "K D"],
    mean: Float[Array, "K D"],
    occupied: Bool[Array, " K"],
) -> Float[Array, " K"]:
    """Q_GMF of groups with means `own`, where all the others' are `mean`."""
    read = [own, _others(mean, occupied)] if module.sees_others else [own]
    return module.value(jnp.concatenate(read, axis=1))[:, 0]


def _others(mean: Float[Array, "K D"], occupied: Bool[Array, " K"]) -> Float[Array, "K D"]:
    """The mean of the other occupied groups' rows; zeros where there are none."""
    among = (occupied[None] & ~jnp.eye(mean.shape[0], dtype=bool)).astype(jnp.float32)
    return matmul(among, mean) / jnp.maximum(jnp.sum(among, axis=1), 1.0)[:, None]


def values_alike(
    module: Supervisor, mean: Float[Array, "K D"], occupied: Bool[Array, " K"], *, num_actions: int
) -> Float[Array, "K A"]:
    """Q_GMF of each group if all its members did the same, for each action.

    Args:
        module: Its parameters.
        mean: mu.
        occupied: Groups that have members.
        num_actions: A, the last numbers of mu.
    """
    done = jnp.eye(num_actions)

    def alike(action: Float[Array, " A"]) -> Float[Array, " K"]:
        all_do = jnp.broadcast_to(action, (mean.shape[0], num_actions))
        own = jnp.concatenate([mean[:, :-num_actions], all_do], axis=1)
        return _value(module, own, mean, occupied)

    return jax.vmap(alike, out_axes=1)(done)
