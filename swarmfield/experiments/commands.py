"""The commands `experiment` and `report`."""

from __future__ import annotations

import shlex

from swarmfield import experiments
from swarmfield.command_line import name_and_rest, parse
from swarmfield.command_options import ExperimentOptions, ReportOptions
from swarmfield.experiments import report as reports
from swarmfield.experiments import runner
from swarmfield.experiments.local import train_here
from swarmfield.experiments.spread import on_cluster


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


_WANTED = "a name first, such as bmf or bmf/firefighter; `swarmfield list experiments` names them"
