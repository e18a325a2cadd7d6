"""A picture of one instant."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jaxtyping import UInt8

from swarmfield.replay_page.bodies import bodies_of
from swarmfield.replay_page.frames import film_frames, film_palette
from swarmfield.replay_page.recording import Recording
from swarmfield.types import Environment


def picture(environment: Environment, state: Any) -> UInt8[np.ndarray, "Y X 3"]:
    """One instant of an environment, as red, green and blue."""
    scene = jax.tree.map(np.asarray, environment.scene(state))
    names, name_of = bodies_of(environment.teams, scene)
    recording = Recording(
        title=environment.description,
        extent=environment.extent,
        team_names=names,
        team_of=name_of,
        size=scene.size,
        position=scene.position[None],
        alive=scene.alive[None],
        level=np.clip(scene.level, 0, 1)[None],
        reward=np.zeros((1, len(names)), np.float32),
        walls=scene.walls,
        continuous=scene.walls is None,
    )
    (frame,) = film_frames(recording, "team")
    return film_palette()[frame]
