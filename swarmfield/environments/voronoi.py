"""Where to flee: the evader that heeds its Voronoi cell, without building a diagram."""

from __future__ import annotations

import itertools
from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from swarmfield.precision import matmul

Topology = Literal["torus", "closed"]


class Edge(NamedTuple):
    """The edge that a cell shares with that of the nearest of the others.

    Its points are xi / 2 + s eta, relative to the cell's own site.

    Attributes:
        xi: From the site to the nearest other.
        eta: Unit vector along the edge.
        low: Where the edge ends; s <= 0.
        high: The other end; s >= 0.
    """

    xi: Float[Array, " 2"]
    eta: Float[Array, " 2"]
    low: Float[Array, ""]
    high: Float[Array, ""]


def flee(
    site: Float[Array, " 2"], others: Float[Array, "N 2"], side: float, topology: Topology
) -> Float[Array, " 2"]:
    """The direction, of length 1, in which the nearest of the others would shrink the cell fastest.

    With L = high - low the length of the edge to the nearest one,

        d = -L / 2 * xi / |xi| + (high^2 - low^2) / (2 |xi|) eta,

    which is minus the derivative of the cell's area by the place of the nearest copy of the nearest
    one, all others held. It costs O(N).

    Args:
        site: Who flees.
        others: From whom.
        side: Of the square in which all are.
        topology: Whether the square's edges are walls, or joined.

    Returns:
        The direction; nothing if another is in the same place.

    Source: Zhou et al. 2016, as the evader of Huettenrauch et al. 2019. Departures: all others
    count (there the ten nearest), and on the torus all their copies and the site's own (there one
    mirrored box).
    """
    edge = edge_to_nearest(site, others, side, topology)
    apart = jnp.sqrt(jnp.sum(edge.xi**2))
    away = edge.xi / apart
    direction = (
        -(edge.high - edge.low) / 2 * away + (edge.high**2 - edge.low**2) / (2 * apart) * edge.eta
    )
    # Who stands in the same place has no direction to flee in.
    return jnp.where(apart > 0, direction / jnp.sqrt(jnp.sum(direction**2)), 0.0)


def edge_to_nearest(
    site: Float[Array, " 2"], others: Float[Array, "N 2"], side: float, topology: Topology
) -> Edge:
    """The edge between a site's cell and that of the nearest other.

    The cell consists of the x with x q <= |q|^2 / 2 for each other site q, all relative to the
    site. Each cuts the line of the edge at one point, where s eta (q - xi) = q (q - xi) / 2; what
    is halfway to the nearest is always in.
    """
    sites = others - site[None]
    if topology == "torus":
        sites = jnp.concatenate([_images(sites, side), _own_images(side)])
    square = jnp.sum(sites**2, axis=1)
    nearest = jnp.argmin(square)
    xi, apart = sites[nearest], jnp.sqrt(square[nearest])
    eta = jnp.stack([-xi[1], xi[0]]) / apart
    # Zero for the nearest itself, and for others in the same place: they cut nothing off.
    beyond = sites - xi[None]
    cuts = [(matmul(beyond, eta), jnp.sum(sites * beyond, axis=1) / 2)]
    if topology == "closed":
        cuts.append(_walls(site, xi / 2, eta, side))
    slope, room = (jnp.concatenate(parts) for parts in zip(*cuts, strict=True))
    at = room / jnp.where(slope == 0, 1.0, slope)
    high = jnp.min(jnp.where(slope > 0, at, jnp.inf))
    low = jnp.max(jnp.where(slope < 0, at, -jnp.inf))
    return Edge(xi, eta, low, high)


def _walls(
    site: Float[Array, " 2"], middle: Float[Array, " 2"], eta: Float[Array, " 2"], side: float
) -> tuple[Float[Array, " 4"], Float[Array, " 4"]]:
    """What of the line is on the inner side of each wall, as slope s <= room."""
    place = site + middle
    slope = jnp.concatenate([eta, -eta])
    return slope, jnp.concatenate([side - place, place])


def _images(sites: Float[Array, "N 2"], side: float) -> Float[Array, "M 2"]:
    """The sites and their eight copies around the torus, from the nearest copy on."""
    near = sites - side * jnp.round(sites / side)
    shifts = side * np.array(list(itertools.product((-1, 0, 1), repeat=2)), np.float32)
    return (near[:, None] + shifts[None]).reshape(-1, 2)


def _own_images(side: float) -> Float[Array, "8 2"]:
    """The copies of the site itself, which bound its cell as well."""
    shifts = [shift for shift in itertools.product((-1, 0, 1), repeat=2) if shift != (0, 0)]
    return side * jnp.array(shifts, jnp.float32)
