from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aligndbg.core.findings import Finding, Proof, Status
from aligndbg.core.layers import Call, LayerPair, TensorSpec
from aligndbg.core.stats import Diff, DiffDetail, DiffStats, TensorStats
from aligndbg.core.verdict import LayerResult, OnnxDiff, Verdict
from aligndbg.errors import ChildDied, EnvironmentFault
from aligndbg.pairs.schema import ModelSpec, PairSpec
from aligndbg.store.session import open_session
from aligndbg.store.writer import SessionWriter
from aligndbg.weights.plan import WeightPlan, WeightRule
from aligndbg.workflows.events import (
    Downloading,
    Event,
    FindingMade,
    LayerDiffed,
    LayersPaired,
    Notice,
    RunEnded,
    RunFailed,
    RunStarted,
    SideProgress,
    SideReady,
    WeightsPlanned,
    WeightsReady,
)
from aligndbg.workflows.record import load_report, record, replay
from aligndbg.workflows.report_model import ClassScore, LayerReport, OutputReport, Report, WeightsReport, from_json, to_json

PAIR = PairSpec("tiny", ModelSpec("m:f"), ModelSpec("m:f"), description="a tiny pair")
RULE = WeightRule("fc.weight", "fc.weight", "transpose", "Linear stores [in, out]", (1, 0))
STATS = DiffStats(0.71, 0.1, 0.2, 1.0, 0.9, 0.4, 0, 0, (0, 3, 1, 1))


FOUND = Finding(
    "epsilon",
    "a",
    "a",
    "paddle",
    "a adds 1e-3, torch 1e-5",
    "pass epsilon=1e-05",
    Proof(0.71, 0.0, "attribute"),
    source="m.py:7",
    old="epsilon=0.001",
    new="epsilon=1e-05",
)
SUSPECTED = replace(FOUND, status=Status.WARNING, evidence=Proof(None, None, "attribute"))
MISSING = replace(
    FOUND,
    id="unknown",
    layer="b",
    paddle_layer=None,
    status=Status.UNKNOWN,
    source=None,
    old="",
    new="",
    hints=("one", "two"),
)


def _call(index: int, path: str) -> Call:
    return Call(index, path, "relu", "ReLU", (TensorSpec((1, 8)),))


def _diff(max_abs: float) -> Diff:
    tensor = TensorStats(8, -1.0, 1.0, 0.0, 0.5, 0, 0, 0)
    return Diff(tensor, tensor, replace(STATS, max_abs=max_abs), DiffDetail(-20, (1,), 7, (0.1,), None, ()))


def _report() -> Report:
    layer = LayerReport(
        0,
        "a",
        "a",
        "ReLU",
        "relu",
        (1, 8),
        (1, 8),
        "type+order",
        "born",
        True,
        "",
        STATS,
        STATS,
        OnnxDiff(1e-7, 0.7),
        2e-7,
        "paddle",
    )
    output = OutputReport(False, 0.71, 0.3, 0.99, False, False, None, (ClassScore(281, "tabby", 9.5, 0.7),), ())
    weights = WeightsReport("file", "ab", 1, plan=(RULE,))
    return Report("0.1.0", "tiny", "mismatch", 1, "tiny: mismatch", layers=(layer,), output=output, weights=weights, session="s")


def _events(session: Path) -> list[Event]:
    return [
        RunStarted("tiny", "a tiny pair", str(session)),
        SideProgress("torch", "importing"),
        SideReady("torch", {"torch": "2.13.0", "threads": 2}),
        Notice("warning", "weights are random", "download them"),
        Downloading("w.pth", 1, 2),
        SideReady("paddle", {"paddle": "3.3.1"}),
        WeightsReady("torch.hub", "b66b"),
        LayersPaired(
            (LayerPair(0, _call(0, "a"), _call(0, "a"), "type+order", "relu"), LayerPair(1, _call(1, "b"), None, "unpaired", ""))
        ),
        WeightsPlanned(WeightPlan((RULE,), ("x",), ("y",))),
        LayerDiffed(LayerResult(0, Verdict.OK, False, _diff(1e-8))),
        LayerDiffed(LayerResult(1, Verdict.UNPAIRED, True, note="Paddle has no relu here")),
        LayerDiffed(LayerResult(0, Verdict.BORN, True, _diff(0.71), STATS, OnnxDiff(1e-7, 0.7), 2e-7, "paddle")),
        FindingMade(SUSPECTED),
        FindingMade(FOUND),
        FindingMade(MISSING),
    ]


def _stored(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, SideProgress | Downloading)]


def test_replay_equals_the_run(tmp_path: Path) -> None:
    writer = SessionWriter.create(tmp_path, PAIR, {})
    events = [*_events(writer.path), RunEnded(_report())]
    assert list(record(events, writer)) == events
    with open_session(writer.path) as session:
        assert list(replay(session)) == _stored(events)


