"""When a run reports, evaluates and saves."""

import pytest

from swarmfield.training.cadence import MOST_COUNTED, Cadence, cadence
from swarmfield.training.config import make_job
from swarmfield.training.setup import assemble
from swarmfield.types import SwarmfieldError


@pytest.mark.parametrize("num_reports", [1, 7, 13, 50])
def test_what_is_asked_for_is_spread_evenly_and_comes_at_the_end(num_reports: int) -> None:
    when = Cadence(3, num_reports)
    times = [*range(3, 3 * num_reports, 3), 3 * num_reports - 1]  # the last window is shorter
    assert not any(when.is_due(time, 0) for time in times)
    for wanted in (1, 2, 10, 99):
        due = [index for index, time in enumerate(times, 1) if when.is_due(time, wanted)]
        assert len(due) == min(wanted, num_reports)
        assert due[-1] == num_reports
        gaps = {b - a for a, b in zip([0, *due], due, strict=False)}
        assert max(gaps) - min(gaps) <= 1


def test_reports_come_before_a_count_overflows() -> None:
    options = {"env": {"num_agents": 100_000}, "env_steps": 4_000_000, "num_envs": 16}
    setup = assemble(make_job("mfq", "battle", **options))
    report = cadence(setup).report
    assert report * 16 * 50_000 <= MOST_COUNTED < (report + 1) * 16 * 50_000
    setup = assemble(make_job("mfq", "battle", report_every=4_000_000, **options))
    with pytest.raises(SwarmfieldError, match="--report-every is 4000000"):
        cadence(setup)
