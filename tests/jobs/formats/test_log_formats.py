"""What is read from a line of each trainer, on excerpts in the form that the trainers print."""

# ruff: noqa: E501  (lines as they are printed)
from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from aligndbg.errors import UsageError
from aligndbg.jobs.formats.detection import FORMATS, DetectingParser, detect, parser_for, parser_named
from aligndbg.jobs.metrics import Sample

NEW = """\
[2031/05/02 08:00:00] ppcls INFO:     learning_rate : 0.02
[2031/05/02 08:00:03] ppcls INFO: [Train][Epoch 2/90][Iter: 10/4]lr(CosineAnnealingDecay): 0.01850656, top1: 0.12500, top5: 0.25000, CELoss: 6.50000, loss: 6.75000, batch_cost: 2.50000s, reader_cost: 0.03125, ips: 3.25000 samples/s, eta: 1 day, 0:00:22
[2031/05/02 08:00:09] ppcls INFO: [Train][Epoch 2/90][Avg]top1: 0.12500, top5: 0.25000, CELoss: 6.50000, loss: 6.50000
[2031/05/02 08:00:10] ppcls INFO: [Eval][Epoch 2][Iter: 0/3]CELoss: 0.71490, loss: 0.71490, top1: 0.82900, top5: 0.95455, batch_cost: 0.99655s, reader_cost: 0.00491, ips: 16.05544 images/sec
[2031/05/02 08:00:12] ppcls INFO: [Eval][Epoch 0][Avg]CELoss: 0.62851, loss: 0.62851, top1: 0.82900, top5: 0.95900
[2031/05/02 08:00:12] ppcls INFO: [Eval][Epoch 2][best metric: 0.829]
[2031/05/02 08:00:12] ppcls INFO: [Eval][Epoch 2][Avg]recall1: 0.94507, recall5: 0.98248, mAP: 0.85827
[2031/05/02 08:00:13] ppcls INFO: Already save model in ./output/best_model"""
OLD = """\
[2031-05-02 08:00:00,250] [    INFO] logger.py:68 -     batch_size : 64
[2031-05-02 08:00:03,500] [    INFO] logger.py:68 - epoch:3  , train step:20   , top1: 0.12500, top5: 0.25000, loss: 6.75000, lr: 0.020000, batch_cost: 2.50000 s, reader_cost: 0.03125 s, ips: 3.25000 images/sec, eta: 0:01:05
[2031-05-02 08:00:04,000] [    INFO] logger.py:68 - END epoch:3   train top1: 0.50000, top5: 0.75000, loss: 6.50000,  batch_cost: 4.00000 s, reader_cost: 0.01986 s, batch_cost_sum: 16.00000 s, ips: 2.00000 images/sec.
[2031-05-02 08:00:05,000] [    INFO] logger.py:68 - valid step:10  , top1: 0.82900, top5: 1.00000, loss: 0.71490, lr: 0.000000, batch_cost: 1.25000 s, reader_cost: 0.00924 s, ips: 13.00000 images/sec
[2031-05-02 08:00:06,000] [    INFO] logger.py:68 - END epoch:3   valid top1: 0.82900, top5: 0.95900, loss: 0.62851,  batch_cost: 1.00583 s, ips: 7.95364 images/sec.
[2031-05-02 08:00:06,000] [    INFO] logger.py:68 - The best top1 acc 0.82900, in epoch: 3
2031-05-02 08:00:07 INFO: epoch:4  , train step:0   , loss: 4.53660, lr: 0.003750, batch_cost: 0.50000 s
epoch:5    train    step:13    loss:7.9561    top1:0.0156    top5:0.1094    lr:0.100000    elapse:0.193s
train step:890  loss:  6.8473 lr: 0.100000 elapse: 0.157s
{'top1_acc': 0.829}"""
TORCHVISION = """\
Epoch: [1]  [ 2/40]  eta: 0:01:05  lr: 0.01  img/s: 5.996201537255171  loss: 6.8619 (6.8930)  acc1: 12.5000 (6.2500)  acc5: 25.0000 (18.7500)  time: 1.8975  data: 0.1590  max mem: 2013
Epoch: [1] Total time: 0:00:11
Test:   [ 3/10]  eta: 0:00:31  loss: 0.3027 (0.5298)  acc1: 90.0000 (86.6667)  acc5: 95.0000 (95.5000)  time: 3.9900  data: 0.9899
Test: EMA  [ 3/10]  eta: 0:00:31  loss: 0.3027 (0.5298)  acc1: 90.0000 (86.6667)  acc5: 95.0000 (95.5000)  time: 3.9900  data: 0.9899
Test:  Total time: 0:00:34
Test:  Acc@1 87.500 Acc@5 97.000
 * Acc@1 87.500 Acc@5 97.000"""
