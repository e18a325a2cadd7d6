"""What scripted players come to in an environment: `scripted`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax

from swarmfield.environments import make
from swarmfield.environments.references import scripted_players
from swarmfield.environments.scripted import play_scripted
from swarmfield.training.evaluate import summarize
from swarmfield.training.play import require_playable
from swarmfield.training.playing import Episodes


def scripted(
    environment: str,
    *,
    episodes: int = 100,
    env: Mapping[str, Any] | None = None,
    evaluation_seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Let an environment's scripted players play, to compare learned ones with.

    Args:
        environment: Its name.
        episodes: How many each of them plays, at least 1; all play the same ones.
        env: Options of the environment to change.
        evaluation_seed: Decides the episodes.

    Returns:
        For each player `return_mean` (of all its agents together), `return_std`, `return_ci95`,
        `episodes` and the environment's measures, as `evaluate` of a run.

    Raises:
        SwarmfieldError: The environment has no scripted players, or none for its actions.
    """
    require_playable(episodes, evaluation_seed)
    world = make(environment, **(env or {}))
    key = jax.random.key(evaluation_seed)
    earned: dict[str, dict[str, Any]] = {}
    for name, choose in scripted_players(world).items():
        played = play_scripted(world, choose, episodes, key)
        by_player = Episodes({name: played.returns}, {name: played.measures}, played.length)
        earned |= summarize(by_player)
    return earned
