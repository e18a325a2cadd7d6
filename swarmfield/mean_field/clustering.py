"""k-means on the device: masked, warm-started, of fixed cost."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from swarmfield.types import PRNGKey


class Clusters(NamedTuple):
    """Points in groups.

    Attributes:
        label: Group of each point; of the dead, whichever is nearest.
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

    def move(_: Int[Array, ""], centre: Float[Array, "K D"]) -> Float[Array, "K D"]:
        mean, size = group_means(points, nearest_centre(points, centre), alive, centre.shape[0])
        return jnp.where((size > 0)[:, None], mean, centre)

    centre = jax.lax.fori_loop(0, iterations, move, centre)
    return _few_apart(points, alive, Clusters(nearest_centre(points, centre), centre))


def best_of(
    points: Float[Array, "N D"],
    alive: Bool[Array, " N"],
    starts: Float[Array, "R K D"],
    allowed: Bool[Array, " R"],
    iterations: int,
) -> Clusters:
    """`k_means` from several first centres, of which the groups that lie closest are kept.

    Args:
        points: What to group.
        alive: Points that count.
        starts: First centres.
        allowed: Which of them may be kept, at least one.
        iterations: How often centres move.
    """

    def attempt(centre: Float[Array, "K D"]) -> tuple[Clusters, Float[Array, ""]]:
        found = k_means(points, alive, centre, iterations)
        apart = jnp.sum((points - found.centre[found.label]) ** 2, axis=1)
        return found, jnp.sum(jnp.where(alive, apart, 0.0))

    found, inertia = jax.vmap(attempt)(starts)
    chosen = jnp.argmin(jnp.where(allowed, inertia, jnp.inf))
    return jax.tree.map(lambda x: x[chosen], found)


def spread_out(
    points: Float[Array, "N D"],
    alive: Bool[Array, " N"],
    num_starts: int,
    num_groups: int,
    key: PRNGKey,
) -> Float[Array, "R K D"]:
    """Centres to start from: living points, far ones more likely to be drawn (k-means++).

    Args:
        points: What to group.
        alive: Points that count.
        num_starts: How many times to draw, R.
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
    # Drawn flat: batched draws of more axes take XLA four times as long to compile.
    noise = jax.random.gumbel(key, (alive.size * num_starts * num_groups,))
    noise = noise.reshape(alive.size, num_starts, num_groups)
    return jax.vmap(lambda some: jax.lax.scan(choose, far, some.T)[1], 1)(noise)


def in_order(found: Clusters) -> Clusters:
    """The same groups, numbered as their centres lie along a fixed direction.

    Groups found at the start of different episodes get the same numbers where they are alike.
    """
    # No direction that groups have a reason to lie across.
    direction = jnp.cos(jnp.arange(1.0, found.centre.shape[1] + 1.0))
    order = jnp.argsort(found.centre @ direction)
    return _numbered(found, jnp.argsort(order).astype(jnp.int32))


def renumber(found: Clusters, before: Int[Array, " N"], alive: Bool[Array, " N"]) -> Clusters:
    """The same groups, each with the number of the old group it shares most of the living with.

    Pairs are matched one after the other, those that share most first, the rest in order.
    """
    num_groups = found.centre.shape[0]
    shared = jnp.zeros((num_groups, num_groups), jnp.int32)
    shared = shared.at[found.label, before].add(alive.astype(jnp.int32))

    def match(
        left: Int[Array, "K K"], _: None
    ) -> tuple[Int[Array, "K K"], tuple[Int[Array, ""], Int[Array, ""]]]:
        new, old = jnp.divmod(jnp.argmax(left), num_groups)
        # Nobody shared still is a match; a group that has one is out of the question.
        return left.at[new].set(-1).at[:, old].set(-1), (new, old)

    _, (new, old) = jax.lax.scan(match, shared, None, length=num_groups)
    number = jnp.zeros(num_groups, jnp.int32).at[new].set(old.astype(jnp.int32))
    return _numbered(found, number)


def _numbered(found: Clusters, number: Int[Array, " K"]) -> Clusters:
    """The same groups with these numbers."""
    return Clusters(number[found.label], jnp.zeros_like(found.centre).at[number].set(found.centre))


def nearest_centre(points: Float[Array, "N D"], centre: Float[Array, "K D"]) -> Int[Array, " N"]:
    """The nearest centre's index, the lower one of two equally near."""
    # |p - c|^2 without |p|^2, which is the same for every c.
    squared = jnp.sum(centre**2, axis=1)[None] - 2 * points @ centre.T
    return jnp.argmin(squared, axis=1).astype(jnp.int32)


def group_means(
    points: Float[Array, "N D"],
    label: Int[Array, " N"],
    alive: Bool[Array, " N"],
    num_groups: int,
) -> tuple[Float[Array, "K D"], Float[Array, " K"]]:
    """The mean of each group's living points (zeros where there are none), and their number."""
    member = jax.nn.one_hot(label, num_groups) * alive[:, None].astype(jnp.float32)
    size = jnp.sum(member, axis=0)
    living = jnp.where(alive[:, None], points, 0.0)  # not by a product: the dead may hold NaN
    return member.T @ living / jnp.maximum(size, 1.0)[:, None], size


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
    table = jnp.zeros((num_groups, num_kinds), jnp.int32)
    table = table.at[label, kind].add(alive.astype(jnp.int32)).astype(jnp.float32)
    total = jnp.maximum(_pairs(jnp.sum(table)), 1.0)
    together = jnp.sum(_pairs(table))
    in_groups, in_kinds = (jnp.sum(_pairs(jnp.sum(table, axis))) for axis in (1, 0))
    expected, most = in_groups * in_kinds / total, 0.5 * (in_groups + in_kinds)
    trivial = most - expected <= 1e-6 * most
    return jnp.where(trivial, 1.0, (together - expected) / jnp.where(trivial, 1.0, most - expected))


def _pairs(count: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """Pairs among so many."""
    return 0.5 * count * (count - 1)


def _few_apart(points: Float[Array, "N D"], alive: Bool[Array, " N"], found: Clusters) -> Clusters:
    """Everyone apart where there are no more living points than groups."""
    num_groups = found.centre.shape[0]
    rank = jnp.clip(jnp.cumsum(alive.astype(jnp.int32)) - 1, 0, num_groups - 1)
    mean, size = group_means(points, rank, alive, num_groups)
    apart = Clusters(rank, jnp.where((size > 0)[:, None], mean, found.centre))
    few = jnp.sum(alive) <= num_groups
    return jax.tree.map(lambda x, y: jnp.where(few, x, y), apart, found)
