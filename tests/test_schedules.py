"""Schedules pass through the points they are named after, and stay level outside."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from swarmfield import schedules

pytestmark = pytest.mark.usefixtures("strict_dtypes")


def at(schedule, *progress: float) -> list[float]:
    return [float(schedule(jnp.float32(x))) for x in progress]


def test_a_broken_line_goes_through_its_points() -> None:
    schedule = schedules.piecewise_linear((0.25, 8.0), (0.5, 4.0), (1.0, 0.0))
    np.testing.assert_allclose(
        at(schedule, 0.0, 0.25, 0.375, 0.5, 0.75, 1.0), [8, 8, 6, 4, 2, 0], rtol=1e-6
    )


def test_a_straight_line_is_level_after_its_share_of_the_run() -> None:
    schedule = schedules.linear(1.0, 0.2, 0.5)
    np.testing.assert_allclose(at(schedule, 0.0, 0.25, 0.5, 1.0), [1, 0.6, 0.2, 0.2], rtol=1e-6)


def test_no_time_to_fall_means_the_end_value_from_the_first_step_on() -> None:
    np.testing.assert_allclose(at(schedules.linear(1.0, 0.2, 0.0), 1e-3, 1.0), [0.2, 0.2])


def test_the_reference_schedule_falls_to_a_fifth_and_then_to_a_tenth() -> None:
    schedule = schedules.mfrl(1.0, 0.1)
    np.testing.assert_allclose(
        at(schedule, 0.0, 0.4, 0.8, 0.9, 1.0), [1, 0.6, 0.2, 0.15, 0.1], rtol=1e-6
    )


@given(st.floats(0, 1), st.floats(0, 10), st.floats(0, 10), st.floats(0, 1))
def test_values_stay_between_start_and_end(
    progress: float, start: float, end: float, fraction: float
) -> None:
    (value,) = at(schedules.linear(start, end, fraction), progress)
    low, high = min(start, end), max(start, end)
    assert low - 1e-5 <= value <= high + 1e-5


def test_a_compiled_schedule_is_the_same() -> None:
    schedule = schedules.mfrl(2.0, 0.1)
    progress = jnp.linspace(0, 1, 11)
    eager = [float(schedule(x)) for x in progress]
    np.testing.assert_allclose(jax.jit(jax.vmap(schedule))(progress), eager, rtol=1e-6)
