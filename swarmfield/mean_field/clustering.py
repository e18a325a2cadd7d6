"""k-means on the device: masked and warm-started, in a fixed number of rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from swarmfield.mean_field.counting import count
from swarmfield.precision import matmul
from swarmfield.randomness import drawn_flat
from swarmfield.types import PRNGKey


class Clusters(NamedTuple):
    """Points in groups.

    Attributes:
        label: Group of each point; of the dead, any.
        centre: Centre of each group; an empty one keeps where it was.
    """

    label: Int[Array, " N"]
    centre: Float[Array, "K D"]


def k_means(
    points: Float[Array, "N D"],
    alive: Bool[Array, " N"],
    centre: Float[Array, "K D"],
    iterations: int,
) -> Clusters:
    """Lloyd's algorithm from given centres: points to the nearest centre, centres to the mean.

    Where no more than K points live, each is a group of its own.

    Args:
        points: What to group, by Euclidean distance.
        alive: Points that count; the others pull no centre.
        centre: Where to start; of equally near ones the first is taken.
        iterations: How often centres move, at least 1.

    Source: Lloyd 1982.
    """
    num_groups = centre.shape[0]
    rank = jnp.clip(jnp.cumsum(alive.astype(jnp.int32)) - 1, 0, num_groups - 1)
    few = jnp.sum(alive) <= num_groups

    def move(time: Int[Array, ""], found: Clusters) -> Clusters:
        label = jnp.where(few, rank, nearest_centre(points, found.centre))
        mean, size = group_means(points, label, alive, num_groups)
        # In the last round points go to their centres, which stay.
        moves = (size > 0) & (time < iterations)
        return Clusters(label, jnp.where(moves[:, None], mean, found.centre))

    return jax.lax.fori_loop(0, iterations + 1, move, Clusters(jnp.zeros_like(rank), centre))


def best_of(
    points: Float[Array, "N D"],
    alive: Bool[Array, " N"],
    start: Callable[[Int[Array, ""]], Float[Array, "K D"]],
    num_groups: int,
    first: Int[Array, ""],
    last: Int[Array, ""],
    iterations: int,
) -> Clusters:
    """`k_means` from several first centres, of which the groups that lie closest are kept.

    Args:
        points: What to group.
        alive: Points that count.
        start: The first centres of a number.
        num_groups: K.
        first: Number of the first to try.
        last: Number of the last to try, not below `first`.
        iterations: How often centres move.
    """

    def attempt(
        number: Int[Array, ""], best: tuple[Clusters, Float[Array, ""]]
    ) -> tuple[Clusters, Float[Array, ""]]:
        found = k_means(points, alive, start(number), iterations)
        apart = jnp.sum((points - found.centre[found.label]) ** 2, axis=1)
        inertia = jnp.sum(jnp.where(alive, apart, 0.0))
        closer = (number == first) | (inertia < best[1])
        return jax.tree.map(lambda x, y: jnp.where(closer, x, y), (found, inertia), best)

    centre = jnp.zeros((num_groups, points.shape[1]))
    nothing = Clusters(jnp.zeros(alive.shape, jnp.int32), centre)
    return jax.lax.fori_loop(first, last + 1, attempt, (nothing, jnp.float32(jnp.inf)))[0]


def spread_out(
    points: Float[Array, "N D"], alive: Bool[Array, " N"], num_groups: int, key: PRNGKey
) -> Float[Array, "K D"]:
    """Centres to start from: living points, far ones more likely to be drawn (k-means++).

    Args:
        points: What to group.
        alive: Points that count.
        num_groups: K.
        key: Draws them.

    Source: Arthur and Vassilvitskii 2007: in proportion to the squared distance from the
    nearest centre so far, the first uniformly.
    """

    def choose(
        distance: Float[Array, " N"], noise: Float[Array, " N"]
    ) -> tuple[Float[Array, " N"], Float[Array, " D"]]:
        # Where all that live are chosen already, any of them.
        chance = jnp.where(alive, jnp.maximum(distance, 1e-12), 0.0)
        # The largest of log p + Gumbel noise is a draw from p.
        chosen = points[jnp.argmax(jnp.log(chance) + noise)]
        return jnp.minimum(distance, jnp.sum((points - chosen[None]) ** 2, axis=1)), chosen

    far = jnp.full(alive.shape, 1e30)
    noise = drawn_flat(jax.random.gumbel, key, (*alive.shape, num_groups))
    return jax.lax.scan(choose, far, noise.T)[1]


def farthest_first(
    points: Float[Array, "N D"], alive: Bool[Array, " N"], num_groups: int, key: PRNGKey
) -> Float[Array, "K D"]:
    """Centres to start from: any living point, then each time the one farthest from all so far.

    Args:
        points: What to group, by Euclidean distance.
        alive: Points that count.
        num_groups: K.
        key: Draws the first.

    Source: Gonzalez 1985.
    """
    first = jax.random.categorical(key, jnp.where(alive, 0.0, -jnp.inf))

    def choose(
        distance: Float[Array, " N"], number: Int[Array, ""]
    ) -> tuple[Float[Array, " N"], Float[Array, " D"]]:
        farthest = jnp.argmax(jnp.where(alive, distance, -1.0))
        chosen = points[jnp.where(number == 0, first, farthest)]
        return jnp.minimum(distance, jnp.sum((points - chosen[None]) ** 2, axis=1)), chosen

    far = jnp.full(alive.shape, jnp.inf)
    return jax.lax.scan(choose, far, jnp.arange(num_groups))[1]


def in_order(centre: Float[Array, "K D"]) -> Int[Array, " K"]:
    """Numbers for groups, in the order in which their centres lie along a fixed direction.

    Groups found at the start of different episodes get the same numbers where they are alike.
    """
    # No direction that groups have a reason to lie across.
    direction = jnp.cos(jnp.arange(1.0, centre.shape[1] + 1.0))
    return jnp.argsort(jnp.argsort(matmul(centre, direction))).astype(jnp.int32)


def as_before(
    label: Int[Array, " N"], before: Int[Array, " N"], alive: Bool[Array, " N"], num_groups: int
) -> Int[Array, " K"]:
    """Numbers for groups: that of the old group with which each shares most of the living.

    Pairs are matched one after the other, those that share most first, the rest in order.

    Args:
        label: Group of each agent.
        before: Group of each agent until now.
        alive: Agents that count.
        num_groups: K.
    """
    shared = matmul(_members(label, alive, num_groups).T, jax.nn.one_hot(before, num_groups))

    group = jnp.arange(num_groups)

    def match(_: Int[Array, ""], state: tuple[Array, Array]) -> tuple[Array, Array]:
        left, number = state
        new, old = jnp.divmod(jnp.argmax(left), num_groups)
        # Nobody shared still is a match; a group that has one is out of the question.
        taken = (group == new)[:, None] | (group == old)[None]
        return jnp.where(taken, -1.0, left), jnp.where(group == new, old, number)

    unknown = jnp.zeros(num_groups, jnp.int32)
    return jax.lax.fori_loop(0, num_groups, match, (shared, unknown))[1]


def numbered(found: Clusters, number: Int[Array, " K"]) -> Clusters:
    """The same groups with these numbers."""
    return Clusters(number[found.label], jnp.zeros_like(found.centre).at[number].set(found.centre))


def nearest_centre(points: Float[Array, "N D"], centre: Float[Array, "K D"]) -> Int[Array, " N"]:
    """The nearest centre's index, the lower one of two equally near."""
    # |p - c|^2 without |p|^2, which is the same for every c.
    squared = jnp.sum(centre**2, axis=1)[None] - 2 * matmul(points, centre.T)
    return jnp.argmin(squared, axis=1).astype(jnp.int32)