TIMM = """\
Train: 2 [  50/5004 (  1%)]  Loss: 6.95 (6.97)  Time: 0.413s,  620.10/s  (0.450s,  568.00/s)  LR: 1.000e-05  Data: 0.012 (0.020)
Test: [  10/195]  Time: 0.254 (0.300)  Loss:   1.214 ( 1.310)  Acc@1:  80.000 ( 70.500)  Acc@5:  92.000 ( 90.250)
Test: [ 195/195]  Time: 0.254 (0.300)  Loss:   1.214 ( 1.310)  Acc@1:  80.000 ( 71.500)  Acc@5:  92.000 ( 91.250)
Test (EMA): [ 195/195]  Time: 0.254 (0.300)  Loss:   1.214 ( 1.310)  Acc@1:  80.000 ( 71.500)  Acc@5:  92.000 ( 91.250)
Test: [  10/40]  Time: 3.629s (3.559s,    7.02/s)  Loss:  0.6168 (0.5661)  Acc@1:  80.000 ( 85.091)  Acc@5:  96.000 ( 96.727)
 * Acc@1 83.900 (16.100) Acc@5 96.400 (3.600)
*** Best metric: 71.5 (epoch 2)
    "top1": 83.9,
    "top1_err": 16.1,"""
EXAMPLES = """\
Epoch: [4][1/5]\tTime  4.700 ( 4.900)\tData  0.685 ( 0.700)\tLoss 6.9673e+00 (6.9700e+00)\tAcc@1  12.50 (  6.25)\tAcc@5  25.00 ( 12.50)
Test: [5/5]\tTime  1.664 ( 1.664)\tLoss 6.5415e+00 (6.6000e+00)\tAcc@1  12.50 (  2.50)\tAcc@5  12.50 ( 12.50)
 *   Acc@1 2.500 Acc@5 12.500"""
OWN = """\
{"time": 1764028805.5, "rank": 1, "phase": "train", "epoch": 0.0, "step": 3, "total_steps": 40, "loss": 6.9, "lr": 0.02}
{"phase": "eval", "epoch": 0, "loss": "nan", "top1": 12.5}"""

