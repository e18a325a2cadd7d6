"""An opponent that is another run, frozen as it is when training starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from swarmfield.algorithms import ALGORITHMS
from swarmfield.options import suggest
from swarmfield.training.config import NAMED_OPPONENTS, Job, has_rival
from swarmfield.training.matchup import sides_of
from swarmfield.training.player import Player, load, require_able
from swarmfield.training.player_names import named
from swarmfield.training.seat import policy_shapes
from swarmfield.training.setup import build_environment, opponent_kind
from swarmfield.types import SwarmfieldError


def with_frozen_opponent(job: Job) -> tuple[Job, Any]:
    """The job with its frozen opponent's own job, and that opponent's parameters."""
    asked = job.config.opponent
    if asked is None or asked in NAMED_OPPONENTS or has_rival(job):
        return job, None
    environment = build_environment(job)
    opponent_kind(job, environment)  # refuses one where there is no other side
    _require_known(asked)
    player = load(asked)
    if player.job.environment != job.environment:
        raise SwarmfieldError(
            f"--opponent {asked} was trained in {player.job.environment!r}, but this run is in "
            f"{job.environment!r}; choose a run in the same environment."
        )
    away = sides_of(environment, job.config.team).away
    assert away is not None
    require_able(player, environment, away)
    return replace(job, frozen=_as_learner(player)), player.parameters


def _as_learner(player: Player) -> Job:
    """The job of a player as if it had been the run's learner."""
    if player.environment.interchangeable:
        return player.job
    return replace(player.job, config=replace(player.job.config, team=player.team.name))


def _require_known(opponent: str) -> None:
    """Refuse a word that is neither a name nor a folder, saying what it may be."""
    folder, _ = named(opponent)
    if len(folder.parts) == 1 and not folder.exists():
        nearest = suggest(opponent, [*NAMED_OPPONENTS, *ALGORITHMS])
        raise SwarmfieldError(
            f"--opponent is {opponent!r}, but there is no such run folder; {nearest}."
        )


def frozen_shapes(job: Job) -> Any:
    """A frozen opponent's parameters as shapes, to restore them into."""
    if job.frozen is None:
        return None
    return policy_shapes(job.frozen)
