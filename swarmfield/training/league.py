"""Leagues: every player against every other, and ratings of all."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from swarmfield import elo
from swarmfield.compiler import compiler_options
from swarmfield.console import teller
from swarmfield.tables import markdown
from swarmfield.training.entrants import Entrant, Seeds, enter, pair_of
from swarmfield.training.evaluate import evaluator, play_one
from swarmfield.training.json_files import read_object, to_json, write_json
from swarmfield.training.play import require_playable
from swarmfield.training.player import Which
from swarmfield.training.provenance import software_and_device
from swarmfield.training.run_folder import unused
from swarmfield.training.standings import (
    Meeting,
    cross_table,
    meeting_of,
    rating_table,
    standings,
)
from swarmfield.types import SwarmfieldError

JSON_FILE, MARKDOWN_FILE, PICTURE_FILE = "league.json", "league.md", "league.png"

_DECISIVE = {
    "environment": "environment",
    "env": "options of the environment",
    "options": "options",
    "players": "players",
}
"""What leagues must agree in to be the same, and what it is called."""


def league(
    *runs: str | Path,
    episodes: int = 100,
    env: Mapping[str, Any] | None = None,
    which: Which = "last",
    seeds: Seeds = "first",
    evaluation_seed: int = 0,
    output: str | Path | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Let every run's policy play every other's, sides swapped half the time, and rate them.

    Every pair's result is kept as soon as it is there: called again with the same players,
    options and `output`, a league goes on where it was stopped.

    Args:
        *runs: Their folders, of one environment; the word `random` is a random player. All play
            in the first run's world.
        episodes: Greedy ones of every pair, at least 1.
        env: Options of the environment to change: zero-shot.
        which: The runs' newest checkpoints, or the best in evaluation.
        seeds: Of a run with several seeds only the first takes part, or all of them, each as a
            player of its own.
        evaluation_seed: Decides the episodes. Each pair's are its own.
        output: Folder to write `league.json`, `league.md` and `league.png` to; `league`, or the
            next such name that is free, if not given.
        quiet: Show nothing while it plays.

    Returns:
        What `league.json` holds: `players`, `pairs`, `elo` with 95 % intervals (best first), and
        the `matrix` of win rates and differences of returns; and `folder`, where it is.

    Raises:
        SwarmfieldError: The runs cannot play each other, there are fewer than two players, or
            `output` holds another league.
        KeyboardInterrupt: It was stopped; what was played is kept.

    Example:
        >>> report = league("runs/mfq", "runs/iql", "random")  # doctest: +SKIP
        >>> [(line["player"], line["elo"]) for line in report["elo"]]  # doctest: +SKIP
    """
    require_playable(episodes, evaluation_seed)
    entrants, world = enter([str(run) for run in runs], which, seeds, env)
    first = entrants[0].player
    assert first is not None
    described = to_json(
        {
            "environment": first.environment.name,
            "description": first.environment.description,
            "env": world,
            "options": {
                "episodes": int(episodes),
                "which": which,
                "seeds": seeds,
                "evaluation_seed": int(evaluation_seed),
            },
            "players": [entrant.describe() for entrant in entrants],
            **software_and_device(),
        }
    )
    folder = Path(output) if output is not None else unused(Path("league"))
    meetings = _kept(folder / JSON_FILE, described)
    _play_all(folder, described, entrants, meetings, teller(quiet))
    report = to_json({**described, **standings([each.name for each in entrants], meetings)})
    return {**_write(folder, report, meetings), "folder": str(folder)}


def _kept(file: Path, described: Mapping[str, Any]) -> list[Meeting]:
    """Pairs of the same league that were played before.

    Raises:
        SwarmfieldError: The file is another league's, or damaged.
    """
    if not file.exists():
        return []
    advice = "choose another --output"
    found = read_object(file, advice)
    for name, what in _DECISIVE.items():
        if _without_path(found.get(name)) != _without_path(described[name]):
            raise SwarmfieldError(f"{file} is of a league with other {what}; {advice}.")
    try:
        return [Meeting(**pair) for pair in found["pairs"]]
    except (KeyError, TypeError):
        raise SwarmfieldError(
            f"{file} is damaged: its pairs are not a league's; {advice}."
        ) from None


