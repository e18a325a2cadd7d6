"""What was found of crowds of every size, as tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from swarmfield.tables import markdown


def table(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The lines of a report as head and rows."""
    head = ["agents", "execution", "shared return", "less the limit's", "W1 of the crowds"]
    rows = [
        [
            str(line["num_agents"]),
            line["execution"] or "-",
            _interval(line, "shared_return"),
            _interval(line, "gap"),
            f"{np.mean(line['distance']):.3g}",
        ]
        for line in report["lines"]
    ]
    limit = report["limit"]
    name = "infinitely many" if limit["agents"] is None else f"{limit['agents']} (for the limit)"
    return head, [*rows, [name, "-", _interval(limit, "shared_return"), "", ""]]


def rate_of(report: Mapping[str, Any]) -> str:
    """What was found of the rate, as a sentence."""
    rate = report["rate"]
    if rate is None:
        return "No rate: fewer than two gaps can be told from none; play more --episodes"
    used = ", ".join(map(str, rate["used"]))
    return (
        f"|J_N - J| ~ N^{rate['slope']:.2f}, 95 % interval [{rate['low']:.2f}, {rate['high']:.2f}],"
        f" of N = {used}"
    )


def _interval(line: Mapping[str, Any], name: str) -> str:
    return f"{line[name]:.4g} ± {line[name + '_ci95']:.2g}"


def told(line: Mapping[str, Any]) -> str:
    """A line of a report, as a sentence."""
    way = f", {line['execution']}" if line["execution"] else ""
    return (
        f"{line['num_agents']} agents{way}: {_interval(line, 'shared_return')}, "
        f"{_interval(line, 'gap')} beside the limit"
    )


def page(report: Mapping[str, Any], picture: str) -> str:
    """A report in Markdown.

    Args:
        report: What `chaos` returns.
        picture: Its picture's file.
    """
    options = report["options"]
    return f"""# {report["subject"]}, from few agents to many

Limit: {report["description"]}. {options["episodes"]} episodes (evaluation seed
{options["evaluation_seed"]}, explore {options["explore"]:g}), in which the world draws the same for
any number of agents. Made on
{report["device"]["kind"]} ({report["device"]["platform"]}) with JAX {report["versions"]["jax"]}.

{markdown(*table(report))}

Intervals are of 95 %. {rate_of(report)}.

W1 is the mean over episodes and time of the Wasserstein
distance between the histograms of the crowd and of the limit.

![From few agents to many]({picture})
"""
