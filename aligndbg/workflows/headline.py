"""The first line of every report: what is aligned, or where it breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from aligndbg.core.findings import Finding, Status
from aligndbg.core.verdict import Verdict
from aligndbg.workflows.report_model import LayerReport, OutputReport, Report, SensitivityReport
from aligndbg.workflows.wording import GUIDE_TOLERANCE, figure, shape_text, tolerance_text

COUNTED = (Verdict.BORN, Verdict.UNPAIRED, Verdict.SHAPE, Verdict.NAN, Verdict.ERROR, Verdict.NOISE, Verdict.INHERITED)
"""The order in which mismatching rows are counted: what is wrong by itself first."""


def headline(
    pair: str,
    verdict: str,
    layers: Sequence[LayerReport] = (),
    output: OutputReport | None = None,
    error: str = "",
    findings: Sequence[Finding] = (),
    fixes: int = 0,
) -> str:
    """One line without its end. `error` is the message of a run that came to no comparison. The first mismatching layer is named
    with its cause, where that is found. `fixes` is how many were at work in the live model."""
    if fixes:
        pair = f"{pair} with {fixes} {'fix' if fixes == 1 else 'fixes'} tried out"
    match verdict:
        case "aligned":
            return f"{pair}: aligned — {', '.join((agreement(layers), *_alone(layers), *_result(output)))}"
        case "mismatch":
            return f"{pair}: mismatch — {', '.join((_break(layers, findings), *counts(layers), *_result(output)))}"
        case "cannot-pair":
            return f"{pair}: cannot be paired — {_one_line(error).removeprefix('the two models cannot be paired: ')}"
        case _:
            return f"{pair}: {verdict} — {_one_line(error)}"


def insensitivity(sensitivity: SensitivityReport | None) -> str:
    """That bugs may not show, as the second line of a report; `""` where they do."""
    if sensitivity is None or sensitivity.ok:
        return ""
    where = f", the signal dies at {sensitivity.dies_at}" if sensitivity.dies_at else ""
    moves = figure(sensitivity.moves_with_input)
    return f"these weights can hide bugs: the output moves by {moves} of its size with the input{where}"


def notices_by_weight(report: Report) -> tuple[list[str], list[str]]:
    """The notices that must be read before the verdict is believed, and the others."""
    doubt = insensitivity(report.sensitivity)
    first = [notice for notice in report.notices if doubt and notice.startswith(doubt)]
    return first, [notice for notice in report.notices if notice not in first]


def agreement(layers: Sequence[LayerReport]) -> str:
    """`66 of 66 layers agree`: of those that have a partner."""
    paired = [layer for layer in layers if layer.torch is not None and layer.paddle is not None]
    return f"{sum(not layer.mismatch for layer in paired)} of {len(paired)} layers agree"


def first_mismatch(layers: Sequence[LayerReport]) -> LayerReport | None:
    return next((layer for layer in layers if layer.mismatch), None)


def counts(layers: Sequence[LayerReport]) -> list[str]:
    """`3 born`, `27 inherited`, ...: the rows that speak against the port."""
    found = Counter(layer.verdict for layer in layers if layer.mismatch)
    return [f"{found[verdict]} {verdict}" for verdict in COUNTED if found[verdict]]


def wrong_with(layer: LayerReport) -> str:
    """Why a mismatching row mismatches, in a few words."""
    if layer.paddle is None:
        return "missing in Paddle"
    if layer.torch is None:
        return "extra in Paddle"
    if layer.propagated is None:
        if layer.torch_shape == layer.paddle_shape:
            return layer.verdict
        return f"shape {shape_text(layer.torch_shape)} in torch, {shape_text(layer.paddle_shape)} in Paddle"
    if layer.propagated.nan or layer.propagated.inf:
        return f"{layer.propagated.nan} NaN and {layer.propagated.inf} Inf on one side only"
    return f"max|d| {figure(layer.propagated.max_abs)}"


def _alone(layers: Sequence[LayerReport]) -> list[str]:
    """Layers whose missing partner does no harm, such as a Dropout."""
    alone = sum(not layer.mismatch and (layer.torch is None or layer.paddle is None) and layer.match != "fused" for layer in layers)
    return [f"{alone} unpaired"] if alone else []


def cause_of(layer: LayerReport, findings: Sequence[Finding]) -> str:
    """The id of the layer's first cause that was found; `""` where none was."""
    paths = [path for path in (layer.torch, layer.paddle) if path is not None]
    return next((finding.id for finding in findings if finding.status is Status.FOUND and finding.layer in paths), "")


def _break(layers: Sequence[LayerReport], findings: Sequence[Finding]) -> str:
    first = first_mismatch(layers)
    if first is None:
        return "every layer agrees but the output does not"
    cause = cause_of(first, findings)
    # Of a layer that is missing or extra, its cause says no less.
    said = (cause,) if cause and None in (first.torch, first.paddle) else (cause, wrong_with(first))
    return f"breaks first at {first.torch or first.paddle} ({', '.join(part for part in said if part)})"


def _result(output: OutputReport | None) -> list[str]:
    if output is None:
        return []
    if output.max_abs is None:
        return ["output shapes differ"]
    met = "met" if output.met else "not met, for rounding alone" if output.note else "not met"
    return [f"output max|d| {figure(output.max_abs)} ({tolerance_text(GUIDE_TOLERANCE)} {met})"]


def _one_line(text: str) -> str:
    return " ".join(text.split())
