"""Curves keep their extremes, stay small, and do not depend on how a log was read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.jobs.metrics import Phase, Sample
from aligndbg.jobs.series import MOST_TRACES, Curves, Trace, decimate, mean_points

finite = st.floats(-1e6, 1e6)
points = st.lists(st.tuples(st.integers(0, 5000).map(float), finite), min_size=1, max_size=200)


def trained(
    epoch: float | None,
    step: int | None,
    total: int | None = None,
    rank: int | None = None,
    phase: Phase = "train",
    **values: float,
):
    return Sample(0, None, rank, phase, epoch, step, total, values)


def traced(points: list[tuple[float, float]], capacity: int) -> Trace:
    trace = Trace(capacity)
    for x, y in points:
        trace.add(x, y)
    return trace


@given(points, st.integers(1, 40))
def test_decimation_keeps_the_extremes_and_the_number_of_points(points: list[tuple[float, float]], columns: int) -> None:
    points = sorted(points)
    kept = decimate(points, columns)
    assert len(kept) <= max(2 * columns, 0)
    assert set(kept) <= set(points)
    assert kept == sorted(kept, key=lambda point: point[0])
    assert (min(y for _, y in kept), max(y for _, y in kept)) == (min(y for _, y in points), max(y for _, y in points))


many_points = st.lists(st.tuples(st.integers(0, 5000).map(float), finite), min_size=20, max_size=200)


@given(many_points, st.integers(1, 9))
def test_decimation_keeps_the_extremes_of_every_column(points: list[tuple[float, float]], columns: int) -> None:
    points = sorted(points)
    kept = decimate(points, columns)
    left, width = points[0][0], (points[-1][0] - points[0][0]) / columns
    for column in range(columns):
        inside = [y for x, y in points if width and min(columns - 1, int((x - left) / width)) == column]
        also = [y for x, y in kept if width and min(columns - 1, int((x - left) / width)) == column]
        assert (min(inside, default=0), max(inside, default=0)) == (min(also, default=0), max(also, default=0))


@given(points, st.integers(1, 64))
def test_a_trace_keeps_its_extremes_in_bounded_room(points: list[tuple[float, float]], capacity: int) -> None:
    kept = traced(points, capacity).points()
    assert len(kept) <= 2 * capacity
    assert set(kept) <= set(points)
    assert (min(y for _, y in kept), max(y for _, y in kept)) == (min(y for _, y in points), max(y for _, y in points))


@given(points, st.integers(1, 64), st.randoms(use_true_random=False))
def test_a_trace_does_not_depend_on_the_order_of_its_points(points, capacity: int, random) -> None:
    shuffled = points.copy()
    random.shuffle(shuffled)
    assert traced(points, capacity).points() == traced(shuffled, capacity).points()


def test_a_trace_with_room_keeps_every_point() -> None:
    points = [(float(x), math.sin(x)) for x in range(1000)]
    assert traced(points, 4096 * 1000).points() == points
    assert traced(points, 4096).points() == points


def test_a_single_spike_in_a_million_steps_is_kept() -> None:
    trace = Trace(256)
    for x in range(0, 1_000_000, 10):
        trace.add(float(x), 99.0 if x == 123_450 else 1.0)
    assert (123_450.0, 99.0) in trace.points()
    assert len(trace.points()) <= 512


def test_what_is_no_number_is_a_mark_and_not_a_point() -> None:
    curves = Curves()
    for step, loss in enumerate((3.0, math.nan, 2.0, math.inf)):
        curves.add(trained(0, step, 4, loss=loss))
    curve = curves.curve("train", "loss")
    assert (curve.xs, curve.ys, curve.broken) == ((0.0, 2.0), (3.0, 2.0), (1.0, 3.0))


def test_values_too_large_to_add_are_marks() -> None:
    curves = Curves()
    for rank in (0, 1):
        curves.add(trained(0, 0, 1, rank, loss=1e308))
    assert curves.curve("train", "loss").broken == (0.0,)


def test_broken_marks_survive_joining() -> None:
    trace = traced([(5.0, math.nan), *((float(x), 1.0) for x in range(100_000))], 16)
    assert trace.broken() == [5.0]
    assert traced([(2.0, math.nan), (1.0, math.nan), (3.0, math.nan), (4000.0, 1.0)], 2).broken() == [1.0]
    assert traced([(0.0, 1.0), (4000.0, 1.0), (1.0, math.nan), (2.0, math.nan)], 2).broken() == [1.0]


def test_axes_of_steps_and_epochs() -> None:
    curves = Curves()
    for epoch in (2, 3):
        for step in (0, 5):
            curves.add(trained(epoch, step, 10, loss=1.0))
        curves.add(trained(epoch, None, phase="eval", top1=50.0))
    assert curves.curve("train", "loss").xs == (20.0, 25.0, 30.0, 35.0)
    assert curves.curve("train", "loss", axis="epoch").xs == (2.0, 2.5, 3.0, 3.5)
    assert curves.curve("eval", "top1", whole=True, axis="epoch").xs == (3.0, 4.0)
    assert curves.curve("eval", "top1", whole=True).xs == (30.0, 40.0)
    assert curves.metrics() == [("train", "loss", False), ("eval", "top1", True)]


def test_epochs_whose_length_is_never_said() -> None:
    curves = Curves()
    for epoch in (4, 5, 6):
        for step in (0, 10, 19):
            curves.add(trained(epoch, step, loss=1.0))
        curves.add(trained(epoch, None, loss=1.0))
    assert curves.curve("train", "loss").xs == (0.0, 10.0, 19.0, 20.0, 30.0, 39.0, 40.0, 50.0, 59.0)
    assert curves.curve("train", "loss", axis="epoch").xs == pytest.approx((4, 4.5, 4.95, 5, 5.5, 5.95, 6, 6.5, 6.95))
    assert curves.curve("train", "loss", whole=True).xs == (20.0, 40.0, 60.0)


def test_steps_that_are_counted_through() -> None:
    curves = Curves()
    for epoch, step in ((0, 0), (0, 50), (1, 100), (1, 150), (2, 200)):
        curves.add(trained(epoch, step, loss=1.0))
    assert curves.curve("train", "loss").xs == (0.0, 50.0, 100.0, 150.0, 200.0)
    assert curves.curve("train", "loss", axis="epoch").xs == (0.0, 0.5, 1.0, 1.5, 2.0)


def test_results_without_an_epoch_come_one_after_the_other() -> None:
    curves = Curves()
    for top1 in (10.0, 20.0):
        curves.add(trained(None, None, phase="eval", top1=top1))
    assert curves.curve("eval", "top1", whole=True, axis="epoch") == curves.curve("eval", "top1", whole=True)
    assert curves.curve("eval", "top1", whole=True).xs == (1.0, 2.0)


def test_ranks_apart_and_averaged() -> None:
    curves = Curves()
    for rank, loss in ((1, 4.0), (0, 2.0)):
        for step in range(3):
            curves.add(trained(0, step, 3, rank, loss=loss + step))
    assert curves.ranks("train", "loss") == [0, 1]
    assert curves.curve("train", "loss", rank=1).ys == (4.0, 5.0, 6.0)
    assert curves.curve("train", "loss").ys == (3.0, 4.0, 5.0)
    assert curves.curve("train", "loss", rank=7).ys == () == curves.curve("train", "lr").ys
    assert curves.latest("train", "loss", 1) == 6.0 and curves.latest("train", "loss") is None


def test_a_rank_that_is_ahead_is_averaged_where_both_are() -> None:
    ahead, behind = traced([(float(x), 1.0) for x in range(100)], 8), traced([(float(x), 3.0) for x in range(10)], 8)
    mean = mean_points([ahead, behind])
    assert (mean[0][1], mean[-1][1]) == (2.0, 1.0)


samples = st.builds(
    trained,
    epoch=st.none() | st.integers(0, 5).map(float),
    step=st.none() | st.integers(0, 99),
    total=st.none() | st.just(100),
    rank=st.sampled_from([None, 0, 1]),
    phase=st.sampled_from(["train", "eval"]),
    loss=st.floats(),
    top1=finite,
)


@given(st.lists(samples, max_size=60), st.integers(0, 60), st.integers(1, 64))
def test_reading_on_gives_what_reading_at_once_gives(run: list[Sample], cut: int, capacity: int) -> None:
    at_once, followed = Curves(capacity), Curves(capacity)
    for sample in run:
        at_once.add(sample)
    for sample in run[:cut]:
        followed.add(sample)
    for phase, name, whole in followed.metrics():
        followed.curve(phase, name, whole, columns=10)
    for sample in run[cut:]:
        followed.add(sample)
    assert followed.metrics() == at_once.metrics()
    for phase, name, whole in at_once.metrics():
        for rank in (*at_once.ranks(phase, name, whole), "mean"):
            for axis in ("step", "epoch"):
                assert followed.curve(phase, name, whole, rank, axis, 20) == at_once.curve(phase, name, whole, rank, axis, 20)


def test_one_ranks_log_may_be_read_before_the_others() -> None:
    run = [
        trained(epoch, step, 50, rank, loss=math.cos(step + rank)) for epoch in range(3) for step in range(50) for rank in (0, 1)
    ]
    turns, logs = Curves(64), Curves(64)
    for sample in run:
        turns.add(sample)
    for sample in sorted(run, key=lambda sample: sample.rank or 0):
        logs.add(sample)
    assert turns.curve("train", "loss") == logs.curve("train", "loss")


def test_made_up_names_fill_no_memory() -> None:
    curves = Curves()
    for number in range(MOST_TRACES + 50):
        curves.add(trained(0, 0, 1, **{f"name{number}": 1.0}))
    assert len(curves.metrics()) == MOST_TRACES
