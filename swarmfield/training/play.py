"""Trained policies at play: `evaluate`, `duel`."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import jax
from jaxtyping import PyTree

from swarmfield.algorithms import ALGORITHMS
from swarmfield.randomness import require_seeds
from swarmfield.rule_options import Execution
from swarmfield.training import run_folder
from swarmfield.training.config import (
    MOST_AT_ONCE,
    NAMED_OPPONENTS,
    Job,
    has_rival,
    require_at_most,
)
from swarmfield.training.evaluate import play_all, summarize
from swarmfield.training.matchup import Sides, policy_of, random_policy
from swarmfield.training.player import (
    Player,
    Which,
    load,
    load_opponent,
    require_able,
    require_rival_same_reading,
)
from swarmfield.training.player_names import OPPONENT, full_name
from swarmfield.training.playing import Match
from swarmfield.training.practice import OWN
from swarmfield.training.setup import build_algorithm, build_rival, opponent_kind
from swarmfield.types import Environment, SwarmfieldError, TeamSpec


def evaluate(
    path: str | Path,
    *,
    episodes: int = 100,
    opponent: str | None = None,
    env: Mapping[str, Any] | None = None,
    which: Which = "last",
    seed: int | None = None,
    evaluation_seed: int = 0,
    explore: float = 0.0,
    execution: Execution | None = None,
) -> dict[str, Any]:
    """Play greedy episodes with a run's policy, sides swapped in half of them.

    Args:
        path: The run's folder; with `:opponent` behind it, the algorithm that learned beside it.
        episodes: How many, at least 1.
        opponent: `self`, `random` or a run's folder; the one it was trained against if not
            given (in a self-play run: itself). An algorithm that learned beside it is also
            called by its name, and plays as it was at the end, whichever checkpoint of the
            learner is taken.
        env: Options of the environment to change: zero-shot.
        which: Its newest checkpoint, or the best in evaluation.
        seed: Which of several seeds; the first if not given.
        evaluation_seed: Decides the episodes.
        explore: How much the run's policy leaves to chance, in [0, 1]: 0 plays greedily. Learned
            distributions are drawn from where it is above 0; of values it is the probability of
            any action, or the temperature.
        execution: Of a policy that controls a crowd: all act by one rule it draws, or each minor
            agent by one of its own.

    Returns:
        For each player `return_mean`, `return_std`, `return_ci95`, `episodes` and the
        environment's measures; and `file`, where all this is written, in the run's folder
        `evaluations/`.
    """
    require_playable(episodes, evaluation_seed)
    player = load(path, which=which, seed=seed, env=env)
    player = player if execution is None else player.executed(execution)
    match, parameters = opposed(player, opponent)
    match = match._replace(explore=require_share("explore", explore))
    result = _play(match, episodes, player.parameters, parameters, evaluation_seed)
    trained_against = player.job.config.opponent
    against = opponent or trained_against or opponent_kind(player.job, player.environment)
    name = "opponent-" * player.is_opponent + _evaluation_name(
        match, against, env, which, seed, execution
    )
    report = {
        "run": player.name,
        "environment": player.environment.description,
        "against": against,
        "env": dict(env or {}),
        "which": which,
        "env_steps": player.env_steps,
        "seed": player.seed,
        "evaluation_seed": evaluation_seed,
        "explore": explore,
        "execution": execution,
        **result,
    }
    file = run_folder.open_existing(player.path).write_evaluation(name, report)
    return {**report, "file": str(file)}


def duel(
    path_a: str | Path,
    path_b: str | Path,
    *,
    episodes: int = 100,
    env: Mapping[str, Any] | None = None,
    which: Which = "last",
    evaluation_seed: int = 0,
) -> dict[str, Any]:
    """Let two runs' policies play against each other, sides swapped half the time.

    Returns:
        As `evaluate`; `learner` is the first run, `opponent` the second.

    Raises:
        SwarmfieldError: If they were trained in different environments, or the sides of
            theirs are not interchangeable.
    """
    require_playable(episodes, evaluation_seed)
    first = load(path_a, which=which, env=env)
    require_interchangeable(first.environment)
    match, parameters = _against_run(first, str(path_b), which)
    result = _play(match, episodes, first.parameters, parameters, evaluation_seed)
    return {"runs": [str(path_a), str(path_b)], **result}


def require_interchangeable(environment: Environment) -> None:
    """Refuse an environment where runs cannot meet.

    Raises:
        SwarmfieldError: Its sides are not interchangeable.
    """
    if not environment.interchangeable:
        raise SwarmfieldError(
            f"The sides of {environment.name!r} are not interchangeable, so players who swap them "
            "cannot meet in it; evaluate each run against the same opponent, or a run of the other "
            "side, by `swarmfield evaluate RUN --opponent OTHER`."
        )


def require_playable(episodes: int, seed: int) -> None:
    """Refuse numbers of episodes and seeds of evaluations that cannot be had.

    Raises:
        SwarmfieldError: They are no whole numbers, or out of range.
    """
    if not isinstance(episodes, Integral) or episodes < 1:
        raise SwarmfieldError(
            f"--episodes is {episodes!r}, but must be a whole number of at least 1."
        )
    require_at_most("episodes", int(episodes), MOST_AT_ONCE)
    require_seeds([seed])


def require_share(name: str, value: float) -> float:
    """An option that must be from 0 to 1.

    Raises:
        SwarmfieldError: It is not.
    """
    if not 0 <= value <= 1:
        raise SwarmfieldError(f"--{name} is {value!r}, but must be from 0 to 1.")
    return float(value)


def opposed(player: Player, kind: str | None = None) -> tuple[Match, PyTree]:
    """The match of a player against an opponent, and the opponent's parameters.

    Args:
        player: The learner's side.
        kind: `self`, `random`, a run's folder, or the algorithm that learned beside it; what it
            was trained against if None.
    """
    environment, sides = player.environment, player.sides
    if sides.away is None:
        if kind is not None:
            raise SwarmfieldError(
                f"--opponent is {kind!r}, but {environment.name!r} is cooperative and has none; "
                "leave the option out."
            )
        return Match(environment, sides, player.policy, None), None
    if player.team.name != sides.home.name:
        raise SwarmfieldError(
            f"{player.name} plays team {player.team.name!r}, but evaluations are of "
            f"team {sides.home.name!r}; give {player.path}, whose opponent it is."
        )
    if has_rival(player.job) and kind in (None, player.job.config.opponent):
        return _against_rival(player, sides.away)
    if kind is None and player.job.frozen is not None:
        return match_of(player, player.job.frozen), load_opponent(player)
    if kind is None:
        kind = opponent_kind(player.job, environment)
        # Of a pool of past selves it meets itself as it is now.
        kind = "self" if kind in OWN else kind
    if kind == "random":
        return Match(environment, sides, player.policy, random_policy(sides.away)), None
    _require_able(player, kind, sides)
    if kind == "self":
        return Match(environment, sides, player.policy, player.policy), player.parameters
    return _against_run(player, kind, "last")


def _require_able(player: Player, kind: str, sides: Sides) -> None:
    """Refuse an opponent that cannot play the other side, or an algorithm that nobody trained."""
    rival = f", {player.job.config.opponent}" if has_rival(player.job) else ""
    if kind == "self" and not player.environment.interchangeable:
        assert sides.away is not None
        raise SwarmfieldError(
            f"--opponent is {kind!r}, but the sides of {player.environment.name!r} are not "
            f"interchangeable, so that it cannot play team {sides.away.name!r}; choose "
            f"random{rival} or the folder of a run that can."
        )
    if kind in ALGORITHMS and not Path(kind).exists():
        raise SwarmfieldError(
            f"--opponent is {kind!r}, which did not learn beside run {player.name}; choose "
            f"{'self, ' * player.environment.interchangeable}random{rival} or a run's folder."
        )


def _against_rival(player: Player, team: TeamSpec) -> tuple[Match, PyTree]:
    """A player's match against the algorithm that learned beside it, as that was at the end."""
    require_rival_same_reading(player)
    algorithm = build_rival(player.job, player.environment, team)
    match = Match(player.environment, player.sides, player.policy, policy_of(algorithm))
    return match, load_opponent(player)