def group_means(
    points: Float[Array, "N D"],
    label: Int[Array, " N"],
    alive: Bool[Array, " N"],
    num_groups: int,
) -> tuple[Float[Array, "K D"], Float[Array, " K"]]:
    """The mean of each group's living points (zeros where there are none), and their number."""
    member = _members(label, alive, num_groups)
    size = jnp.sum(member, axis=0)
    living = jnp.where(alive[:, None], points, 0.0)  # not by a product: the dead may hold NaN
    return matmul(member.T, living) / jnp.maximum(size, 1.0)[:, None], size


def _members(
    label: Int[Array, " N"], alive: Bool[Array, " N"], num_groups: int
) -> Float[Array, "N K"]:
    """1 for the group in which each living agent is."""
    return jax.nn.one_hot(label, num_groups) * alive[:, None].astype(jnp.float32)


def adjusted_rand_index(
    label: Int[Array, " N"],
    kind: Int[Array, " N"],
    alive: Bool[Array, " N"],
    num_groups: int,
    num_kinds: int,
) -> Float[Array, ""]:
    """How well two ways of grouping the living agree: 1 if entirely, 0 as by chance.

    ARI = (I - E) / (M - E), with I the pairs that are together in both, E as many as chance
    would bring together, M the mean of the pairs together in one and in the other. Where M = E,
    as when all are in one group in both, it is 1.

    Args:
        label: Group of each agent.
        kind: Its group in the other way.
        alive: Agents that count.
        num_groups: Labels are below it.
        num_kinds: Kinds are below it.

    Source: Hubert and Arabie 1985.
    """
    counts = count(label * num_kinds + kind, alive, num_groups * num_kinds)
    table = counts.reshape(num_groups, num_kinds).astype(jnp.float32)
    total = jnp.maximum(_pairs(jnp.sum(table)), 1.0)
    together = jnp.sum(_pairs(table))
    in_groups, in_kinds = (jnp.sum(_pairs(jnp.sum(table, axis))) for axis in (1, 0))
    expected, most = in_groups * in_kinds / total, 0.5 * (in_groups + in_kinds)
    trivial = most - expected <= 1e-6 * most
    return jnp.where(trivial, 1.0, (together - expected) / jnp.where(trivial, 1.0, most - expected))


def _pairs(count: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """Pairs among so many."""
    return 0.5 * count * (count - 1)
