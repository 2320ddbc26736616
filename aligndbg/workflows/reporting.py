"""What was found, as the report of schema 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import aligndbg
from aligndbg.core.diff import diff
from aligndbg.core.findings import Finding
from aligndbg.core.layers import LayerPair
from aligndbg.core.noise import largest_gap
from aligndbg.core.verdict import LayerResult, Verdict
from aligndbg.datasets.classes import class_names
from aligndbg.errors import AligndbgError, CannotPair, ChildDied
from aligndbg.pairs.schema import PairSpec
from aligndbg.workflows.headline import first_mismatch, headline
from aligndbg.workflows.locate import floor_of
from aligndbg.workflows.preparation import Prepared
from aligndbg.workflows.report_model import (
    ClassScore,
    LayerReport,
    OutputReport,
    Report,
    SensitivityReport,
    Timing,
    Unpaired,
    WeightsReport,
)
from aligndbg.workflows.wording import GUIDE_TOLERANCE, figure

TOP = 5


def report_of(
    pair: PairSpec,
    prepared: Prepared,
    results: Mapping[int, LayerResult],
    *,
    output: OutputReport,
    outputs_agree: bool,
    seconds: Mapping[str, float],
    sensitivity: SensitivityReport | None,
    environment: Mapping[str, Mapping[str, Any]],
    input_text: str,
    findings: Sequence[Finding],
    what_if: Sequence[str],
    notices: Sequence[str],
    total_s: float,
    session: str | None,
) -> Report:
    """The report of a run that came to its end."""
    rows = tuple(_layer(row, results[row.index]) for row in prepared.layers)
    wrong = first_mismatch(rows)
    verdict = "aligned" if outputs_agree and wrong is None else "mismatch"
    born = next((row for row in rows if row.mismatch and row.verdict == Verdict.BORN), None)
    return Report(
        aligndbg=aligndbg.__version__,
        pair=pair.name,
        verdict=verdict,
        exit_code=0 if verdict == "aligned" else 1,
        headline=headline(pair.name, verdict, rows, output, findings=findings, fixes=len(what_if)),
        first_born=born and (born.torch or born.paddle),
        first_mismatch=wrong and (wrong.torch or wrong.paddle),
        sensitivity=sensitivity,
        environment=flat_environment(environment),
        weights=WeightsReport(
            prepared.weights.source,
            prepared.weights.sha256,
            len(prepared.plan.rules),
            prepared.plan.unfilled,
            prepared.plan.unused,
            prepared.plan.rules,
        ),
        input=input_text,
        tolerance={"atol": pair.tolerance.atol, "rtol": pair.tolerance.rtol},
        output=output,
        layers=rows,
        unpaired=Unpaired(
            tuple(row.torch for row in rows if row.torch and not row.paddle and row.match == "unpaired"),
            tuple(row.paddle for row in rows if row.paddle and not row.torch and row.match == "unpaired"),
        ),
        findings=tuple(findings),
        what_if=tuple(what_if),
        notices=tuple(notices),
        timing=Timing(seconds["torch"], seconds["paddle"], total_s),
        session=session,
    )


def failed_report(
    pair: str, error: AligndbgError, environment: Mapping[str, Mapping[str, Any]] | None = None, session: str | None = None
) -> Report:
    """The report of a run that `error` ended."""
    verdict = "cannot-pair" if isinstance(error, CannotPair) else "error"
    told = {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
    if isinstance(error, ChildDied):
        told["last_words"] = error.last_words
    return Report(
        aligndbg=aligndbg.__version__,
        pair=pair,
        verdict=verdict,
        exit_code=error.exit_code,
        headline=headline(pair, verdict, error=error.message),
        environment=flat_environment(environment or {}),
        error=told,
        session=session,
    )


def flat_environment(sides: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Each side's versions and switches in one table; `torch numpy` and `paddle numpy` where they differ."""
    if not sides:
        return {}
    torch, paddle = sides.get("torch", {}), sides.get("paddle", {})
    onnx = sides.get("onnx", torch)
    found: dict[str, Any] = {"torch": torch.get("torch"), "paddle": paddle.get("paddle"), "onnxruntime": onnx.get("onnxruntime")}
    for name in (*torch, *(name for name in paddle if name not in torch)):
        if name in found or name == "pid":
            continue
        values = [side[name] for side in (torch, paddle) if name in side]
        if values.count(values[0]) == len(values):
            found[name] = values[0]
        else:
            found |= {f"torch {name}": torch[name], f"paddle {name}": paddle[name]}
    return found