def _against_run(player: Player, path: str, which: Which) -> tuple[Match, PyTree]:
    """A player's match against another run's policy."""
    other = load(path, which=which)
    require_same_world(player, other)
    return match_of(player, other.job), other.parameters


def match_of(player: Player, other: Job) -> Match:
    """The match of a player against the policy of another job."""
    sides = player.sides
    assert sides.away is not None
    algorithm = build_algorithm(other, player.environment, sides.away)
    return Match(player.environment, sides, player.policy, policy_of(algorithm))


def require_same_world(player: Player, other: Player) -> None:
    """Refuse another run's player that cannot play where a player does.

    Raises:
        SwarmfieldError: They were trained in different environments or to see other things.
    """
    if other.job.environment != player.job.environment:
        raise SwarmfieldError(
            f"Run {other.name} was trained in {other.job.environment!r}, but {player.name} in "
            f"{player.job.environment!r}; choose runs in the same environment."
        )
    away = player.sides.away
    assert away is not None
    require_able(other, player.environment, away)


def _play(
    match: Match, episodes: int, learner: PyTree, opponent: PyTree, seed: int
) -> dict[str, Any]:
    return summarize(play_all(match, episodes, learner, opponent, jax.random.key(seed)))


def _evaluation_name(
    match: Match,
    against: str,
    env: Mapping[str, Any] | None,
    which: Which,
    seed: int | None,
    execution: Execution | None,
) -> str:
    """Such as `map_size=60-vs-random`; a run is named with the folder it is in."""
    parts = [f"{name}={value}" for name, value in sorted((env or {}).items())]
    if match.opponent is not None:
        is_run = against not in (*NAMED_OPPONENTS, *ALGORITHMS)
        whom = "-".join(Path(full_name(against)).parts[-2:]) if is_run else against
        parts.append(f"vs-{whom}".replace(OPPONENT, "-opponent"))
    parts += [execution] if execution else []
    parts += ["best"] * (which == "best") + [f"seed={seed}"] * (seed is not None)
    parts += [f"explore={match.explore:g}"] * (match.explore > 0)
    return "-".join(parts) or "default"
