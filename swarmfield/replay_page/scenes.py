"""Recordings of environments: what a scene says of bodies holds at every instant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Integer, Num

from swarmfield.replay_page.recording import Recording
from swarmfield.types import Environment, Scene, TeamSpec

OTHERS = "others"
"""Name of the bodies that are in no team."""


def recording_of(
    environment: Environment,
    scene: Scene,
    title: str,
    *,
    position: Num[np.ndarray, "T M 2"],
    alive: Bool[np.ndarray, "T M"],
    level: Float[np.ndarray, "T M"],
    reward: Float[np.ndarray, "T P"],
    group: Integer[np.ndarray, "T M"] | None = None,
) -> Recording:
    """Some instants of an environment; see `Recording`.

    Args:
        environment: Whose.
        scene: At any of them.
        title: What was recorded, for people.
        position: Of each body.
        alive: Bodies to draw.
        level: Their brightness.
        reward: Of each team; who is in none is not paid.
        group: Of each body, if there are groups.
    """
    names, name_of = _named(environment.teams, scene)
    return Recording(
        title=title,
        extent=environment.extent,
        team_names=names,
        team_of=name_of,
        size=np.asarray(scene.size),
        position=position,
        alive=alive,
        level=level,
        reward=widened(reward, len(names), 0),
        walls=None if scene.walls is None else np.asarray(scene.walls),
        group=group,
        continuous=scene.walls is None,
    )


def widened(values: np.ndarray, width: int, filler: int) -> np.ndarray:
    """With columns for the bodies that are in no team."""
    return np.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=filler)


def _named(
    teams: Sequence[TeamSpec], scene: Scene
) -> tuple[tuple[str, ...], Integer[np.ndarray, " M"]]:
    """What bodies are called: like their team, those behind all others; or as the scene says."""
    if scene.sort is not None:
        return scene.names, np.asarray(scene.sort)
    names, sizes = [team.name for team in teams], [team.num_agents for team in teams]
    idle = scene.alive.shape[-1] - sum(sizes)
    if idle:
        names, sizes = [*names, OTHERS], [*sizes, idle]
    return tuple(names), np.repeat(np.arange(len(sizes)), sizes)
