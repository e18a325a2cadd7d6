"""The commands `experiment` and `report`."""

from __future__ import annotations

import shlex
from contextlib import AbstractContextManager
from pathlib import Path

from swarmfield import experiments
from swarmfield.command_line import name_and_rest, parse
from swarmfield.command_options import ExperimentOptions, ReportOptions, SweepOptions
from swarmfield.experiments import report as reports
from swarmfield.experiments import runner
from swarmfield.experiments.cluster import joined
from swarmfield.experiments.local import train_here
from swarmfield.experiments.spread import LOGS, on_cluster
from swarmfield.experiments.sweep import results, search, study
from swarmfield.experiments.sweep.plan import planned
from swarmfield.experiments.sweep.space import take_own, take_searched
from swarmfield.experiments.workers import LocalWorkers, Workers
from swarmfield.training.train_options import two_names


def experiment(arguments: list[str]) -> None:
    """Run an experiment, or all of a paper."""
    name, rest = name_and_rest("experiment", _WANTED, arguments)
    found = experiments.find(name)
    options = parse(ExperimentOptions, rest, "swarmfield experiment NAME")
    backend = train_here
    if options.backend == "ray":
        backend = on_cluster(
            options.root, options.ray_address, options.cpus_per_run, options.retries
        )
    runner.run(found, options.scale, options.root, options.seeds, backend=backend)
    words = ["swarmfield", "report", name, "--scale", options.scale]
    if options.root != ExperimentOptions().root:
        words += ["--root", str(options.root)]
    print(f"tables and figures: {shlex.join(words)}")


def report(arguments: list[str]) -> None:
    """Write an experiment's report, or a paper's."""
    name, rest = name_and_rest("report", _WANTED, arguments)
    found = experiments.find(name)
    options = parse(ReportOptions, rest, "swarmfield report NAME")
    output = options.output or options.root / options.scale / "report" / name
    print(reports.write(name, found, options.scale, options.root, output))


def sweep(arguments: list[str]) -> None:
    """Search for good options of training, and tell what was found."""
    import jax

    algorithm, environment, rest = two_names(arguments, "sweep")
    typed, rest = take_own(SweepOptions, rest)
    options = parse(SweepOptions, typed, "swarmfield sweep ALGORITHM ENVIRONMENT")
    given, words = take_searched(rest)
    # Who only looks after trials must not take the device that they need.
    jax.config.update("jax_platforms", "cpu")
    asked = planned(algorithm, environment, words, given, options)
    tried = study.opened(asked)
    try:
        with _workers(options, asked.folder) as workers:
            search.run(asked, tried, workers)
    finally:
        found = results.results(asked, tried)
        results.write(asked, found)
        results.tell(asked, found)
    if found["best"] is None:
        raise RuntimeError(f"No trial was finished; see {asked.folder / LOGS} for the reasons.")


def _workers(options: SweepOptions, folder: Path) -> AbstractContextManager[Workers]:
    if options.backend == "ray":
        return joined(options.ray_address, folder, options.cpus_per_run, print)
    return LocalWorkers(options.at_once or 1)


_WANTED = "a name first, such as bmf or bmf/firefighter; `swarmfield list experiments` names them"
