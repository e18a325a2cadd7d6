"""What a run's policies saw, did and earned, as arrays for anybody's learning or analysis."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from swarmfield.compiler import compiler_options
from swarmfield.training.episode import episode, length_of
from swarmfield.training.export_file import export_file, named_after, write_whole
from swarmfield.training.play import opposed, require_playable, require_share
from swarmfield.training.player import Which, load
from swarmfield.types import Environment, SwarmfieldError

MOST_BYTES = 4_000_000_000
"""Of arrays, before they are compressed."""


def write_trajectories(
    path: str | Path,
    *,
    episodes: int = 10,
    which: Which = "last",
    seed: int | None = None,
    evaluation_seed: int = 0,
    explore: float = 0.0,
    observations: bool = True,
    output: str | Path | None = None,
) -> Path:
    """Play episodes of a run against what it was trained against, and write all of them.

    The file is NumPy's (.npz). A row of its arrays is an instant, episode after episode: `episode`
    and `time` number it, `last` says that nothing was done there any more. Of each team, under its
    name, such as `red/reward`:

    ================  ==========================================================
    `features`        what agents saw, `[R, N, F]`; `view` `[R, N, H, W, C]`
    `action`          what they did there: numbers, or real vectors; 0 of the dead
    `reward`          what that earned, `[R, N]`
    `terminated`      whether it ended their lives, `[R, N]`
    `truncated`       whether the time was up after it, `[R]`
    `alive`           who acted, `[R, N]`
    `kind`            agent types, `[R, N]`
    `position`        where they were, `[R, N, D]`
    `legal`           what was allowed, `[R, N, A]`, where not all is
    ================  ==========================================================

    `about` says in JSON whose policy it was and how it played.

    Args:
        path: The run's folder.
        episodes: How many.
        which: The newest checkpoint, or the best in evaluation.
        seed: Which of several seeds; the first if not given.
        evaluation_seed: Decides the episodes.
        explore: How much the run's policy leaves to chance, in [0, 1].
        observations: Whether to keep what was seen, which is most of it.
        output: The file, which must not exist; if not given `trajectories.npz` in the run's
            folder, whose name says so if it is of the opponent, the best one or another seed.

    Returns:
        The file.

    Raises:
        SwarmfieldError: The run cannot be loaded, or its episodes are too large, or the file
            exists or cannot be written.
    """
    require_playable(episodes, evaluation_seed)
    player = load(path, which=which, seed=seed)
    file = export_file(output, named_after(player, which, "trajectories", ".npz"))
    match, opponent = opposed(player)
    match = match._replace(explore=require_share("explore", explore))
    look = partial(_instant, match.environment, observations)
    play = episode(match, look, _acted)
    _require_room(play, player.parameters, opponent, episodes)
    parameters = (player.parameters, opponent)
    play = jax.jit(play, compiler_options=compiler_options(parameters))
    rows = []
    for number in range(episodes):
        key = jax.random.fold_in(jax.random.key(evaluation_seed), number)
        rows.append(_rows(number, *jax.device_get(play(*parameters, key))))
    arrays = {name: np.concatenate([each[name] for each in rows]) for name in rows[0]}
    about = {
        "run": player.name,
        "which": which,
        "seed": player.seed,
        "env_steps": player.env_steps,
        "evaluation_seed": evaluation_seed,
        "explore": explore,
    }
    arrays["about"] = np.array(json.dumps(about))
    write_whole(file, lambda stream: np.savez_compressed(stream, **arrays))  # pyright: ignore[reportArgumentType]
    return file


def _instant(
    environment: Environment, observations: bool, state: Any, timesteps: Any
) -> dict[str, Array]:
    """What is known at an instant, by its name in the file."""
    found = {}
    for team in environment.teams:
        step = jax.tree.map(lambda x: x[0], timesteps[team.name])
        own = {name: getattr(step, name) for name in ("alive", "kind", "position", "legal")}
        own |= {f"after/{name}": getattr(step, name) for name in _AFTER}
        if observations:
            seen = environment.observe(jax.tree.map(lambda x: x[0], state), team.name)
            own |= seen._asdict()
        found |= {f"{team.name}/{name}": x for name, x in own.items() if x is not None}
    return found


_AFTER = ("reward", "terminated", "truncated")
"""What an instant says of the act that led to it."""


def _acted(timesteps: Any, actions: dict[str, Array], _records: Any) -> dict[str, Array]:
    def of_living(team: str) -> Array:
        alive, done = timesteps[team].alive[0], actions[team][0]
        return jnp.where(alive.reshape(-1, *[1] * (done.ndim - 1)), done, 0)

    return {f"{team}/action": of_living(team) for team in actions}


def _rows(
    number: int, instants: dict[str, np.ndarray], acts: dict[str, np.ndarray], over: np.ndarray
) -> dict[str, np.ndarray]:
    """An episode's rows: what led to the next instant stands beside what was done."""
    length = length_of(over)
    rows = {
        "episode": np.full(length, number, np.int32),
        "time": np.arange(length, dtype=np.int32),
        "last": np.arange(length) == length - 1,
    }
    for name, values in instants.items():
        team, _, field = name.partition("/")
        if field.startswith("after/"):
            rows[f"{team}/{field.removeprefix('after/')}"] = _shifted(values[1:length])
        else:
            rows[name] = values[:length]
    return rows | {name: _shifted(values[: length - 1]) for name, values in acts.items()}


def _shifted(values: np.ndarray) -> np.ndarray:
    """With a row of zeros at the end, where nothing is done."""
    return np.concatenate([values, np.zeros_like(values[:1])])


def _require_room(play: Any, learner: Any, opponent: Any, episodes: int) -> None:
    shapes = jax.eval_shape(play, learner, opponent, jax.random.key(0))
    needed = episodes * sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(shapes))
    if needed > MOST_BYTES:
        raise SwarmfieldError(
            f"{episodes} episodes would be up to {needed / 1e9:.1f} GB, but at most "
            f"{MOST_BYTES / 1e9:.0f} GB are written; ask for fewer --episodes, or for "
            "--no-observations."
        )