def test_a_failed_run_fails_again(tmp_path: Path) -> None:
    writer = SessionWriter.create(tmp_path, PAIR, {})
    events = _events(writer.path)
    list(record([*events, RunFailed(ChildDied("the paddle child died", "see the log", "Segmentation fault"))], writer))
    with open_session(writer.path) as session:
        *before, last = replay(session)
        assert before == _stored(events)
        assert isinstance(last, RunFailed) and isinstance(last.error, ChildDied)
        assert (last.error.message, last.error.hint, last.error.last_words) == (
            "the paddle child died",
            "see the log",
            "Segmentation fault",
        )
        with pytest.raises(EnvironmentFault, match="has no report"):
            load_report(session)


def test_stored_before_shown(tmp_path: Path) -> None:
    writer = SessionWriter.create(tmp_path, PAIR, {})
    shown: list[Event] = []
    for event in record(_events(writer.path), writer):
        shown.append(event)
        with open_session(writer.path) as session:
            *seen, last = replay(session)
        assert seen == _stored([RunStarted("tiny", "a tiny pair", str(writer.path)), *shown[1:]])
        assert isinstance(last, Notice) and "still goes on" in last.message


def test_an_abandoned_run_is_partial(tmp_path: Path) -> None:
    writer = SessionWriter.create(tmp_path, PAIR, {})
    stream = record(_events(writer.path), writer)
    assert isinstance(stream, Iterator)
    for _ in range(10):
        next(stream)
    stream.close()  # type: ignore[attr-defined]
    with open_session(writer.path) as session:
        assert session.status == "partial"
        *_, last = replay(session)
        assert (
            isinstance(last, Notice)
            and last.level == "warning"
            and "partial: its run stopped with 1 of 2 layers compared" in last.message
        )


def test_a_crash_of_the_run_passes_through_and_leaves_a_partial_session(tmp_path: Path) -> None:
    def crashing() -> Iterator[Event]:
        yield from _events(writer.path)
        raise ZeroDivisionError

    writer = SessionWriter.create(tmp_path, PAIR, {})
    with pytest.raises(ZeroDivisionError):
        list(record(crashing(), writer))
    with open_session(writer.path) as session:
        assert session.status == "partial"


def test_a_damaged_report_names_the_file(tmp_path: Path) -> None:
    writer = SessionWriter.create(tmp_path, PAIR, {})
    list(record([RunEnded(_report())], writer))
    (writer.path / "report.json").write_text('{"schema": 1}')
    with open_session(writer.path) as session, pytest.raises(EnvironmentFault, match=r"report\.json is damaged"):
        list(replay(session))


def test_json_round_trip() -> None:
    assert from_json(to_json(_report())) == _report()


def test_a_killed_run_has_the_findings_it_showed(tmp_path: Path) -> None:
    writer = SessionWriter.create(tmp_path, PAIR, {})
    for event in record(_events(writer.path), writer):
        if event == FindingMade(FOUND):
            break
    # Neither ended nor closed: what a dead process leaves.
    with open_session(writer.path) as session:
        assert [event.finding for event in replay(session) if isinstance(event, FindingMade)] == [SUSPECTED, FOUND]


def test_findings_in_json() -> None:
    measured = replace(FOUND, evidence=Proof(math.inf, math.nan, "experiment"))
    report = replace(_report(), findings=(FOUND, SUSPECTED, MISSING, measured))
    content = to_json(report)
    assert b"NaN" not in content and b"Infinity" not in content
    *same, told = from_json(content).findings
    assert same == [FOUND, SUSPECTED, MISSING]
    assert told == replace(FOUND, evidence=Proof(None, None, "experiment"))


@pytest.mark.parametrize("key", ["", '"findings": [],'])
def test_reports_from_before_there_were_findings_are_read(key: str) -> None:
    content = f'{{{key}"aligndbg": "0.1.0", "pair": "p", "verdict": "mismatch", "exit_code": 1, "headline": "p: mismatch"}}'
    assert from_json(content.encode()).findings == ()


def test_nan_is_null_in_json_and_nan_again() -> None:
    report = _report()
    layer = replace(report.layers[0], propagated=replace(STATS, rms=math.nan, cosine=None), onnx=OnnxDiff(math.inf, 0.7))
    output = replace(report.output, torch_top5=(ClassScore(0, "", math.nan, math.nan),), max_abs=None)  # type: ignore[type-var]
    content = to_json(replace(report, layers=(layer,), output=output))
    assert b"NaN" not in content and b"Infinity" not in content
    back = from_json(content)
    propagated, onnx = back.layers[0].propagated, back.layers[0].onnx
    assert propagated is not None and math.isnan(propagated.rms) and propagated.cosine is None and propagated.max_abs == 0.71
    assert onnx is not None and math.isnan(onnx.torch_max_abs) and onnx.paddle_max_abs == 0.7
    assert back.output is not None and math.isnan(back.output.torch_top5[0].logit) and back.output.max_abs is None


def test_unknown_keys_are_passed_over() -> None:
    content = to_json(_report()).replace(b'"schema": 1', b'"schema": 1, "of a later version": {"x": 1}', 1)
    assert from_json(content) == _report()
