"""Curves from a CSV."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.errors import InputError
from aligndbg.jobs.formats.table import read_table
from aligndbg.jobs.metrics import Sample
from aligndbg.jobs.series import Curves


def test_a_summary_of_epochs() -> None:
    lines = ["epoch,train_loss,eval_loss,eval_top1,lr\r\n", "0,6.5,6.25,1.5,0.1\r\n", "1,5.5,nan,,0.05\r\n"]
    train, evaluated, later, broken = read_table(lines)
    assert train == Sample(1, None, None, "train", 0.0, None, None, {"loss": 6.5, "lr": 0.1})
    assert evaluated == Sample(1, None, None, "eval", 0.0, None, None, {"loss": 6.25, "top1": 1.5})
    assert later == Sample(2, None, None, "train", 1.0, None, None, {"loss": 5.5, "lr": 0.05})
    assert broken.values.keys() == {"loss"} and math.isnan(broken.values["loss"])


def test_steps_and_rows_without_a_position() -> None:
    assert [s.step for s in read_table(["Step, Loss, note", "10, 3.5, a", "20, 3.25, b"])] == [10, 20]
    assert [(s.step, s.phase) for s in read_table(["val_acc1", "1", "2"])] == [(0, "eval"), (1, "eval")]
    curves = Curves()
    for sample in read_table(["loss", "3", "2"]):
        curves.add(sample)
    assert (curves.curve("train", "loss").xs, curves.curve("train", "loss").ys) == ((0.0, 1.0), (3.0, 2.0))


@pytest.mark.parametrize("lines", [[], [""], ["epoch,step", "1,2"], ["\x00\x01", "1"]])
def test_a_table_without_a_metric_is_refused(lines: list[str]) -> None:
    with pytest.raises(InputError, match="names no metric") as refused:
        list(read_table(lines))
    assert "top1" in refused.value.hint


@given(st.lists(st.text(), max_size=5))
def test_no_rows_raise(rows: list[str]) -> None:
    for sample in read_table(["epoch,step,loss", *rows]):
        assert sample.values.keys() == {"loss"}
