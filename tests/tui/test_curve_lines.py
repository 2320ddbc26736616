"""What is drawn of curves, worked out without a screen: lines, marks, scales, ticks and the readout."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_curves import broken_rule, curves_of, sample, trained

from aligndbg.jobs.formats.table import read_table
from aligndbg.tui.widgets.curve_lines import Line, Scale, lines_of, marks_of, metrics_of, scale_of, value_at
from aligndbg.tui.widgets.curve_readout import csv_text, latest_text, readout
from aligndbg.tui.widgets.curve_ticks import WIDEST, Ticks


def test_an_evaluations_own_steps_lie_in_its_epoch() -> None:
    curves = trained(2)
    for step in (0, 5):
        curves.add(sample(1, step, phase="eval", total=10, top5=50.0))
    scale = scale_of(curves, "top5")
    (line,) = lines_of(curves, "top5", "step", False, scale)
    assert line.xs == pytest.approx((32.0, 48.0))


def test_results_without_a_rank_lie_at_the_end_of_their_epoch_on_an_axis_of_steps() -> None:
    curves = trained(2, ranks=2)
    lines = lines_of(curves, "loss", "step", False, scale_of(curves, "loss"))
    assert lines[-1].xs == pytest.approx((32.0, 64.0))


def test_the_mean_of_an_epoch_and_its_steps_are_two_lines_of_one_phase() -> None:
    curves = trained(1)
    curves.add(sample(0, None, loss=6.8))
    kinds = [(line.phase, line.whole) for line in lines_of(curves, "loss", "epoch", False)]
    assert kinds == [("train", False), ("train", True), ("eval", True)]


def test_an_evaluation_alone_keeps_its_steps_beside_its_result() -> None:
    curves = curves_of(sample(None, step, phase="eval", total=4, loss=1.0 - step / 10) for step in range(4))
    assert [(line.whole, len(line.xs)) for line in lines_of(curves, "loss", "epoch", False)] == [(False, 4)]
    curves.add(sample(0, None, phase="eval", loss=0.85))
    lines = lines_of(curves, "loss", "epoch", False)
    assert [(line.whole, len(line.xs)) for line in lines] == [(False, 4), (True, 1)]
    assert latest_text(curves, "loss") == "eval 0.85"


def test_metrics_stand_in_the_order_of_their_weight() -> None:
    curves = curves_of([sample(0, 0, batch_cost=1.0, ips=1.0, CELoss=1.0, top10=1.0, lr=1.0, top5=1.0, loss=1.0)])
    assert metrics_of(curves) == ("loss", "top5", "top10", "lr", "ips", "batch_cost", "CELoss")


@given(st.integers(1, 500), st.integers(0, 20), st.integers(2, 60))
def test_the_scale_is_what_the_log_says(steps: int, first: int, count: int) -> None:
    samples = (sample(first + number // steps, number % steps, total=steps, loss=1.0) for number in range(count))
    scale = scale_of(curves_of(samples), "loss")
    assert scale is not None
    assert (scale.steps, scale.origin) == (pytest.approx(steps), pytest.approx(first if first == 0 else 0, abs=1e-6))


def test_marks_lie_on_steps_of_their_epoch_and_on_steps_counted_through() -> None:
    scale = Scale(100.0, 0.0)
    found = [broken_rule("a", 2.0, 50), broken_rule("b", 2.0, 250), broken_rule("c", 1.0, None, "eval"), broken_rule("d", None, 30)]
    assert [(mark.rule, mark.x) for mark in marks_of(found, "epoch", scale)] == [("d", 0.3), ("c", 2.0), ("a", 2.5), ("b", 2.5)]
    assert [(mark.rule, mark.x) for mark in marks_of(found, "step", scale)] == [("d", 30), ("c", 200), ("a", 250), ("b", 250)]


points = st.lists(
    st.tuples(st.integers(-5000, 5000).map(float), st.floats(-1e6, 1e6)), min_size=1, max_size=30, unique_by=lambda point: point[0]
)


@given(points, st.floats(0, 1))
def test_between_two_points_a_line_stays_between_them(points: list[tuple[float, float]], share: float) -> None:
    xs, ys = zip(*sorted(points), strict=True)
    line = Line("train", False, None, xs, ys)
    x = xs[0] + share * (xs[-1] - xs[0])
    value = value_at(line, min(max(x, xs[0]), xs[-1]))
    assert value is not None
    assert min(ys) - 1e-6 <= value <= max(ys) + 1e-6
    assert value_at(line, xs[-1] + 1 + abs(xs[-1])) is None
    assert [value_at(line, at) for at in xs] == pytest.approx(list(ys))


finite = st.floats(-1e99, 1e99)


@given(finite, finite, st.integers(2, 20), st.booleans())
def test_ticks_are_few_within_the_axis_and_their_labels_short(one: float, other: float, most: int, log: bool) -> None:
    low, high = sorted((one, other))
    if log:
        low, high = (math.copysign(math.log10(1 + abs(value)), value) for value in (low, high))
    if high - low < 1e-6 * max(abs(low), abs(high)) or high - low < 1e-100:
        return
    ticks, labels = Ticks(most, log).get_ticks_and_labels(low, high)
    assert len(ticks) <= most + 1
    assert all(low - 1e-6 * (high - low) <= tick <= high + 1e-6 * (high - low) for tick in ticks)
    assert all(0 < len(label) <= WIDEST for label in labels)
    largest = max(abs(low), abs(high))
    usual = low > -4 and high < 5 if log else 1e-3 < largest < 1e4
    if usual and high - low > 0.02 * (1.0 if log else largest):
        assert len(set(labels)) == len(labels)


def test_latest_values_are_of_all_ranks() -> None:
    assert latest_text(trained(ranks=2), "loss") == "train 6.3 · eval 5.8"


def test_the_readout_names_a_place_alone_where_nothing_is_known() -> None:
    assert readout("loss", 0.5, (), (), "epoch", None) == "epoch 0.5 · no loss here"


def test_a_copied_csv_can_be_read_as_a_reference() -> None:
    curves = trained()
    again = curves_of(read_table(csv_text(curves, "loss", False).splitlines()))
    for phase, whole in (("train", False), ("eval", True)):
        old, new = (one.curve(phase, "loss", whole, axis="epoch") for one in (curves, again))
        assert new.ys == old.ys
        assert new.xs == pytest.approx(old.xs)


def test_a_csv_of_ranks_has_a_column_for_each_and_no_length_without_end() -> None:
    text = csv_text(trained(ranks=2), "loss", True)
    assert text.splitlines()[:2] == ["epoch,step,train_loss_rank0,train_loss_rank1,eval_loss", "0,0,7.0,7.5,"]
    long = curves_of(sample(0, step, total=100_000, loss=math.sin(step)) for step in range(20_000))
    assert len(csv_text(long, "loss", False).splitlines()) <= 2001
