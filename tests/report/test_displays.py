from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aligndbg.core.findings import Finding, Proof, Status
from aligndbg.core.layers import Call, LayerPair, TensorSpec
from aligndbg.core.stats import Diff, DiffDetail, DiffStats, TensorStats
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.errors import ChildDied, UsageError
from aligndbg.report.display import NoDisplay, open_display
from aligndbg.report.lines import LogLines, PlainLines
from aligndbg.report.live import LiveDisplay
from aligndbg.report.terminal import plain, write
from aligndbg.report.text import error_document, report_document
from aligndbg.weights.plan import WeightPlan
from aligndbg.workflows import events
from aligndbg.workflows.report_model import Report


def _call(index: int) -> Call:
    return Call(index, f"features.{index}", "relu", "ReLU", (TensorSpec((1, 8)),))


def _result(index: int, max_abs: float) -> LayerResult:
    tensor = TensorStats(8, -1.0, 1.0, 0.0, 0.5, 0, 0, 0)
    stats = DiffStats(max_abs, 0.0, 0.0, 0.0, 1.0, 0.0, 0, 0, (0,))
    verdict = Verdict.BORN if max_abs > 1e-4 else Verdict.OK
    return LayerResult(index, verdict, max_abs > 1e-4, Diff(tensor, tensor, stats, DiffDetail(0, (), 8, (), None, ())))


def _run(report: Report) -> list[events.Event]:
    layers = (*(LayerPair(k, _call(k), _call(k), "type+order", "") for k in range(3)), LayerPair(3, _call(3), None, "unpaired", ""))
    return [
        events.RunStarted("tiny", "a tiny pair", "sessions/x"),
        events.SideProgress("torch", "importing"),
        events.SideProgress("paddle", "importing"),
        events.SideReady("torch", {"torch": "2.13.0", "threads": 2}),
        events.SideReady("paddle", {"paddle": "3.3.1"}),
        *(events.Downloading("w.pth", done << 20, 8 << 20) for done in range(9)),
        events.WeightsReady("download", "b66bff10" * 8),
        events.Notice("warning", "the weights are random", "download them"),
        events.LayersPaired(layers),
        events.WeightsPlanned(WeightPlan((), ("a",), ())),
        events.LayerDiffed(_result(0, 1e-8)),
        events.LayerDiffed(_result(1, 0.71)),
        events.LayerDiffed(_result(2, 3e-8)),
        events.LayerDiffed(_result(2, 3e-8)),
        events.RunEnded(report),
    ]


def test_plain_lines(aligned: Report) -> None:
    shown: list[str] = []
    display = PlainLines(shown.append)
    for event in _run(aligned):
        display.show(event)
    assert shown == [
        "tiny: a tiny pair",
        "  torch: importing",
        "  paddle: importing",
        "  torch: ready, torch 2.13.0 · threads 2",
        "  paddle: ready, paddle 3.3.1",
        "  downloading w.pth: 0.0 of 8.0 MiB",
        "  downloading w.pth: 2.0 of 8.0 MiB",
        "  downloading w.pth: 4.0 of 8.0 MiB",
        "  downloading w.pth: 6.0 of 8.0 MiB",
        "  downloading w.pth: 8.0 of 8.0 MiB",
        "  weights: download, sha256 b66bff10b66b",
        "  warning: the weights are random (download them)",
        "  layers: 3 paired, 1 unpaired",
        "  weights: 0 tensors mapped, 1 unfilled, 0 unused",
        "  3 layers compared, largest max|d| 0.71",
        "  done in 2.3 s",
    ]


def test_log_lines(aligned: Report) -> None:
    shown: list[str] = []
    display = LogLines(shown.append, lambda: datetime(2026, 1, 1, 12, 0, 0, 123456, UTC))
    for event in [*_run(aligned), events.RunFailed(UsageError("no such pair"))]:
        display.show(event)
    assert all(line.startswith("2026-01-01T12:00:00.123Z ") for line in shown)
    assert len(shown) == len(_run(aligned)) + 1
    said = [line.removeprefix("2026-01-01T12:00:00.123Z ") for line in shown]
    assert said[0] == "INFO tiny: started, session sessions/x"
    assert "WARNING tiny: layer features.1: born, max|d| 0.71" in said
    assert "WARNING tiny: the weights are random (download them)" in said
    assert said[-1] == "ERROR tiny: no such pair"


EPSILON = Finding(
    "epsilon",
    "bn0",
    "bn0",
    "paddle",
    "bn0 adds another epsilon",
    "",
    Proof(None, None, "attribute"),
    Status.WARNING,
    old="epsilon=1e-3",
    new="epsilon=1e-5",
)
CAUSE = replace(EPSILON, status=Status.FOUND, evidence=Proof(0.03, 0.0, "attribute"))


