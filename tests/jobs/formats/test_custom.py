"""A user's own regex: what it reads, and what is refused before it can do harm."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aligndbg.errors import UsageError
from aligndbg.jobs.formats.custom import LONGEST_LINE, custom_format
from aligndbg.jobs.formats.parser import LineParser
from aligndbg.jobs.metrics import Sample

PLAIN = r"\[(?P<phase>\w+)\] ep (?P<epoch>\d+) it (?P<step>\d+)/(?P<total_steps>\d+).*loss=(?P<loss>\S+).*acc=(?P<top1>[\d.]+)"


def read(pattern: str, *lines: str, **options) -> list[Sample]:
    parser = LineParser(custom_format(pattern, **options))
    return [sample for line in lines if (sample := parser.feed(line)) is not None]


def test_named_groups_become_a_sample() -> None:
    lines = "hello", "[val] ep 3 it 20/50 | loss=1.25e0 | acc=0.829", "\x1b[1m[train] ep 4 it 0/50 | loss=nan | acc=0.5\x1b[0m"
    first, second = read(PLAIN, *lines, accuracy="fraction")
    assert first == Sample(1, None, None, "eval", 3.0, 20, 50, {"loss": 1.25, "top1": 82.9})
    assert (second.source_line, second.phase) == (2, "train")
    assert str(second.values["loss"]) == "nan"


def test_percents_are_taken_as_they_are() -> None:
    assert read(r"acc (?P<acc1>\S+)", "acc 82.9", phase="eval")[0].values == {"top1": 82.9}


def test_lines_without_a_position_are_steps() -> None:
    assert [s.step for s in read(r"loss (?P<loss>\S+)", "loss 3", "x", "loss 2", "loss -")] == [0, 1]


def test_a_group_without_a_number_is_left_out() -> None:
    pattern = r"loss (?P<loss>\S+)(?: lr (?P<lr>\S+))?"
    assert read(pattern, "loss 3 lr high")[0].values == {"loss": 3.0}
    assert read(pattern, "loss 3")[0].values == {"loss": 3.0}
    assert read(pattern, "loss huge") == []


def test_a_gap_never_looks_back() -> None:
    assert read(r"a.*loss=(?P<loss>\d+)", "loss=1 a loss=2 loss=3")[0].values == {"loss": 2.0}
    assert read(r"loss=(?P<loss>\d+).*?end$", "loss=2 the end")[0].values == {"loss": 2.0}
    assert read(r"(?i)LOSS=(?P<loss>\d+).*LR=(?P<lr>\d+)", "loss=2 lr=3")[0].values == {"loss": 2.0, "lr": 3.0}
    assert read(r"x\.*[.*]loss=(?P<loss>\d+)", "x..*loss=2")[0].values == {"loss": 2.0}
    assert read(r"loss=(?P<loss>\d+)|l.*=(?P<top1>\d+)", "lxx=5")[0].values == {"top1": 5.0}


@pytest.mark.parametrize(
    ("pattern", "sentence", "hint"),
    [
        (r"loss (?P<loss>\S+", "no regular expression: missing \\)", ""),
        (r"loss (?P<los>\S+)", "'los'", "did you mean loss"),
        (r"loss (?P<banana>\S+)", "'banana'", "may be called loss"),
        (r"loss (\S+)", "names no metric", r"loss=\(\?P<loss>"),
        (r"epoch (?P<epoch>\S+)", "names no metric", ""),
        (r"(?P<loss>\d+)" + " " * 1000, "has 1013 characters; 1000", ""),
        (r"(?u)(?P<loss>\d+)", "no regular expression", ""),
        (r"(?P<loss>\d+) (?P<loss>\d+)", "no regular expression: redefinition", ""),
        (r"((?P<loss>a+)+)+b", "could take hours", r"\[\^,\]\*,"),
        (r"(?P<loss>(a|a)*)b", "could take hours", ""),
        (r"(?P<loss>1)(?:.*.*.*x)", "could take hours", ""),
        (r"(?P<loss>1)" + "a?" * 20 + "a" * 20, "could take hours", ""),
        (r"(?P<loss>\d)(?P=loss)", "could take hours", ""),
        (r"(?P<loss>(x*)*)", "could take hours", ""),
        (r"(?i)(?P<loss>1)a+A+a+A+b", "could take hours", ""),
        (r"(?P<loss>1)(?:(?:a{0,9}){0,9}){0,9}b", "could take hours", ""),
    ],
)
def test_a_wrong_pattern_is_refused_with_a_sentence(pattern: str, sentence: str, hint: str) -> None:
    with pytest.raises(UsageError, match=sentence) as refused:
        custom_format(pattern)
    assert re.search(hint, refused.value.hint)


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (PLAIN, "[a] ep 1 it 1/1" * 40),
        (PLAIN, "[a] ep 1 it 1/1 loss=" + "loss=" * 100),
        (r"(?P<loss>\d+).*(?P<lr>\d+).*(?P<ips>\d+).*x", "1" * LONGEST_LINE),
        (r"(?P<loss>\S+) (?P<lr>\S+) (?P<ips>\S+)$", "a " * 256),
        (r"(?:.*)b(?P<loss>[ab]+)c", "b" * LONGEST_LINE),
        (r"(?:\w+,){3}x(?P<loss>\d+)", "a," * 256),
        (r"(?:a )*(?P<loss>\d+)", "a " * 256),
        (r"(?P<loss>[0-9]+)(?: top1 (?P<top1>[0-9]+))?$", "1" * LONGEST_LINE),
    ],
    ids=["gaps", "gaps-repeated", "digits", "blanks", "one-repeat", "group", "group-star", "option"],
)
def test_an_accepted_pattern_ends_soon_on_lines_made_for_it(pattern: str, line: str) -> None:
    parser = LineParser(custom_format(pattern))
    began = time.perf_counter()
    parser.feed(line + "!")
    parser.feed(line * 2000)
    assert time.perf_counter() - began < 2.0


PARTS = [r"a", r"b", r"[ab]", r"\d", r"\S", r".", r"(?:ab)", r"(?:a|b)", r"(?>a)"]
pieces = st.builds(
    lambda part, repeat: part + repeat, st.sampled_from(PARTS), st.sampled_from(["", "", "*", "+", "?", "*?", "{0,3}", "++"])
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(pieces, min_size=1, max_size=6), st.booleans(), st.text(alphabet="ab1", min_size=1, max_size=3), st.integers(1, 600)
)
def test_whatever_is_accepted_is_quick(parts: list[str], grouped: bool, unit: str, times: int) -> None:
    body = "".join(parts)
    try:
        format = custom_format(f"(?:{body})+(?P<loss>x)" if grouped else f"{body}(?P<loss>x)")
    except UsageError:
        return
    began = time.perf_counter()
    LineParser(format).feed(unit * times)
    assert time.perf_counter() - began < 2.0


@given(st.text(max_size=60))
def test_no_text_is_a_pattern_that_raises_anything_else(pattern: str) -> None:
    try:
        custom_format(pattern)
    except UsageError:
        return
