"""When a run reports, evaluates and saves."""

from __future__ import annotations

from typing import NamedTuple

from swarmfield.training.setup import Setup
from swarmfield.types import SwarmfieldError

MOST_COUNTED = 2**31 - 1
"""Actions of agents that can be counted between two reports."""


class Cadence(NamedTuple):
    """When things happen: decided by the config alone.

    Attributes:
        report: Steps of all environments between reports.
        num_reports: How many reports the scheduled run has.
    """

    report: int
    num_reports: int

    def is_due(self, time: int, times: int) -> bool:
        """Whether the report at `time` is one of `times` spread evenly over all, with the last."""
        number = -(-time // self.report)
        return number * times // self.num_reports > (number - 1) * times // self.num_reports


def cadence(setup: Setup) -> Cadence:
    """About fifty reports, each of whole episodes; about ten in a run of less than one episode.

    Raises:
        SwarmfieldError: More would happen between two reports than can be counted.
    """
    config = setup.job.config
    total = config.env_steps // config.num_envs
    episode = setup.environment.max_steps + 1
    largest = max(team.num_agents for team in setup.environment.teams)
    most = max(1, MOST_COUNTED // (config.num_envs * largest))
    if config.report_every is not None:
        report = config.report_every // config.num_envs
        if report > most:
            raise SwarmfieldError(
                f"--report-every is {config.report_every}, but so many agents can be counted over "
                f"at most {most * config.num_envs} environment steps; choose fewer."
            )
    elif total <= episode:
        report = max(1, total // 10)
    else:
        report = max(1, round(total / 50 / episode)) * episode
    report = min(report, most)
    return Cadence(report, -(-total // report))