def _findings() -> list[events.Event]:
    """Two layers of one fault, which is suspected first and known later."""
    warned = [events.FindingMade(replace(EPSILON, layer=f"bn{k}")) for k in range(2)]
    found = [events.FindingMade(replace(CAUSE, layer=f"bn{k}")) for k in range(2)]
    return [events.RunStarted("tiny", "", ""), *warned, *found]


def test_a_kind_of_finding_is_told_once_while_the_run_goes_on() -> None:
    shown: list[str] = []
    display = PlainLines(shown.append)
    told = ["tiny", "  warning: bn0: epsilon: bn0 adds another epsilon", "  found: bn0: epsilon: bn0 adds another epsilon"]
    for event in _findings():
        display.show(event)
    assert shown == told
    for event in _findings():
        display.show(event)
    assert shown == [*told, *told], "another run tells its own"


def test_the_log_has_every_finding() -> None:
    shown: list[str] = []
    display = LogLines(shown.append)
    for event in _findings():
        display.show(event)
    said = [line.partition("Z ")[2] for line in shown[1:]]
    assert [line.split(": epsilon")[0] for line in said] == [
        "WARNING tiny: warning: bn0",
        "WARNING tiny: warning: bn1",
        "WARNING tiny: found: bn0",
        "WARNING tiny: found: bn1",
    ]


def test_findings_stay_above_the_live_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    display = LiveDisplay(stream)
    for event in _findings():
        display.show(event)
    display.close()
    assert stream.getvalue().count("found: bn0: epsilon: bn0 adds another epsilon") == 1
    assert stream.getvalue().count("warning: bn0: epsilon") == 1
    assert "bn1" not in stream.getvalue()


def test_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(open_display("auto", io.StringIO()), PlainLines)
    assert isinstance(open_display("auto", Terminal()), LiveDisplay)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(open_display("auto", Terminal()), PlainLines)
    assert isinstance(open_display("none", Terminal()), NoDisplay)
    assert isinstance(open_display("log", Terminal()), LogLines)


def test_a_reader_that_went_away_does_not_end_the_run(aligned: Report) -> None:
    class Gone(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            Gone.writes += 1
            raise BrokenPipeError

    display = open_display("plain", Gone())
    for event in _run(aligned):
        display.show(event)
    assert Gone.writes == 1


CHILD = """
import sys, time
sys.path.insert(0, sys.argv[1])
import test_displays, conftest
from aligndbg.report.display import open_display
display = open_display("full")
for event in test_displays._run(conftest.aligned._get_wrapped_function()()):
    display.show(event)
    time.sleep(0.03)
display.close()
display.close()
print("the result")
"""


def _on_a_pty(script: str, environment: dict[str, str]) -> str:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(Path(__file__).parent)],
        stdin=child,
        stdout=child,
        stderr=child,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **environment},
    )
    os.close(child)
    seen = b""
    while select.select([parent], [], [], 20)[0]:
        try:
            read = os.read(parent, 65536)
        except OSError:
            break
        if not read:
            break
        seen += read
    os.close(parent)
    assert process.wait() == 0, seen.decode()
    return seen.decode()


def test_live_display_on_a_terminal() -> None:
    seen = _on_a_pty(CHILD, {})
    for words in ("importing", "ready", "8.0 MiB", "3 of 3, largest max|d| 0.71", "the weights are random"):
        assert words in seen
    # The cursor is shown again, and the result stands on a line that the rows have left.
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")
    assert seen.endswith("the result\r\n")
    assert "\x1b[33m" in seen


def test_no_color_means_no_colour() -> None:
    seen = _on_a_pty(CHILD, {"NO_COLOR": "1"})
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", seen)
    assert "the weights are random" in seen


class Stream(io.StringIO):
    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


def test_colour_is_for_terminals_and_who_asks_for_it(broken: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    stream = Stream()
    write(report_document(broken), stream)
    assert stream.getvalue() == plain(report_document(broken))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Stream()
    write(report_document(broken), stream)
    assert "\x1b[1;31m" in stream.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()) == plain(report_document(broken), 100)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "no such encoding"])
def test_poor_encodings_lose_glyphs_not_words(broken: Report, encoding: str) -> None:
    stream = Stream(encoding)
    write(report_document(broken), stream)
    if encoding != "no such encoding":
        stream.getvalue().encode(encoding)
    assert "x born" in stream.getvalue()


def test_an_error_is_one_line_and_what_to_try() -> None:
    assert plain(error_document(UsageError("there is no pair 'squeeznet'", "did you mean squeezenet1_0?"))) == (
        "error: there is no pair 'squeeznet'\ntry: did you mean squeezenet1_0?\n"
    )
    words = "\n".join(f"line {k}" for k in range(100))
    shown = plain(error_document(ChildDied("the paddle child died", "", words))).splitlines()
    assert shown[0] == "error: the paddle child died"
    assert shown[-1] == "  line 99" and len(shown) == 22
