"""Names and messages come from models, files and children: none of them may reach the terminal as anything but text."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.core.findings import Finding, Proof
from aligndbg.core.layers import Call, LayerPair, TensorSpec
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.errors import ChildDied
from aligndbg.report.display import KINDS, open_display
from aligndbg.report.document import Document
from aligndbg.report.listings import PairSummary, pairs_document, plan_document, sessions_document
from aligndbg.report.markdown import code, markdown, prose
from aligndbg.report.terminal import plain, write
from aligndbg.report.text import error_document, report_document
from aligndbg.report.visible import visible
from aligndbg.store.listing import SessionSummary
from aligndbg.weights.plan import WeightPlan, WeightRule
from aligndbg.workflows import events
from aligndbg.workflows.report_model import Report

HOSTILE = "[red]l0[/red]\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202egnp.\ud800\u2028[/]"

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")
"""Anything but printable text and line feeds."""

OWN_STYLES = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@given(st.text())
def test_visible_is_one_harmless_line(text: str) -> None:
    shown = visible(text)
    assert not CONTROL.search(shown) and "\n" not in shown
    shown.encode()
    assert visible(shown) == shown


def test_ordinary_text_is_left_alone() -> None:
    for text in ("features.3.relu#2", "卷积层", "naïve — ✓", "C:\\models"):
        assert visible(text) == text


def _documents(hostile: Report) -> list[Document]:
    rule = WeightRule(HOSTILE, HOSTILE, HOSTILE, HOSTILE, flags=(HOSTILE,))
    path = Path("sessions")
    return [
        report_document(hostile),
        error_document(ChildDied(HOSTILE, HOSTILE, HOSTILE)),
        plan_document(WeightPlan((rule,), (HOSTILE,), (HOSTILE,))),
        pairs_document([PairSummary(HOSTILE, HOSTILE, HOSTILE, HOSTILE, None, HOSTILE)], path),
        sessions_document([SessionSummary(path, HOSTILE, HOSTILE, HOSTILE, "failed", "error", HOSTILE)], path),
        sessions_document([SessionSummary(path, HOSTILE, error=HOSTILE)], path),
    ]


@pytest.mark.parametrize("width", [None, 40, 100])
def test_documents(hostile: Report, width: int | None) -> None:
    for document in _documents(hostile):
        text = plain(document, width)
        assert not CONTROL.search(text)
        if width is None:
            assert "[red]l0[/red]" in text, "markup is shown, not obeyed"


def test_on_a_terminal(hostile: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for document in _documents(hostile):
        stream = Terminal()
        write(document, stream)
        assert not CONTROL.search(OWN_STYLES.sub("", stream.getvalue()))


def test_markdown_holds_no_markup_of_theirs(hostile: Report) -> None:
    text = markdown([hostile, hostile])
    assert not CONTROL.search(text)
    outside_code = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert "<b>" not in outside_code
    assert "@team" not in outside_code
    for row in re.findall(r"^\|.*\|$", text, re.MULTILINE):
        cells = re.findall(r"(?<!\\)\|", row)
        assert len(cells) in {4, 6, 8}


@given(st.text(alphabet="`|a\\ \n", min_size=1))
def test_code_spans_close_where_they_should(text: str) -> None:
    shown = code(text)
    fence = re.match("`+", shown)
    assert fence is not None
    inner = shown[len(fence[0]) : -len(fence[0])]
    assert shown.endswith(fence[0])
    assert fence[0] not in re.findall("`+", inner)
    assert not re.search(r"(?<!\\)\|", shown)


def test_prose_stays_text() -> None:
    assert prose("see @you, #12, <img>, [x](http://y)") == ("see @<!-- -->you, #<!-- -->12, &lt;img&gt;, \\[x\\](http:<!-- -->//y)")


@pytest.mark.parametrize("kind", KINDS)
def test_displays(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    display = open_display(kind, stream)  # type: ignore[arg-type]
    call = Call(0, HOSTILE, HOSTILE, HOSTILE, (TensorSpec((1,)),))
    for event in (
        events.RunStarted(HOSTILE, HOSTILE, HOSTILE),
        events.SideProgress(HOSTILE, HOSTILE, HOSTILE),
        events.SideReady(HOSTILE, {HOSTILE: HOSTILE}),
        events.Notice("warning", HOSTILE, HOSTILE),
        events.Downloading(HOSTILE, 1, 2),
        events.WeightsReady(HOSTILE, HOSTILE),
        events.LayersPaired((LayerPair(0, call, call, HOSTILE, HOSTILE),)),
        events.LayerDiffed(LayerResult(0, Verdict.ERROR, True, note=HOSTILE)),
        events.FindingMade(Finding(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, Proof(1.0, 0.0, "experiment"))),
        events.RunFailed(ChildDied(HOSTILE, HOSTILE, HOSTILE)),
    ):
        display.show(event)
    display.close()
    own = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
    assert not CONTROL.search(own.sub("", stream.getvalue()).replace("\r", ""))
    assert "\x1b]" not in stream.getvalue() and "\x1b[31m" not in stream.getvalue() and "\x1b[2J" not in stream.getvalue()
