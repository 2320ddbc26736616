"""A log is read on as it grows, and anew where it was cut or replaced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aligndbg.jobs import tail as module
from aligndbg.jobs.formats.detection import parser_for
from aligndbg.jobs.tail import Tail
from aligndbg.jobs.violation import Heard, Measured


def said(tail: Tail, at_end: bool = False) -> list[str]:
    events, _ = tail.step(at_end)
    return [event.text for event in events if isinstance(event, Heard)]


def test_a_log_that_is_cut_and_grows_again_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    tail = Tail(path, None, parser_for(None))
    assert said(tail) == []
    path.write_text("first\nsecond\nhalf")
    assert said(tail) == ["first", "second"]
    path.write_text("new\n")
    assert said(tail) == ["new"]


def test_a_log_that_is_replaced_by_a_longer_one_is_read_anew(tmp_path: Path) -> None:
    path, other = tmp_path / "log", tmp_path / "other"
    path.write_text("one\n")
    tail = Tail(path, None, parser_for(None))
    assert said(tail) == ["one"]
    other.write_text("another that is longer\n")
    other.rename(path)
    assert said(tail) == ["another that is longer"]


def test_a_line_without_an_end_counts_once_nobody_writes_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("begun")
    tail = Tail(path, None, parser_for(None))
    assert said(tail) == []
    assert said(tail, at_end=True) == ["begun"]
    assert said(tail, at_end=True) == []


def test_a_long_log_is_read_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 10)
    path = tmp_path / "log"
    lines = [f"line {number}" for number in range(20)]
    path.write_text("\n".join(lines))
    tail = Tail(path, None, parser_for(None))
    found: list[str] = []
    more = True
    while more:
        events, more = tail.step(at_end=True)
        assert len(events) <= 2
        found += [event.text for event in events if isinstance(event, Heard)]
    assert found == lines


def test_a_line_that_never_ends_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_LINE", 100)
    path = tmp_path / "log"
    path.write_text("x" * 150)
    assert said(Tail(path, None, parser_for(None))) == ["x" * 150]


def test_metrics_speak_for_the_rank_that_wrote_them(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps({"phase": "train", "rank": rank, "step": 0, "loss": 1.5}) + "\n" for rank in (0, 1)))
    events, _ = Tail(path, None, parser_for("aligndbg")).step()
    assert [event.rank for event in events if isinstance(event, Heard)] == [0, 1]
    assert [event.sample.values["loss"] for event in events if isinstance(event, Measured)] == [1.5, 1.5]
