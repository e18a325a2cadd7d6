"""k-means on the device: masked, warm-started, of fixed cost."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


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


def farthest_first(
    points: Float[Array, "N D"], alive: Bool[Array, " N"], num_groups: int
) -> Float[Array, "K D"]:
    """Centres to start from: living points, each as far as possible from those before it.

    The first is the point farthest from the mean, so that nothing is drawn and the order of
    points does not matter.

    Source: Gonzalez 1985.
    """
    mean, _ = group_means(points, jnp.zeros(alive.shape, jnp.int32), alive, 1)

    def choose(
        distance: Float[Array, " N"], index: Int[Array, ""]
    ) -> tuple[Float[Array, " N"], Float[Array, " D"]]:
        chosen = points[jnp.argmax(jnp.where(alive, distance, -1.0))]
        apart = jnp.sum((points - chosen[None]) ** 2, axis=1)
        return jnp.where(index == 0, apart, jnp.minimum(distance, apart)), chosen

    first = jnp.sum((points - mean) ** 2, axis=1)
    return jax.lax.scan(choose, first, jnp.arange(num_groups))[1]


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


def _few_apart(points: Float[Array, "N D"], alive: Bool[Array, " N"], found: Clusters) -> Clusters:
    """Everyone apart where there are no more living points than groups."""
    num_groups = found.centre.shape[0]
    rank = jnp.clip(jnp.cumsum(alive.astype(jnp.int32)) - 1, 0, num_groups - 1)
    mean, size = group_means(points, rank, alive, num_groups)
    apart = Clusters(rank, jnp.where((size > 0)[:, None], mean, found.centre))
    few = jnp.sum(alive) <= num_groups
    return jax.tree.map(lambda x, y: jnp.where(few, x, y), apart, found)
