"""Who takes part in a league."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import numpy as np
from jaxtyping import PyTree

from swarmfield.training.play import (
    match_of,
    opposed,
    require_interchangeable,
    require_same_world,
)
from swarmfield.training.player import Player, Which, load_seeds
from swarmfield.training.player_names import full_name, labels_of
from swarmfield.training.playing import Match
from swarmfield.training.setup import environment_options
from swarmfield.types import Environment, SwarmfieldError

RANDOM = "random"
"""In place of a run: a player that acts at random."""

Seeds = Literal["first", "all"]


@dataclass(frozen=True)
class Entrant:
    """One player of a league.

    Attributes:
        name: What tables call it.
        player: Its policy, in the world where the league is played; None acts at random.
    """

    name: str
    player: Player | None

    @property
    def kind(self) -> tuple[Any, ...]:
        """What decides the program it acts by; players of a kind differ in parameters only."""
        if self.player is None:
            return (RANDOM,)
        return self.player.job.algorithm, self.player.job.config.algo

    @property
    def parameters(self) -> PyTree:
        """What it acts with."""
        return None if self.player is None else self.player.parameters

    def describe(self) -> dict[str, Any]:
        """Who it is, down to its parameters."""
        if self.player is None:
            return {"name": self.name, "algorithm": RANDOM}
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(self.player.parameters)]
        digest = hashlib.sha256(b"".join(leaf.tobytes() for leaf in leaves))
        return {
            "name": self.name,
            "algorithm": self.player.job.algorithm,
            "run": self.player.name,
            "seed": self.player.seed,
            "env_steps": self.player.env_steps,
            "parameters_sha256": digest.hexdigest(),
        }


def folders_of(runs: Sequence[str]) -> list[str]:
    """Those that are runs' folders.

    Raises:
        SwarmfieldError: None is, or one is named twice.
    """
    seen: dict[str, str] = {}
    for run in runs:
        place = RANDOM if run == RANDOM else full_name(run)
        if place in seen:
            twice = run if seen[place] == run else f"{run}, the same as {seen[place]},"
            raise SwarmfieldError(f"{twice} is named twice; name every player of a league once.")
        seen[place] = run
    folders = [run for run in runs if run != RANDOM]
    if not folders:
        raise SwarmfieldError("A league needs a run's folder, such as runs/first-battle.")
    return folders


def enter(
    runs: Sequence[str], which: Which, seeds: Seeds, env: Mapping[str, Any] | None
) -> tuple[list[Entrant], dict[str, Any]]:
    """Load everyone into the first run's world.

    Args:
        runs: Folders, or the word `random`.
        which: Their newest checkpoints, or the best in evaluation.
        seeds: Of a run with several seeds only the first, or every one as a player of its own.
        env: Options of the environment to change.

    Returns:
        Players in an order of their own, whichever they were named in: those that share a
        program stand together, and the random one is last. And the world's options.

    Raises:
        SwarmfieldError: They cannot play each other, or there are fewer than two.
    """
    folders = folders_of(runs)
    if seeds not in get_args(Seeds):
        raise SwarmfieldError(f"seeds is {seeds!r}, but must be one of: first, all.")
    labels = dict(zip(runs, labels_of(runs), strict=True))
    found = list(_named(labels[folders[0]], folders[0], which, seeds, env))
    first = found[0][1]
    require_interchangeable(first.environment)
    require_winners(first.environment)
    for folder in folders[1:]:
        for name, player in _named(labels[folder], folder, which, seeds, None):
            require_same_world(first, player)
            moved = dataclasses.replace(player, environment=first.environment, team=first.team)
            found.append((name, moved))
    entrants = [Entrant(name, player) for name, player in found]
    entrants += [Entrant(RANDOM, None)] * (RANDOM in runs)
    if len(entrants) < 2:
        raise SwarmfieldError(
            f"A league needs two players or more, but {folders[0]} is alone; name more runs, or "
            "the word random."
        )
    entrants.sort(key=lambda each: (each.player is None, *map(str, each.kind), each.name))
    return entrants, dataclasses.asdict(environment_options(first.job, env))


def _named(
    label: str, path: str, which: Which, seeds: Seeds, env: Mapping[str, Any] | None
) -> Iterator[tuple[str, Player]]:
    """A run's players with their names."""
    players = load_seeds(path, which=which, env=env)
    if seeds == "first":
        yield label, next(players)
        return
    for player in players:
        is_alone = len(player.job.config.seed_list) == 1
        yield label if is_alone else f"{label} seed {player.seed}", player


def require_winners(environment: Environment) -> None:
    """Refuse an environment in which nobody wins.

    Raises:
        SwarmfieldError: It has no measure `win_rate`.
    """
    _, timesteps = jax.eval_shape(environment.reset, jax.random.key(0))
    measures = next(iter(timesteps.values())).measures
    if "win_rate" not in measures:
        raise SwarmfieldError(
            f"{environment.name!r} does not tell who wins: a league needs the measure win_rate, "
            f"and it has {', '.join(measures) or 'none'}."
        )


def pair_of(first: Entrant, second: Entrant) -> Match:
    """The match of two players, of whom the first is no random one."""
    assert first.player is not None
    if second.player is None:
        return opposed(first.player, RANDOM)[0]
    return match_of(first.player, second.player.job)
