"""A picture of one instant."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jaxtyping import UInt8

from swarmfield.replay_page.frames import film_frames, film_palette
from swarmfield.replay_page.scenes import recording_of
from swarmfield.types import Environment


def picture(environment: Environment, state: Any) -> UInt8[np.ndarray, "Y X 3"]:
    """One instant of an environment, as red, green and blue."""
    scene = jax.tree.map(np.asarray, environment.scene(state))
    recording = recording_of(
        environment,
        scene,
        environment.description,
        position=scene.position[None],
        alive=scene.alive[None],
        level=np.clip(scene.level, 0, 1)[None],
        reward=np.zeros((1, len(environment.teams)), np.float32),
    )
    (frame,) = film_frames(recording, "team")
    return film_palette()[frame]
