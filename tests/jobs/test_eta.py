"""The time left follows what was measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.jobs.eta import Pace, epochs_done
from aligndbg.jobs.metrics import Phase, Sample


def at(phase: Phase, epoch: float | None, step: int | None, total: int | None) -> Sample:
    return Sample(0, None, None, phase, epoch, step, total, {"loss": 1.0})


def test_epochs_done_count_the_step_that_was_printed() -> None:
    assert epochs_done(at("train", 2, 4, 10)) == 2.5
    assert epochs_done(at("train", 2, None, None)) == 3
    assert epochs_done(at("train", 2, 4, None), steps_per_epoch=5) == 3
    assert epochs_done(at("train", 2, 9, None), steps_per_epoch=5) == 3
    assert epochs_done(at("train", 2, 4, None)) is None
    assert epochs_done(at("train", None, 4, 10)) is None
    assert epochs_done(at("eval", 2, 4, 10)) is None


def test_nothing_is_said_before_there_is_a_pace() -> None:
    pace = Pace()
    assert pace.left(10, 0) is None
    pace.add(0, 0)
    pace.add(5, 0)
    assert pace.left(10, 5) is None


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.integers(2, 2000))
def test_an_even_run_is_told_exactly(every: float, units: float, observations: int) -> None:
    pace = Pace(window=50, period=1)
    for number in range(observations):
        pace.add(number * every, number * units)
    now = (observations - 1) * every
    left = pace.left((observations + 9) * units, now)
    assert left is not None
    assert left.seconds == pytest.approx(10 * every, rel=1e-6)
    assert left.rate == pytest.approx(units / every, rel=1e-6)


def test_evaluations_between_epochs_are_part_of_the_pace() -> None:
    pace = Pace(window=1, period=1)
    now = 0.0
    for epoch in range(4):
        for step in range(10):
            now += 1
            pace.add(now, epoch + (step + 1) / 10)
        now += 10
    left = pace.left(10, now - 10)
    assert left is not None and left.seconds == pytest.approx(6 * 20, rel=0.12)


def test_a_change_of_pace_is_followed() -> None:
    pace = Pace(window=60, period=0.1)
    for second in range(1000):
        pace.add(second, second * 0.01)
    for second in range(1000, 1200):
        pace.add(second, 10 + (second - 1000) * 0.001)
    left = pace.left(11.2, 1199)
    assert left is not None and left.rate == pytest.approx(0.001, rel=0.05)


def test_time_passes_between_two_lines_and_silence_slows_the_pace() -> None:
    pace = Pace()
    for second in range(0, 101, 10):
        pace.add(second, second / 100)
    seconds = [left.seconds for now in (100, 105, 110, 200, 400) if (left := pace.left(2, now)) is not None]
    assert seconds[:3] == pytest.approx([100, 95, 90])
    assert seconds[2] < seconds[3] < seconds[4]


def test_a_resumed_run_starts_anew() -> None:
    pace = Pace()
    pace.add(0, 5.0)
    pace.add(10, 5.5)
    pace.add(20, 5.0)
    assert pace.left(10, 20) is None
    pace.add(30, 5.1)
    left = pace.left(10, 30)
    assert left is not None and left.rate == pytest.approx(0.01)


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), max_size=60), st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_no_observations_make_it_fail(seen: list[tuple[float, float]], now: float, total: float) -> None:
    pace = Pace(window=10, period=1)
    for time, done in seen:
        pace.add(time, done)
        left = pace.left(total, now)
        assert left is None or (left.seconds >= 0 and left.rate > 0)