def _without_path(described: Any) -> Any:
    """A description without where runs lie: they may be named in several ways, and moved."""
    if isinstance(described, list):
        return [_without_path(player) for player in described]
    if isinstance(described, dict):
        return {name: value for name, value in described.items() if name != "run"}
    return described


def _play_all(
    folder: Path,
    described: Mapping[str, Any],
    entrants: Sequence[Entrant],
    meetings: list[Meeting],
    say: Callable[[str], None],
) -> None:
    """Play every pair that has not met, and keep each result at once."""
    _keep(folder, described, meetings)
    total = len(entrants) * (len(entrants) - 1) // 2
    options = described["options"]
    say(f"{len(entrants)} players, {total} pairs, {options['episodes']} episodes each")
    say(described["description"])
    if meetings:
        say(f"{len(meetings)} of the pairs were played before")
    try:
        for meeting in _rest(entrants, options, meetings):
            meetings.append(meeting)
            _keep(folder, described, meetings)
            say(
                f"[{len(meetings)}/{total}] {meeting.first} against {meeting.second}: win rate "
                f"{meeting.win_rate:.2f}, return {meeting.return_difference:+.1f}"
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped with {len(meetings)} of {total} pairs in {folder / JSON_FILE}; go on by the "
            f"same command with --output {folder}."
        ) from None


def _rest(
    entrants: Sequence[Entrant], options: Mapping[str, Any], meetings: Sequence[Meeting]
) -> Iterator[Meeting]:
    """Pairs that have not met, each playing as it is asked for."""
    met = {(meeting.first, meeting.second) for meeting in meetings}
    # One program serves all pairs of the same two kinds: they differ in parameters only.
    programs: dict[Any, Callable[..., Any]] = {}
    # Keys are a pair's own, as intervals take pairs to be independent.
    key = jax.random.key(options["evaluation_seed"])
    for number, (first, second) in enumerate(itertools.combinations(entrants, 2)):
        if (first.name, second.name) in met:
            continue
        parameters = first.parameters, second.parameters
        kinds = first.kind, second.kind
        if kinds not in programs:
            match = pair_of(first, second)
            programs[kinds] = evaluator(match, options["episodes"], compiler_options(parameters))
        episodes = play_one(programs[kinds], *parameters, jax.random.fold_in(key, number))
        yield meeting_of(first.name, second.name, episodes)


def _keep(
    folder: Path, described: Mapping[str, Any], meetings: Sequence[Meeting]
) -> dict[str, Any]:
    """Write what there is so far; what was written."""
    content = {**described, "pairs": [dataclasses.asdict(meeting) for meeting in meetings]}
    write_json(folder / JSON_FILE, content)
    return content


def _write(folder: Path, report: Mapping[str, Any], meetings: Sequence[Meeting]) -> dict[str, Any]:
    """Write all three files; the content of `league.json`."""
    from swarmfield.heat_map import win_rates

    content = _keep(folder, report, meetings)
    (folder / MARKDOWN_FILE).write_text(_markdown(content), encoding="utf-8")
    matrix = content["matrix"]
    rates = np.array(matrix["win_rate"], np.float64)
    win_rates(matrix["players"], rates, folder / PICTURE_FILE)
    return content


def _markdown(report: Mapping[str, Any]) -> str:
    options = report["options"]
    return f"""# League in {report["environment"]}

{report["description"]}. Every pair played {options["episodes"]} greedy episodes, sides swapped half
of the time ({options["which"]} checkpoints, evaluation seed {options["evaluation_seed"]}). Made on
{report["device"]["kind"]} ({report["device"]["platform"]}) with JAX {report["versions"]["jax"]}.

{markdown(*rating_table(report))}

Elo ratings are fitted to all episodes at once (Bradley and Terry's model) with a mean of
{elo.CENTRE:.0f}; 400 points are odds of ten to one. Intervals are bootstrapped over episodes. A win
rate counts a tie as half a win; in the first table it is the mean over opponents.

{markdown(*cross_table(report))}

The row's win rate against the column, and by how much its return was higher.

![Win rates]({PICTURE_FILE})
"""
