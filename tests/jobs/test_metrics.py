"""One set of names and units for what every trainer calls its own way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.jobs.metrics import CANONICAL, canonical, is_accuracy, percent


@pytest.mark.parametrize(
    ("spelled", "known"),
    [
        *(("Acc@1", "top1"), ("acc5", "top5"), ("top1_acc", "top1"), ("prec@5", "top5"), ("top-1", "top1"), ("top10", "top10")),
        *(("LR", "lr"), ("learning_rate", "lr"), ("img/s", "ips"), ("Time", "batch_cost"), ("elapse", "batch_cost")),
        *(
            ("Data", "reader_cost"),
            ("eta", "eta_s"),
            ("Loss", "loss"),
            ("CELoss", "CELoss"),
            ("mAP", "mAP"),
            ("recall1", "recall1"),
        ),
    ],
)
def test_a_metric_has_one_name(spelled: str, known: str) -> None:
    assert canonical(spelled) == known


def test_canonical_names_stay_as_they_are() -> None:
    assert [canonical(name) for name in CANONICAL] == list(CANONICAL)
    assert [name for name in CANONICAL if is_accuracy(name)] == ["top1", "top5"]


@given(st.integers(0, 100_000))
def test_a_printed_fraction_becomes_the_percent_that_one_would_write(hundred_thousandths: int) -> None:
    assert percent(hundred_thousandths / 100_000) == float(f"{hundred_thousandths}e-3")