EVAL = {"top1": 82.9, "top5": 95.9, "loss": 0.62851}
BATCH = {"top1": 12.5, "top5": 25.0, "loss": 6.75, "batch_cost": 2.5, "reader_cost": 0.03125, "ips": 3.25}
EXPECTED: dict[str, tuple[str, list[tuple[int, str, Any, Any, Any, Mapping[str, float]]]]] = {
    "paddleclas": (
        NEW,
        [
            (1, "train", 1.0, 10, 4, BATCH | {"lr": 0.01850656, "CELoss": 6.5, "eta_s": 86422.0}),
            (2, "train", 1.0, None, None, {"top1": 12.5, "top5": 25.0, "CELoss": 6.5, "loss": 6.5}),
            (
                *(3, "eval", 1.0, 0, 3),
                {"CELoss": 0.7149, "loss": 0.7149, "top1": 82.9, "top5": 95.455, "batch_cost": 0.99655}
                | {"reader_cost": 0.00491, "ips": 16.05544},
            ),
            (4, "eval", None, None, None, EVAL | {"CELoss": 0.62851}),
            (5, "eval", 1.0, None, None, {"best": 82.9}),
            (6, "eval", 1.0, None, None, {"recall1": 0.94507, "recall5": 0.98248, "mAP": 0.85827}),
        ],
    ),
    "paddleclas-old": (
        OLD,
        [
            (1, "train", 3.0, 20, None, BATCH | {"lr": 0.02, "eta_s": 65.0}),
            (
                *(2, "train", 3.0, None, None),
                {
                    "top1": 50.0,
                    "top5": 75.0,
                    "loss": 6.5,
                    "batch_cost": 4.0,
                    "reader_cost": 0.01986,
                    "batch_cost_sum": 16.0,
                    "ips": 2.0,
                },
            ),
            (
                *(3, "eval", 3.0, 10, None),
                {"top1": 82.9, "top5": 100.0, "loss": 0.7149, "batch_cost": 1.25, "reader_cost": 0.00924, "ips": 13.0},
            ),
            (4, "eval", 3.0, None, None, EVAL | {"batch_cost": 1.00583, "ips": 7.95364}),
            (5, "eval", 3.0, None, None, {"best": 82.9}),
            (6, "train", 4.0, 0, None, {"loss": 4.5366, "lr": 0.00375, "batch_cost": 0.5}),
            (7, "train", 5.0, 13, None, {"loss": 7.9561, "top1": 1.56, "top5": 10.94, "lr": 0.1, "batch_cost": 0.193}),
            (8, "train", 5.0, 890, None, {"loss": 6.8473, "lr": 0.1, "batch_cost": 0.157}),
            (9, "eval", 5.0, None, None, {"top1": 82.9}),
        ],
    ),
    "torchvision": (
        TORCHVISION,
        [
            (
                *(0, "train", 1.0, 2, 40),
                {"eta_s": 65.0, "lr": 0.01, "ips": 5.996201537255171, "loss": 6.8619, "top1": 12.5, "top5": 25.0}
                | {"batch_cost": 1.8975, "reader_cost": 0.159, "mem": 2013.0},
            ),
            (
                *(2, "eval", 1.0, 3, 10),
                {"eta_s": 31.0, "loss": 0.5298, "top1": 86.6667, "top5": 95.5, "batch_cost": 3.99, "reader_cost": 0.9899},
            ),
            (
                *(3, "eval", 1.0, 3, 10),
                {"eta_s_ema": 31.0, "loss_ema": 0.5298, "top1_ema": 86.6667, "top5_ema": 95.5}
                | {"batch_cost_ema": 3.99, "reader_cost_ema": 0.9899},
            ),
            (5, "eval", 1.0, None, None, {"top1": 87.5, "top5": 97.0}),
            (6, "eval", 1.0, None, None, {"top1": 87.5, "top5": 97.0}),
        ],
    ),
    "timm": (
        TIMM,
        [
            (0, "train", 2.0, 50, 5004, {"loss": 6.95, "batch_cost": 0.413, "ips": 620.1, "lr": 1e-5, "reader_cost": 0.012}),
            (1, "eval", 2.0, 10, 196, {"batch_cost": 0.254, "loss": 1.31, "top1": 70.5, "top5": 90.25}),
            (2, "eval", 2.0, None, None, {"batch_cost": 0.254, "loss": 1.31, "top1": 71.5, "top5": 91.25}),
            (3, "eval", 2.0, None, None, {"batch_cost_ema": 0.254, "loss_ema": 1.31, "top1_ema": 71.5, "top5_ema": 91.25}),
            (4, "eval", 2.0, 10, 40, {"batch_cost": 3.629, "ips": 7.02, "loss": 0.5661, "top1": 85.091, "top5": 96.727}),
            (5, "eval", 2.0, None, None, {"top1": 83.9, "top5": 96.4}),
            (6, "eval", 2.0, None, None, {"best": 71.5}),
            (7, "eval", 2.0, None, None, {"top1": 83.9}),
            (8, "eval", 2.0, None, None, {"top1_err": 16.1}),
        ],
    ),
    "pytorch-examples": (
        EXAMPLES,
        [
            (0, "train", 4.0, 0, 5, {"batch_cost": 4.7, "reader_cost": 0.685, "loss": 6.9673, "top1": 12.5, "top5": 25.0}),
            (1, "eval", 4.0, 4, 5, {"batch_cost": 1.664, "loss": 6.6, "top1": 2.5, "top5": 12.5}),
            (2, "eval", 4.0, None, None, {"top1": 2.5, "top5": 12.5}),
        ],
    ),
    "aligndbg": (
        OWN,
        [
            (0, "train", 0.0, 3, 40, {"loss": 6.9, "lr": 0.02}),
            (1, "eval", 0.0, None, None, {"loss": math.nan, "top1": 12.5}),
        ],
    ),
}


def samples(name: str, text: str, rank: int | None = None) -> list[Sample]:
    parser = parser_named(name, rank)
    return [sample for line in text.split("\n") if (sample := parser.feed(line)) is not None]


@pytest.mark.parametrize("name", EXPECTED)
def test_every_metric_of_a_log_is_read(name: str) -> None:
    text, expected = EXPECTED[name]
    read = samples(name, text)
    assert [(s.source_line, s.phase, s.epoch, s.step, s.total_steps) for s in read] == [row[:5] for row in expected]
    for sample, row in zip(read, expected, strict=True):
        assert sample.values == pytest.approx(row[5], nan_ok=True), sample


def test_every_format_has_an_excerpt() -> None:
    assert [format.name for format in FORMATS] == ["aligndbg", *(name for name in EXPECTED if name != "aligndbg")]


