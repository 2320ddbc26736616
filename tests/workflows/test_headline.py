from __future__ import annotations

from dataclasses import replace

import pytest

from aligndbg.core.findings import Finding, Proof, Status
from aligndbg.core.stats import DiffStats
from aligndbg.core.verdict import Verdict
from aligndbg.workflows.headline import headline, insensitivity, notices_by_weight
from aligndbg.workflows.report_model import LayerReport, OutputReport, Report, SensitivityReport
from aligndbg.workflows.wording import figure, shape_text, share, tolerance_text


def _row(
    index: int, verdict: Verdict, mismatch: bool, torch: str | None = "a", paddle: str | None = "a", max_abs: float | None = 0.71
) -> LayerReport:
    """`max_abs` None is a row whose shapes differ."""
    nan, inf = (12, 3) if max_abs == NOT_FINITE else (0, 0)
    stats = DiffStats(max_abs, 0.0, 0.0, 0.0, 1.0, 0.0, nan, inf, (0,)) if torch and paddle and max_abs is not None else None
    return LayerReport(index, torch, paddle, "ReLU", "relu", (1, 8), (1, 9), "type+order", verdict, mismatch, propagated=stats)


NOT_FINITE = 2.4e-7
"""A diff that is small only because what is not finite is left out."""


OK = _row(0, Verdict.OK, False)
DROPOUT = _row(1, Verdict.UNPAIRED, False, paddle=None)
MET = OutputReport(True, 7.5e-8)
NOT_MET = OutputReport(False, 0.71)


def test_aligned() -> None:
    assert headline("net", "aligned", [OK] * 66, MET) == "net: aligned — 66 of 66 layers agree, output max|d| 7.5e-08 (1e-4 met)"
    assert headline("net", "aligned", [OK, DROPOUT], MET) == (
        "net: aligned — 1 of 1 layers agree, 1 unpaired, output max|d| 7.5e-08 (1e-4 met)"
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (_row(3, Verdict.UNPAIRED, True, "features.3.relu", None), "features.3.relu (missing in Paddle), 1 unpaired"),
        (_row(3, Verdict.UNPAIRED, True, None, "features.3.relu"), "features.3.relu (extra in Paddle), 1 unpaired"),
        (_row(3, Verdict.BORN, True, "fc", "fc"), "fc (max|d| 0.71), 1 born"),
        (_row(3, Verdict.SHAPE, True, "pool", "pool", None), "pool (shape 1x8 in torch, 1x9 in Paddle), 1 shape"),
        (_row(3, Verdict.BORN, True, "pool", "pool", None), "pool (shape 1x8 in torch, 1x9 in Paddle), 1 born"),
        (_row(3, Verdict.NAN, True, "bn", "bn", NOT_FINITE), "bn (12 NaN and 3 Inf on one side only), 1 nan"),
        (_row(3, Verdict.BORN, True, "bn", "bn", NOT_FINITE), "bn (12 NaN and 3 Inf on one side only), 1 born"),
    ],
)
def test_where_it_breaks(row: LayerReport, said: str) -> None:
    inherited = _row(4, Verdict.INHERITED, True)
    assert headline("net", "mismatch", [OK, DROPOUT, row, inherited, inherited], NOT_MET) == (
        f"net: mismatch — breaks first at {said}, 2 inherited, output max|d| 0.71 (1e-4 not met)"
    )


def test_the_cause_of_the_first_mismatch_is_named() -> None:
    pool = _row(3, Verdict.BORN, True, "pool", "p.pool")
    rows = [OK, pool, _row(4, Verdict.BORN, True, "bn", "bn")]
    cause = Finding("ceil-mode", "pool", "p.pool", "paddle", "", "", Proof(0.71, 0.0, "attribute"))

    def said(*findings: Finding) -> str:
        return headline("net", "mismatch", rows, NOT_MET, findings=findings)

    plain = "net: mismatch — breaks first at pool (max|d| 0.71), 2 born, output max|d| 0.71 (1e-4 not met)"
    assert said() == plain
    assert said(replace(cause, id="padding", status=Status.WARNING), replace(cause, layer="bn")) == plain
    assert said(replace(cause, id="unknown", status=Status.UNKNOWN)) == plain
    assert said(replace(cause, layer="bn"), cause, replace(cause, id="stride")) == plain.replace("(max", "(ceil-mode, max", 1)
    missing = [_row(3, Verdict.UNPAIRED, True, "relu", None)]
    assert headline("net", "mismatch", missing, findings=[replace(cause, id="activation-missing", layer="relu")]) == (
        "net: mismatch — breaks first at relu (activation-missing), 1 unpaired"
    )
    assert said(replace(cause, layer="p.pool")) == plain.replace("(max", "(ceil-mode, max", 1)


def test_only_the_output_differs() -> None:
    assert headline("net", "mismatch", [OK], OutputReport(False)) == (
        "net: mismatch — every layer agrees but the output does not, output shapes differ"
    )


def test_no_comparison() -> None:
    assert headline("net", "cannot-pair", error="nothing in\ncommon") == "net: cannot be paired — nothing in common"
    error = "the two models cannot be paired: 0 of 6 layers"
    assert headline("net", "cannot-pair", error=error) == "net: cannot be paired — 0 of 6 layers"
    assert headline("net", "error", error="the paddle child died") == "net: error — the paddle child died"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "-"),
        (0.0, "0"),
        (7.5e-8, "7.5e-08"),
        (0.71, "0.71"),
        (0.001, "0.001"),
        (9.99e-4, "1.0e-03"),
        (13.28, "13.3"),
        (99.96, "100"),
        (371.2, "371"),
        (123456.0, "1.2e+05"),
        (-2.5, "-2.5"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Inf"),
    ],
)
def test_figure(value: float | None, said: str) -> None:
    assert figure(value) == said


def test_other_words() -> None:
    assert [tolerance_text(value) for value in (1e-4, 1.5e-4, 0.0, 1e-12, 0.5)] == ["1e-4", "0.00015", "0", "1e-12", "0.5"]
    assert [shape_text(shape) for shape in ((1, 96), (), None)] == ["1x96", "scalar", "-"]
    assert [share(value) for value in (0.0, 1e-5, 0.4, 0.99999, 1.0)] == ["0.0 %", "<0.1 %", "40.0 %", ">99.9 %", "100.0 %"]


def test_what_casts_doubt_on_the_verdict_comes_before_the_other_notices() -> None:
    dead = SensitivityReport(False, 0.2, 5e-6, "--weights kaiming", "features.9.cat")
    doubt = insensitivity(dead)
    assert "5.0e-06 of its size" in doubt and "dies at features.9.cat" in doubt
    assert insensitivity(None) == insensitivity(replace(dead, ok=True)) == ""
    notices = ("random weights", f"{doubt} (--weights kaiming)")
    report = Report("0", "p", "aligned", 0, "p: aligned", sensitivity=dead, notices=notices)
    assert notices_by_weight(report) == ([notices[1]], [notices[0]])
    assert notices_by_weight(replace(report, sensitivity=None)) == ([], list(notices))
