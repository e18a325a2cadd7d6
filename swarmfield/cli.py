"""The `swarmfield` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from swarmfield.command_line import parse, run_and_rest, runs_and_rest
from swarmfield.command_options import (
    ChaosOptions,
    EvaluateOptions,
    ExperimentOptions,
    GameOptions,
    LeagueOptions,
    PlayOptions,
    PlotOptions,
    ReplayOptions,
    ReportOptions,
    ResumeOptions,
    ScriptedOptions,
    SweepOptions,
)
from swarmfield.console import print_evaluations
from swarmfield.options import suggest
from swarmfield.registry import summaries
from swarmfield.types import SwarmfieldError

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130
HELP = ("-h", "--help")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 done, 2 bad input, 1 training failed, 130 interrupted."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run a command; its exit code."""
    try:
        if not arguments or arguments[0] in (*HELP, "help"):
            print(_usage())
            return 0
        if arguments[0] == "--version":
            return _version()
        return _run_command(arguments[0], arguments[1:])
    except SystemExit as stopped:
        return int(stopped.code or 0)
    except SwarmfieldError as error:
        return _complain(str(error), BAD_INPUT)
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python must not try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        file = f": {error.filename}" if error.filename else ""
        return _complain(f"{error.strerror or error}{file}.", BAD_INPUT)
    except KeyboardInterrupt as stopped:
        return _complain(str(stopped) or "interrupted", INTERRUPTED)
    except (RuntimeError, MemoryError) as error:
        # A loss that is not finite, or a device out of memory: one sentence, never a traceback.
        return _complain(str(error).splitlines()[0] if str(error) else repr(error), FAILED)


def _run_command(command: str, arguments: list[str]) -> int:
    if command not in COMMANDS:
        raise SwarmfieldError(f"There is no command {command!r}; {suggest(command, COMMANDS)}.")
    function, use, options = COMMANDS[command]
    if not (arguments and arguments[0] in HELP) or options is None:
        function(arguments)
    elif isinstance(options, type):
        parse(options, ["--help"], f"swarmfield {command} {use.partition(' [')[0]}")
    else:
        print(f"usage: swarmfield {command} {use}\n\n{options}")
    return 0


def _complain(sentence: str, code: int) -> int:
    print(f"swarmfield: {sentence}", file=sys.stderr)
    return code


def _usage() -> str:
    lines = [f"  swarmfield {name} {use}".rstrip() for name, (_, use, _) in COMMANDS.items()]
    title = "Mean-field multi-agent reinforcement learning."
    return "\n".join([title, "", *lines, "", _TRAIN_HELP])


def _version() -> int:
    from importlib.metadata import version

    print(f"swarmfield {version('swarmfield')}")
    return 0


def _list(arguments: list[str]) -> None:
    from swarmfield.algorithms import ALGORITHMS
    from swarmfield.environments import ENVIRONMENTS, FAMILIES
    from swarmfield.experiments import EXPERIMENTS
    from swarmfield.training.archive import summaries_of_pretrained

    families = {f"{name}:NAME": family.summary for name, family in FAMILIES.items()}
    kinds: dict[str, dict[str, str]] = {
        "environments": summaries(ENVIRONMENTS) | families,
        "algorithms": summaries(ALGORITHMS),
        "experiments": {name: each.title for name, each in EXPERIMENTS.items()},
        "pretrained": summaries_of_pretrained(),
    }
    for kind in arguments:
        if kind not in kinds:
            raise SwarmfieldError(
                f"There is nothing to list named {kind!r}; {suggest(kind, kinds)}."
            )
    for kind in arguments or kinds:
        print(kind)
        for name, summary in kinds[kind].items():
            print(f"  {name + '  ':<22}{summary}")


def _train(arguments: list[str]) -> None:
    from swarmfield.training.hosts import joined
    from swarmfield.training.runs import start
    from swarmfield.training.train_options import job_of

    start_and_report(start, job_of(joined(arguments)))


def start_and_report(function: Callable[[Any], Any], job: Any) -> None:
    """Train and tell where everything is; among several processes the first does."""
    from swarmfield.training import hosts

    finished = function(job)
    if not hosts.is_first():
        return
    print_evaluations(finished.summary)
    path = finished.path
    print(f"learning curve  {path / 'learning_curve.png'}")
    if (path / "replay.html").exists():
        print(f"replay          {path / 'replay.html'}")
    print(f"summary         {path / 'summary.json'}")


