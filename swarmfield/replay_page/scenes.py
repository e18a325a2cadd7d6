"""Whose bodies a picture shows: those of teams, and of nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer

from swarmfield.types import Scene, TeamSpec

OTHERS = "others"
"""Name of the bodies that are in no team."""


class Bodies(NamedTuple):
    """What bodies are called.

    Attributes:
        names: The names.
        name_of: Which of them each body has.
    """

    names: tuple[str, ...]
    name_of: Integer[np.ndarray, " M"]


def bodies_of(teams: Sequence[TeamSpec], scene: Scene) -> Bodies:
    """Called like their team, those behind all teams others; or as the scene says."""
    if scene.sort is not None:
        return Bodies(scene.names, np.asarray(scene.sort))
    names, sizes = [team.name for team in teams], [team.num_agents for team in teams]
    idle = scene.alive.shape[-1] - sum(sizes)
    if idle:
        names, sizes = [*names, OTHERS], [*sizes, idle]
    return Bodies(tuple(names), np.repeat(np.arange(len(sizes)), sizes))
