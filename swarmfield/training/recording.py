"""An episode of a run, recorded to be watched."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int16, PyTree, UInt8

from swarmfield.compiler import compiler_options
from swarmfield.randomness import require_seeds
from swarmfield.training import run_folder
from swarmfield.training.episode import episode, first_key, length_of
from swarmfield.training.matchup import groups_both, have_groups
from swarmfield.training.play import opposed
from swarmfield.training.player import Which, load
from swarmfield.training.playing import Match
from swarmfield.types import PRNGKey, SwarmfieldError

if TYPE_CHECKING:
    from swarmfield.replay_page import ColourBy

Format = Literal["html", "gif", "mp4"]

MOST_BODY_STEPS = 200_000_000
"""Bodies times steps that a recording may hold: about 2 GB while it is made."""


class _Instant(NamedTuple):
    """What changes from instant to instant, as small as it is drawn."""

    position: Array
    alive: Bool[Array, " M"]
    level: UInt8[Array, " M"]
    reward: Float[Array, " P"]


def write_replay(
    path: str | Path,
    form: Format = "html",
    *,
    colour_by: ColourBy | None = None,
    which: Which = "last",
    seed: int | None = None,
    evaluation_seed: int = 0,
) -> Path:
    """Play one greedy episode of a run and write it as a page, a GIF or an MP4.

    Args:
        path: The run's folder; the file goes there.
        form: `html` (a page with a player), `gif` or `mp4`.
        colour_by: Colour agents by `group` or by `team`; by group where there are groups if
            not given. A page can be switched.
        which: The newest checkpoint, or the best in evaluation.
        seed: Which of several seeds; the first if not given.
        evaluation_seed: Decides the episode.

    Returns:
        The file.

    Raises:
        SwarmfieldError: The run cannot be loaded, the episode is too long to record, or its
            players have no groups to colour by.
    """
    from swarmfield import replay_page

    require_seeds([evaluation_seed])
    folder = run_folder.open_existing(Path(path))
    player = load(path, which=which, seed=seed)
    match, opponent = opposed(player)
    if colour_by == "group" and not have_groups((match.learner, match.opponent)):
        raise SwarmfieldError(
            f"--colour-by is group, but nobody in run {path} acts in groups; choose team."
        )
    title = f"{player.job.algorithm} in {player.environment.description}"
    recording = record(match, player.parameters, opponent, jax.random.key(evaluation_seed), title)
    file = folder.replay_page.with_suffix(f".{form}")
    writers = {
        "html": replay_page.write_page,
        "gif": replay_page.write_gif,
        "mp4": replay_page.write_mp4,
    }
    writers[form](recording, file, colour_by)
    return file


def record(match: Match, learner: PyTree, opponent: PyTree, key: PRNGKey, title: str) -> Any:
    """Play one episode and keep every instant, as a `replay_page.Recording`."""
    from swarmfield.replay_page import TooLargeError
    from swarmfield.replay_page.scenes import recording_of

    environment = match.environment
    scene = jax.eval_shape(lambda key: environment.scene(environment.reset(key)[0]), key)
    num_bodies = scene.alive.shape[0]
    if num_bodies * environment.max_steps > MOST_BODY_STEPS:
        raise TooLargeError(
            f"{num_bodies} bodies over {environment.max_steps} steps are too many to record; "
            f"at most {MOST_BODY_STEPS} bodies times steps are allowed: evaluate a smaller "
            "--env.num-agents or fewer --env.max-steps."
        )
    look, acted = partial(_instant, match), partial(_group, match)
    play = jax.jit(
        episode(match, look, acted), compiler_options=compiler_options((learner, opponent))
    )
    instants, group, over = jax.device_get(play(learner, opponent, key))
    length = length_of(over)
    instants = jax.tree.map(lambda x: x[:length], instants)
    group = None if group is None else _groups_shown(group, length, num_bodies)
    return recording_of(
        environment,
        jax.jit(lambda key: environment.scene(environment.reset(key)[0]))(first_key(key)),
        title,
        position=instants.position,
        alive=instants.alive,
        level=instants.level.astype(np.float32) / 255,
        reward=instants.reward,
        group=group,
    )


def _groups_shown(acted: np.ndarray, length: int, num_bodies: int) -> np.ndarray:
    """Nobody acts at the last instant: everybody stays in the group of the last action."""
    from swarmfield.replay_page.scenes import widened

    return widened(acted[np.minimum(np.arange(length), length - 2)], num_bodies, -1)


def _group(match: Match, timesteps: Any, _actions: Any, records: Any) -> Int16[Array, " M"] | None:
    """Everybody's group, in the order of bodies."""
    groups = groups_both(match.sides, (match.learner, match.opponent), timesteps, records)
    if groups is None:
        return None
    return jnp.concatenate([groups[team.name][0] for team in match.environment.teams])


def _instant(match: Match, state: Any, timesteps: Any) -> _Instant:
    scene = match.environment.scene(jax.tree.map(lambda x: x[0], state))
    rewards = [jnp.sum(timesteps[team.name].reward) for team in match.environment.teams]
    level = jnp.round(jnp.clip(scene.level, 0, 1) * 255).astype(jnp.uint8)
    position = scene.position
    if jnp.issubdtype(position.dtype, jnp.integer):
        position = position.astype(jnp.uint16)
    return _Instant(position, scene.alive, level, jnp.stack(rewards))