def _resume(arguments: list[str]) -> None:
    from swarmfield.training.hosts import joined
    from swarmfield.training.runs import resume

    (run_path,), rest = run_and_rest("resume", joined(arguments), 1)
    options = parse(ResumeOptions, rest, "swarmfield resume RUN")
    start_and_report(lambda path: resume(path, **vars(options)), run_path)


def _of_training(name: str) -> Callable[[list[str]], None]:
    """One of the commands whose functions are in `training.commands`."""

    def command(arguments: list[str]) -> None:
        from swarmfield.training import commands

        getattr(commands, name)(arguments)

    return command


def _replay(arguments: list[str]) -> None:
    from swarmfield.training.recording import write_replay

    (run_path,), rest = run_and_rest("replay", arguments, 1)
    options = parse(ReplayOptions, rest, "swarmfield replay RUN")
    chosen = {name: value for name, value in vars(options).items() if name != "format"}
    print(write_replay(run_path, options.format, **chosen))


def _plot(arguments: list[str]) -> None:
    from swarmfield.training.pictures import plot

    runs, rest = runs_and_rest("plot", arguments)
    options = parse(PlotOptions, rest, "swarmfield plot RUN [RUN ...]")
    print(plot(*runs, output=options.output))


def _experiment(arguments: list[str]) -> None:
    from swarmfield.experiments import commands

    commands.experiment(arguments)


def _sweep(arguments: list[str]) -> None:
    from swarmfield.experiments import commands

    commands.sweep(arguments)


def _report(arguments: list[str]) -> None:
    from swarmfield.experiments import commands

    commands.report(arguments)


def _bench(arguments: list[str]) -> None:
    from swarmfield import bench

    parse(bench.BenchOptions, arguments, "swarmfield bench").run()


_TRAIN_HELP = (
    "`swarmfield train ALGORITHM ENVIRONMENT --help` lists the options of both, "
    "`swarmfield list` their names."
)

_EXPORT_HELP = (
    "A run as one small file, what it learned as programs that need JAX alone, its episodes as\n"
    "NumPy arrays, or runs' evaluations for marl-eval; `swarmfield export policy RUN --help`\n"
    "lists the options of one."
)

_SCALES = "smoke|laptop|paper"

COMMANDS: dict[str, tuple[Callable[[list[str]], Any], str, Any]] = {
    "list": (_list, "[environments|algorithms|experiments]", "Name what there is."),
    "train": (_train, "ALGORITHM ENVIRONMENT [--config config.json] [options]", _TRAIN_HELP),
    "resume": (_resume, "RUN [--env-steps N] [--devices all|N]", ResumeOptions),
    "evaluate": (
        _of_training("evaluate"),
        "RUN [--episodes N] [--opponent self|random|RUN] [--env.X ...]",
        EvaluateOptions,
    ),
    "duel": (_of_training("duel"), "RUN_A RUN_B [--episodes N]", PlayOptions),
    "league": (
        _of_training("league"),
        "RUN RUN ... [--episodes N] [--seeds first|all] [--output DIR] [--env.X ...]",
        LeagueOptions,
    ),
    "chaos": (
        _of_training("chaos"),
        "RUN|ENVIRONMENT [--num-agents N N ...] [--limit N] [--execution WAY ...] [--env.X ...]",
        ChaosOptions,
    ),
    "game": (
        _of_training("game"),
        "NAME [--method mirror_descent|fictitious_play] [options]",
        GameOptions,
    ),
    "scripted": (
        _of_training("scripted"),
        "ENVIRONMENT [--episodes N] [--env.X ...]",
        ScriptedOptions,
    ),
    "replay": (_replay, "RUN [--format html|gif|mp4] [--colour-by group|team]", ReplayOptions),
    "plot": (_plot, "RUN [RUN ...] [--output FILE]", PlotOptions),
    "export": (
        _of_training("export"),
        "run|policy|trajectories|marl-eval RUN [RUN ...] [--output FILE] [options]",
        _EXPORT_HELP,
    ),
    "experiment": (
        _experiment,
        f"NAME [--scale {_SCALES}] [--seeds FIRST:LAST] [--backend local|ray]",
        ExperimentOptions,
    ),
    "report": (_report, f"NAME [--scale {_SCALES}] [--output DIR]", ReportOptions),
    "sweep": (
        _sweep,
        "ALGORITHM ENVIRONMENT --search.X LOW:HIGH|A,B,C [options] [options of train]",
        SweepOptions,
    ),
    "bench": (_bench, "[options]", None),
}
"""Of each command: what it does, how it is used, and its options or what to say of them."""