def compare_outputs(
    torch: Sequence[NDArray[Any]], paddle: Sequence[NDArray[Any]], golden: Sequence[NDArray[Any]], atol: float, rtol: float
) -> tuple[OutputReport, bool]:
    """The models' results compared, and whether they agree within the tolerance or within what rounding explains.

    Results that only Paddle gives are left out; one that it lacks is a disagreement. `golden` is () where it is not known.
    """
    pairs = list(zip(torch, paddle, strict=False))
    if not pairs or any(one.shape != other.shape for one, other in pairs):
        return OutputReport(False), False
    diffs = [diff(one, other, atol, rtol) for one, other in pairs]
    # NaN on one side only counts as an infinite difference.
    largest = max(float("inf") if each.stats.nan or each.stats.inf else each.stats.max_abs for each in diffs)
    first, (one, other) = diffs[0].stats, pairs[0]
    floors = [floor_of([values], [exact]) for values, exact in zip(torch, golden, strict=False)] or [0.0] * len(pairs)
    agrees = [
        not (each.stats.nan or each.stats.inf) and (each.stats.over_tolerance == 0 or each.stats.max_abs <= floor)
        for each, floor in zip(diffs, floors, strict=False)
    ]
    met = largest <= GUIDE_TOLERANCE
    gap = max((largest_gap(values, exact) for values, exact in zip(torch, golden, strict=False)), default=None)
    rounding = f"by rounding alone: torch itself is {figure(gap)} from its float64 result" if all(agrees) and gap else ""
    orders = [_ranking(values) for values in (one, other)] if _are_logits(one) else None
    return OutputReport(
        met=met,
        max_abs=largest,
        max_rel=first.max_rel,
        cosine=first.cosine,
        top1_equal=None if orders is None else bool(np.array_equal(orders[0][:, :1], orders[1][:, :1])),
        top5_equal=None if orders is None else bool(np.array_equal(*orders)),
        golden_max_abs=gap,
        torch_top5=_top(one) if orders else (),
        paddle_top5=_top(other) if orders else (),
        note="" if met else rounding,
    ), all(agrees) and len(paddle) >= len(torch)


def _are_logits(values: NDArray[Any]) -> bool:
    return values.ndim == 2 and values.shape[1] > 1 and values.shape[0] > 0


def _ranking(values: NDArray[Any]) -> NDArray[np.intp]:
    """The best classes of every sample, best first; ties by class."""
    return np.argsort(-values.astype(np.float64), axis=1, kind="stable")[:, :TOP]


def _top(logits: NDArray[Any]) -> tuple[ClassScore, ...]:
    """The best classes of the first sample."""
    values = logits[0].astype(np.float64)
    names = class_names(values.size) or ("",) * values.size
    with np.errstate(all="ignore"):
        exponents = np.exp(values - values.max())
        shares = exponents / exponents.sum()
    return tuple(ClassScore(int(k), names[k], float(values[k]), float(shares[k])) for k in _ranking(logits[:1])[0])


def _layer(row: LayerPair, result: LayerResult) -> LayerReport:
    call = row.torch or row.paddle
    assert call is not None
    return LayerReport(
        index=row.index,
        torch=row.torch and row.torch.path,
        paddle=row.paddle and row.paddle.path,
        kind=call.type,
        op=call.kind,
        torch_shape=row.torch and row.torch.output.shape,
        paddle_shape=row.paddle and row.paddle.output.shape,
        match=row.match,
        verdict=result.verdict,
        mismatch=result.mismatch,
        note=result.note,
        propagated=result.propagated and result.propagated.stats,
        local=result.local,
        onnx=result.onnx,
        noise_floor=result.noise_floor,
        blame=result.blame,
    )
