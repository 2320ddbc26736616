from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from aligndbg.core.layers import Call, LayerPair, TensorSpec
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.errors import ChildDied
from aligndbg.pairs.schema import ModelSpec, PairSpec
from aligndbg.report.listings import PairSummary, pairs_document, plan_document, session_document, sessions_document, to_json
from aligndbg.report.terminal import plain
from aligndbg.store.listing import SessionSummary, list_sessions
from aligndbg.store.session import open_session
from aligndbg.store.writer import SessionWriter
from aligndbg.weights.plan import WeightPlan, WeightRule

Golden = Callable[[str, str], None]

ROOT = Path("sessions")

SESSIONS = [
    SessionSummary(
        ROOT / "a",
        "20260103T120000.000Z-broken-squeezenet1_0-0001",
        "broken/squeezenet1_0",
        "2026-01-03T12:00:00.000+00:00",
        "finished",
        "mismatch",
        "broken/squeezenet1_0: mismatch — breaks first at features.2 (max|d| 0.71)",
    ),
    SessionSummary(ROOT / "b", "20260102T120000.000Z-resnet50-0002", "resnet50", "2026-01-02T12:00:00.000+00:00", "running"),
    SessionSummary(ROOT / "c", "20260101T120000.000Z-squeezenet1_0-0003", error="sessions/c/session.json is damaged: it is empty"),
    SessionSummary(
        ROOT / "d",
        "20251231T120000.000Z-squeezenet1_0-0004",
        "squeezenet1_0",
        "2025-12-31T12:00:00.000+00:00",
        "finished",
        "aligned",
        "squeezenet1_0: aligned",
    ),
    SessionSummary(ROOT / "e", "20251230T120000.000Z-vgg16-0005", "vgg16", "2025-12-30T12:00:00.000+00:00", "partial"),
]

PLAN = WeightPlan(
    (
        WeightRule("features.0.weight", "features.0.weight", "copy", "conv2d weight, oihw on both sides"),
        WeightRule("fc.weight", "fc.weight", "transpose", "Linear stores [out, in], Paddle's [in, out]", (1, 0), flags=("square",)),
        WeightRule("attn.in_proj_weight", "attn.k_proj.weight", "split", "the second of q, k, v", (1, 0), 1, 3),
    ),
    ("fc.bias",),
    ("features.1.num_batches_tracked",),
)

PAIRS = [
    PairSummary(
        "squeezenet1_0", "SqueezeNet 1.0, the guide's example", "torch_model.py:squeezenet1_0", "paddle_model.py:squeezenet1_0"
    ),
    PairSummary("broken/typo", "", problem="models/broken/typo/pair.yaml:3: unknown key `atoll`, did you mean `atol`?"),
]


def test_sessions(golden: Golden) -> None:
    golden("sessions-file.txt", plain(sessions_document(SESSIONS, ROOT)))
    golden("sessions-80.txt", plain(sessions_document(SESSIONS, ROOT), 80))
    assert plain(sessions_document([], ROOT)) == "no session in sessions\n"
    assert json.loads(to_json(SESSIONS))[2]["error"].startswith("sessions/c")


def test_pairs(golden: Golden) -> None:
    golden("pair-list-file.txt", plain(pairs_document(PAIRS, Path("models"))))
    golden("pair-list-60.txt", plain(pairs_document(PAIRS, Path("models")), 60))
    assert json.loads(to_json(PAIRS))[0]["path"] is None


def test_plan(golden: Golden) -> None:
    golden("plan-file.txt", plain(plan_document(PLAN)))
    golden("plan-80.txt", plain(plan_document(PLAN), 80))
    assert json.loads(to_json(PLAN))["rules"][1]["axes"] == [1, 0]


def test_a_session_that_failed(tmp_path: Path) -> None:
    pair = PairSpec("tiny", ModelSpec("m:f"), ModelSpec("m:f"), description="a tiny pair")
    call = Call(0, "features.0", "relu", "ReLU", (TensorSpec((1,)),))
    writer = SessionWriter.create(tmp_path, pair, {"atol": 1e-4, "device": None})
    writer.write_environment("torch", {"torch": "2.13.0"})
    writer.write_weights("a file", "b66b")
    writer.write_notice("warning", "random weights")
    writer.write_layers([LayerPair(0, call, None, "unpaired", "")])
    writer.write_result(LayerResult(0, Verdict.UNPAIRED, True))
    writer.keep("inputs", {"0": np.zeros(1)})
    writer.fail(ChildDied("the paddle child died", "look at its log", "Segmentation fault"))
    with open_session(writer.path) as session:
        text = plain(session_document(session))
    assert text.startswith(f"{writer.path.name}: failed\n")
    for said in (
        "pair         tiny — a tiny pair",
        "options      atol 0.0001\n",
        "torch        torch 2.13.0",
        "weights      a file · sha256 b66b",
        "warning      random weights",
        "tensors      inputs",
        "layers       0 of 1 compared",
        "first        features.0 ○ unpaired",
        "error        the paddle child died",
        "             Segmentation fault",
    ):
        assert said in text
    assert "failed" in plain(sessions_document(list_sessions(tmp_path), tmp_path))


def test_verdicts_of_evaluations_have_their_glyphs() -> None:
    moments = "2026-01-03T12:00:00.000+00:00"
    evaluated = [SessionSummary(ROOT / each, each, "tiny", moments, "finished", each, kind="eval") for each in ("within", "beyond")]
    text = plain(sessions_document(evaluated, ROOT))
    assert "✓ within" in text and "✗ beyond" in text