@pytest.mark.parametrize("name", EXPECTED)
def test_the_format_is_found_from_the_lines(name: str) -> None:
    noise = ["", "site-packages/x.py:1: UserWarning: loss: high", "LAUNCH INFO 2031-05-02 08:00:00,000 Pod completed", "Traceback:"]
    lines = [*noise, *EXPECTED[name][0].split("\n")]
    found = detect(lines)
    assert found is not None and found.name == name
    detecting = DetectingParser()
    read = [sample for line in lines if (sample := detecting.feed(line)) is not None]
    assert detecting.name == name
    assert [s.source_line - len(noise) for s in read] == [row[0] for row in EXPECTED[name][1]]
    assert detect(noise) is None


def test_what_several_formats_share_is_read_before_the_format_is_known() -> None:
    detecting = DetectingParser()
    first = detecting.feed(" * Acc@1 87.500 Acc@5 97.000")
    assert first is not None and first.values == {"top1": 87.5, "top5": 97.0} and detecting.name == ""
    detecting.feed(TIMM.split("\n")[0])
    assert detecting.name == "timm"


def test_an_unknown_format_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="'paddleclass'") as refused:
        parser_named("paddleclass")
    assert refused.value.hint == "did you mean paddleclas?"


def test_a_jobs_log_format_is_a_name_a_regex_or_left_open() -> None:
    assert [parser_for(asked).name for asked in (None, "timm", r"loss (?P<loss>\d+)")] == ["", "timm", "custom"]
    sample = parser_for(r"acc (?P<top1>\S+)", rank=2, first_line=5, accuracy="fraction").feed("acc 0.829")
    assert sample is not None and (sample.source_line, sample.rank, sample.values) == (5, 2, {"top1": 82.9})
    with pytest.raises(UsageError, match="no log format"):
        parser_for("loss=")
    with pytest.raises(UsageError, match="no regular expression"):
        parser_for("(?P<loss>")


def test_stamps_are_the_logs_own_time() -> None:
    new, old = samples("paddleclas", NEW), samples("paddleclas-old", OLD)
    assert new[0].time == datetime(2031, 5, 2, 8, 0, 3).timestamp()
    assert old[0].time == datetime(2031, 5, 2, 8, 0, 3, 500_000).timestamp()
    assert old[5].time == datetime(2031, 5, 2, 8, 0, 7).timestamp()
    assert old[6].time is None
    assert samples("aligndbg", OWN)[0].time == 1764028805.5
    zoned = "2031-05-02T08:00:03.5Z Test:  Acc@1 87.500 Acc@5 97.000"
    assert samples("torchvision", zoned)[0].time == 1935475203.5
    assert samples("torchvision", zoned.replace("Z", "+02:00"))[0].time == 1935475203.5 - 7200
    assert samples("torchvision", zoned.replace("05-02", "02-31"))[0].time is None


def test_the_result_of_an_evaluation_alone_is_that_of_its_end() -> None:
    alone = [line for line in OLD.split("\n") if "END epoch:3   valid" in line or "top1_acc" in line]
    assert [sample.epoch for sample in samples("paddleclas-old", "\n".join(alone))] == [3.0, 3.0]


def test_steps_of_old_pytorch_examples_count_from_0() -> None:
    line = EXAMPLES.split("\n")[0]
    steps = [s.step for s in samples("pytorch-examples", "\n".join(line.replace("1/5", f"{n}/5") for n in (0, 2, 4)))]
    assert steps == [0, 2, 4]
    assert [s.step for s in samples("pytorch-examples", line.replace("1/5", "5/5"))] == [4]


@pytest.mark.parametrize("word", ["nan", "NaN", "inf", "-inf", "Infinity"])
def test_a_loss_that_is_no_number_is_read(word: str) -> None:
    new = samples("paddleclas", NEW.replace("loss: 6.75000", f"loss: {word}"))[0]
    old = samples("paddleclas-old", OLD.replace("loss: 6.75000", f"loss: {word}"))[0]
    torch = samples("torchvision", TORCHVISION.replace("loss: 6.8619 (6.8930)", f"loss: {word} ({word})"))[0]
    timm = samples("timm", TIMM.replace("Loss: 6.95 (6.97)", f"Loss: {word} ({word})"))[0]
    assert [s.values["loss"] for s in (new, old, torch, timm)] == pytest.approx([float(word)] * 4, nan_ok=True)


def test_first_line_and_rank_are_the_readers() -> None:
    parser = parser_named("paddleclas", rank=3, first_line=100)
    read = [sample for line in NEW.split("\n") if (sample := parser.feed(line)) is not None]
    assert (read[0].source_line, read[0].rank) == (101, 3)
    assert samples("aligndbg", OWN, rank=7)[0].rank == 1
    assert samples("aligndbg", OWN, rank=7)[1].rank == 7
