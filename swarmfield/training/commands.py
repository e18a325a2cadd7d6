"""The commands `evaluate`, `duel`, `league`, `chaos`, `game` and `scripted`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from swarmfield.command_line import name_and_rest, parse, run_and_rest, runs_and_rest
from swarmfield.command_options import (
    ChaosOptions,
    EvaluateOptions,
    GameOptions,
    LeagueOptions,
    MarlEvalOptions,
    PlayOptions,
    PolicyOptions,
    RunFileOptions,
    ScriptedOptions,
    TrajectoryOptions,
)
from swarmfield.console import print_players, short
from swarmfield.environments import find, is_known, make
from swarmfield.options import suggest
from swarmfield.tables import print_table
from swarmfield.training import chaos as chaos_study
from swarmfield.training import chaos_tables, games, play, run_folder
from swarmfield.training import league as leagues
from swarmfield.training import scripted as players
from swarmfield.training.config import from_dict
from swarmfield.training.entrants import folders_of
from swarmfield.training.marl_eval import marl_eval
from swarmfield.training.player_names import named
from swarmfield.training.policy_file import write_policy
from swarmfield.training.run_file import write_run
from swarmfield.training.standings import cross_table, rating_table
from swarmfield.training.trajectories import write_trajectories
from swarmfield.types import SwarmfieldError

PLAYERS = ("learner", "opponent")


def evaluate(arguments: list[str]) -> None:
    """Let a run's policy play, and print what it came to."""
    (run_path,), rest = run_and_rest("evaluate", arguments, 1)
    options = _parse_play(EvaluateOptions, "evaluate", run_path, rest)
    report = play.evaluate(run_path, **options)
    print(f"{report['environment']}, opponent {report['against']}")
    print_players((name, report[name]) for name in PLAYERS if name in report)
    print(f"written to {report['file']}")


def duel(arguments: list[str]) -> None:
    """Let two runs' policies play each other, and print what it came to."""
    (first, second), rest = run_and_rest("duel", arguments, 2)
    result = play.duel(first, second, **_parse_play(PlayOptions, "duel", first, rest))
    print_players([(first, result["learner"]), (second, result["opponent"])])


def league(arguments: list[str]) -> None:
    """Let all runs' policies play each other, and print tables and where they are."""
    runs, rest = runs_and_rest("league", arguments)
    options = _parse_play(LeagueOptions, "league", folders_of(runs)[0], rest)
    report = leagues.league(*runs, **options)
    print_table(*rating_table(report))
    print("the row's win rate against the column, and by how much its return was higher")
    print_table(*cross_table(report))
    _print_files(report, leagues)


def chaos(arguments: list[str]) -> None:
    """Compare numbers of agents with their limit, and print what each came to."""
    wanted = "a run's folder or an environment first, such as `swarmfield chaos beach_bar`"
    subject, rest = name_and_rest("chaos", wanted, arguments)
    if is_known(subject):
        options = vars(parse(_with_env(ChaosOptions, find(subject).config()), rest, "chaos"))
        options["env"] = _given(options["env"], rest)
    else:
        options = _parse_play(ChaosOptions, "chaos", subject, rest)
    report = chaos_study.chaos(subject, **options)
    print_table(*chaos_tables.table(report))
    print(chaos_tables.rate_of(report))
    _print_files(report, chaos_study)


def game(arguments: list[str]) -> None:
    """Solve a mean-field game, and print how."""
    wanted = f"the name of one first: {', '.join(games.GAMES)}"
    name, rest = name_and_rest("game", wanted, arguments)
    report = games.solve(name, **vars(parse(GameOptions, rest, f"swarmfield game {name}")))
    print_table(*games.table(report))
    print(games.sentence(report))
    print_table(*games.places(report))
    _print_files(report, games)


def scripted(arguments: list[str]) -> None:
    """Let scripted players play, and print what it came to."""
    wanted = (
        "an environment first, such as `swarmfield scripted spread`; `swarmfield list "
        "environments` names them"
    )
    name, rest = name_and_rest("scripted", wanted, arguments)
    options = _with_env(ScriptedOptions, find(name).config())
    given = vars(parse(options, rest, f"swarmfield scripted {name}"))
    env = dataclasses.asdict(given.pop("env"))
    earned = players.scripted(name, env=env, **given)
    print(make(name, **env).description)
    head = list(next(iter(earned.values())))
    print_table(
        ["player", *head],
        [[player, *map(short, figures.values())] for player, figures in earned.items()],
    )


def export(arguments: list[str]) -> None:
    """Write something of runs in a form that others read, and print where it is."""
    kinds = ", ".join(_EXPORTS)
    kind, rest = name_and_rest("export", f"one of {kinds} first", arguments)
    if kind not in _EXPORTS:
        raise SwarmfieldError(f"There is no export {kind!r}; {suggest(kind, _EXPORTS)}.")
    options, write = _EXPORTS[kind]
    if rest[:1] in (["-h"], ["--help"]):
        parse(options, ["--help"], f"swarmfield export {kind} RUN")
    if kind == "marl-eval":
        runs, rest = runs_and_rest("export marl-eval", rest)
    else:
        runs, rest = run_and_rest(f"export {kind}", rest, 1)
    print(write(*runs, **vars(parse(options, rest, f"swarmfield export {kind} RUN"))))


_EXPORTS: dict[str, tuple[type, Callable[..., Path]]] = {
    "run": (RunFileOptions, write_run),
    "policy": (PolicyOptions, write_policy),
    "trajectories": (TrajectoryOptions, write_trajectories),
    "marl-eval": (MarlEvalOptions, marl_eval),
}
"""What can be written: its options, and what writes it."""


def _print_files(report: Mapping[str, Any], written: Any) -> None:
    """Where a report is, whose files' names are in the module that wrote them."""
    folder = Path(report["folder"])
    print(f"tables          {folder / written.MARKDOWN_FILE}")
    print(f"picture         {folder / written.PICTURE_FILE}")
    print(f"figures         {folder / written.JSON_FILE}")


def _parse_play(
    options: type[Any], command: str, run_path: str, arguments: list[str]
) -> dict[str, Any]:
    """Options of an evaluation, a duel or a league as keyword arguments.

    Those of the run's environment are there under `env`, but only the ones that were given.

    Raises:
        SwarmfieldError: For anything tyro refuses, or if there is no such run.
    """
    folder, _ = named(run_path)
    trained = from_dict(run_folder.open_existing(folder).read_config()).config.env
    extended = _with_env(options, trained)
    parsed = vars(parse(extended, arguments, f"swarmfield {command} {run_path}"))
    return {**parsed, "env": _given(parsed["env"], arguments)}


def _given(env: Any, arguments: list[str]) -> dict[str, Any]:
    """Options of an environment that were given."""
    given = {re.split("[ =]", word)[0].replace("_", "-") for word in arguments}
    return {
        name: value
        for name, value in vars(env).items()
        if {"--env." + name.replace("_", "-"), "--env.no-" + name.replace("_", "-")} & given
    }


def _with_env(options: type[Any], env: Any) -> type[Any]:
    """Options with an environment's beside them, whose defaults are given."""
    return dataclasses.make_dataclass(
        options.__name__, [("env", type(env), env)], bases=(options,), frozen=True
    )
