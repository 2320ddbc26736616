"""Lines as pipes, terminals, launchers and enemies make them."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligndbg.jobs.formats import own
from aligndbg.jobs.formats.detection import FORMATS, DetectingParser
from aligndbg.jobs.formats.parser import LineParser
from aligndbg.jobs.formats.text import LONGEST, redraws
from aligndbg.jobs.metrics import CANONICAL, Sample
from aligndbg.jobs.series import Curves
from aligndbg.jobs.violation import Measured
from aligndbg.jobs.watch import Watch, standard_rules

LINES = {
    "paddleclas": "[2031/05/02 08:00:03] ppcls INFO: [Train][Epoch 2/90][Iter: 10/40]top1: 0.12500, loss: 6.75000, eta: 0:00:22",
    "paddleclas-old": "[2031-05-02 08:00:03,500] [    INFO] logger.py:68 - epoch:3  , train step:20   , top1: 0.125, loss: 6.75",
    "torchvision": "Epoch: [1]  [ 2/40]  eta: 0:01:05  lr: 0.01  loss: 6.7500 (6.8930)  acc1: 12.5000 (6.2500)",
    "timm": "Train: 2 [  50/5004 (  1%)]  Loss: 6.75 (6.97)  Time: 0.413s,  620.10/s  (0.450s,  568.00/s)  LR: 1.000e-05",
    "pytorch-examples": "Epoch: [4][1/5]\tTime  4.700 ( 4.900)\tLoss 6.7500e+00 (6.9700e+00)\tAcc@1  12.50 (  6.25)",
    "aligndbg": '{"phase": "train", "epoch": 0.0, "step": 3, "loss": 6.75}',
}
BY_NAME = {format.name: format for format in FORMATS}


def read(name: str, line: str, rank: int | None = None) -> Sample | None:
    return LineParser(BY_NAME[name], rank).feed(line)


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "\n"),
        ("", "\r\n"),
        ("  0%|          | 0/40\r 50%|#####     | 20/40\r", ""),
        ("", "\r 50%|#####     | 20/40"),
        ("\x1b[32m", "\x1b[0m"),
        ("\x1b[2K\x1b[1;38;5;3m", "\x1b[m\x1b]0;title\x07"),
    ],
    ids=["line-feed", "crlf", "after-a-bar", "before-a-bar", "coloured", "titled"],
)
def test_a_terminals_additions_do_not_hide_metrics(name: str, before: str, after: str) -> None:
    sample = read(name, before + LINES[name] + after)
    assert sample is not None and sample.values["loss"] == 6.75


def test_a_colour_inside_a_record_is_no_part_of_it() -> None:
    sample = read("paddleclas", LINES["paddleclas"].replace("6.75000", "\x1b[31m6.75000\x1b[0m"))
    assert sample is not None and sample.values["loss"] == 6.75


def test_a_colour_inside_a_word_does_not_hide_the_record() -> None:
    sample = read("paddleclas", LINES["paddleclas"].replace("Epoch", "\x1b[1mEpoch"))
    assert sample is not None and sample.values["loss"] == 6.75


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("prefix", ["[default2]:", "[rank2]: ", "[1,2]<stdout>:", "2: ", "  [trainer2]: "])
def test_a_launchers_prefix_names_the_rank(name: str, prefix: str) -> None:
    sample = read(name, prefix + LINES[name], rank=0)
    assert sample is not None and sample.rank == 2


def test_the_newest_state_of_a_redrawn_line_counts() -> None:
    line = "\r".join(LINES["torchvision"].replace("6.7500", f"{loss}.0000") for loss in (9, 8, 7))
    sample = read("torchvision", line)
    assert sample is not None and sample.values["loss"] == 7.0


@pytest.mark.parametrize("name", ["paddleclas", "paddleclas-old"])
def test_two_records_in_one_line_are_not_mixed(name: str) -> None:
    sample = read(name, LINES[name] + LINES[name].replace("loss", "lr").replace("6.75", "9.75"))
    assert sample is not None and sample.values["loss"] == 6.75 and "lr" not in sample.values


def test_ranks_that_share_a_file_keep_their_own_epochs() -> None:
    parser = LineParser(BY_NAME["torchvision"])
    parser.feed("[rank0]: " + LINES["torchvision"])
    parser.feed("[rank1]: " + LINES["torchvision"].replace("[1]", "[2]"))
    results = [parser.feed(f"[rank{rank}]: Test:  Acc@1 87.500 Acc@5 97.000") for rank in (0, 1)]
    assert [sample and sample.epoch for sample in results] == [1.0, 2.0]


@pytest.mark.parametrize("name", LINES)
def test_a_cut_line_gives_no_wrong_names(name: str) -> None:
    whole = read(name, LINES[name])
    assert whole is not None
    for end in range(len(LINES[name])):
        cut = read(name, LINES[name][:end])
        assert cut is None or cut.values.keys() <= whole.values.keys()


UNITS = [*LINES.values(), "[Train][Epoch ", '{"phase":', "\r", "\x1b["]
hostile = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="[]():/,. \t\r\x1b\x00*0123456789eE+-", max_size=200),
    st.builds(
        lambda line, cut, junk: line[:cut] + junk + line[cut:],
        st.sampled_from(list(LINES.values())),
        st.integers(0, 120),
        st.text(max_size=20),
    ),
    st.builds(lambda unit, times: unit * times, st.sampled_from(UNITS), st.integers(1, 200)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(hostile, max_size=4))
def test_no_line_raises_and_what_is_read_is_sound(lines: list[str]) -> None:
    for parser in (DetectingParser(), *(LineParser(format) for format in FORMATS)):
        curves, watch = Curves(8), Watch(standard_rules(target_top1=50.0, schedule=float))
        for number, line in enumerate(lines):
            sample = parser.feed(line)
            if sample is not None:
                assert sample.source_line == number
                assert sample.phase in ("train", "eval")
                assert sample.values and all(isinstance(value, float) for value in sample.values.values())
                assert (sample.step is None or sample.step >= 0) and (sample.rank is None or sample.rank >= 0)
                watch.see(Measured(sample, 0.0))
                curves.add(sample)
                for phase, metric, whole in curves.metrics():
                    assert all(map(math.isfinite, curves.curve(phase, metric, whole, axis="epoch", columns=4).ys))


@pytest.mark.parametrize(
    "unit",
    [
        *LINES.values(),
        *("a", "0", "[", "(", " ", "\t", "\x1b", "\x1b[", "\x1b]", "\r", "1.", "e", "nan", "-", ":", "loss: ", "loss:", "Acc@1 "),
        *("[Train][Epoch 1]", "[Eval][Epoch 1][Iter: 1/1]", "epoch:1 train step:1 ", "Epoch: [0]  [1/2]  ", "Test: [1/2]", "* "),
        *("2031-05-02 08:00:0", "END epoch:1 ", "(1 days, ", "loss: 1 (", "top1_acc': ", "A_", "0: ", '{"phase":', "step:"),
    ],
)
def test_a_megabyte_line_takes_no_time(unit: str) -> None:
    line = (unit * (1_000_000 // len(unit) + 1))[:1_000_000]
    began = time.perf_counter()
    for format in FORMATS:
        parser = LineParser(format)
        for word in format.words:  # Without one of its words a format does not look at the line.
            parser.feed(word + line)
            parser.feed(line[:4000] + word)
    assert time.perf_counter() - began < 5.0


def test_a_long_line_is_read_at_its_states_starts_only() -> None:
    assert [len(state) for state in redraws("x" * 10_000 + "\ry")] == [1, LONGEST]


positions = st.none() | st.integers(0, 10**8)
written = st.builds(
    Sample,
    source_line=st.just(0),
    time=st.none() | st.floats(0, 1e11),
    rank=positions,
    phase=st.sampled_from(["train", "eval"]),
    epoch=st.none() | st.floats(0, 1e6),
    step=positions,
    total_steps=positions,
    values=st.dictionaries(st.sampled_from([*CANONICAL, "mAP", "größe"]), st.floats(), min_size=1),
)


@given(written)
def test_our_own_lines_are_read_as_they_were_written(sample: Sample) -> None:
    line = own.write_line(sample)
    assert line.count("\n") == 1
    again = read("aligndbg", line)
    assert repr(again) == repr(sample)  # repr: NaN is not equal to itself.


def test_a_metric_may_not_take_a_positions_name() -> None:
    with pytest.raises(ValueError, match="epoch"):
        own.write_line(Sample(0, None, None, "train", 0.0, 0, 1, {"epoch": 1.0}))


@pytest.mark.parametrize(
    "line", ['{"phase": "train", "loss": 6.', '{"phase": "nap", "loss": 1}', '["phase"]', '{"phase": "train"}', "{" * 4000]
)
def test_other_json_is_not_ours(line: str) -> None:
    assert read("aligndbg", line) is None
    assert read("aligndbg", '{"phase":' + "[" * 3000) is None


@pytest.mark.parametrize("epoch", ["1e300", "-1", "NaN", '"inf"', "1" + "0" * 400, "true", "[]"])
def test_an_impossible_epoch_is_left_out_and_its_metrics_are_not(epoch: str) -> None:
    sample = read("aligndbg", f'{{"phase": "train", "epoch": {epoch}, "step": 1, "loss": 2.5}}')
    assert sample is not None and sample.epoch is None and sample.values == {"loss": 2.5}
