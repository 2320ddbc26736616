"""The report, schema 1, as data: what `--json` prints and report.json stores (DESIGN 6.3). It only grows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import msgspec

from aligndbg.core.findings import Finding
from aligndbg.core.stats import DiffStats
from aligndbg.core.verdict import OnnxDiff
from aligndbg.store.text import encode_with
from aligndbg.weights.plan import WeightRule


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One entry of a top-5: class index, its name (`""` where unknown), logit and softmax probability 0..1."""

    index: int
    name: str
    logit: float
    probability: float


@dataclass(frozen=True, slots=True)
class OutputReport:
    """The model's result. With several results this is the first; `max_abs` is over all of them.

    `met` says whether the guide's 1e-4 holds at the output, `note` why not where the port is right all the same. All other fields
    are null when the shapes differ. `golden_max_abs` is the largest |torch in float32 - torch in float64|.
    """

    met: bool
    max_abs: float | None = None
    max_rel: float | None = None
    cosine: float | None = None
    top1_equal: bool | None = None
    top5_equal: bool | None = None
    golden_max_abs: float | None = None
    torch_top5: tuple[ClassScore, ...] = ()
    paddle_top5: tuple[ClassScore, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class SensitivityReport:
    """Whether the weights and the input can show a bug: how far torch's outputs move when the input is exchanged for another.

    `logit_range` is largest less smallest output. `moves_with_input` is the largest change over the largest magnitude. `dies_at`
    is the first layer from which on hardly anything moves; it and `advice` are null where `ok`.
    """

    ok: bool
    logit_range: float
    moves_with_input: float
    advice: str | None = None
    dies_at: str | None = None


@dataclass(frozen=True, slots=True)
class WeightsReport:
    source: str
    sha256: str
    mapped: int
    unfilled: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    plan: tuple[WeightRule, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerReport:
    """One row. `op` is the canonical kind, `kind` the framework's class; paths and shapes are null on a side without a call."""

    index: int
    torch: str | None
    paddle: str | None
    kind: str
    op: str
    torch_shape: tuple[int, ...] | None
    paddle_shape: tuple[int, ...] | None
    match: str
    verdict: str
    mismatch: bool
    note: str = ""
    propagated: DiffStats | None = None
    local: DiffStats | None = None
    onnx: OnnxDiff | None = None
    noise_floor: float | None = None
    blame: str | None = None


@dataclass(frozen=True, slots=True)
class Unpaired:
    torch: tuple[str, ...] = ()
    paddle: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Timing:
    """Wall seconds: each side's compared forward, and the whole run from start to verdict."""

    torch_s: float
    paddle_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """The whole run. `verdict` is `aligned`, `mismatch`, `cannot-pair` or `error`.

    `first_born` and `first_mismatch` are torch's paths, Paddle's where torch has none. `what_if` are the findings, `LAYER:ID`,
    whose fixes were at work in the live model: all else is said of the model with them.
    """

    aligndbg: str
    pair: str
    verdict: str
    exit_code: int
    headline: str
    schema: int = 1
    first_born: str | None = None
    first_mismatch: str | None = None
    sensitivity: SensitivityReport | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    weights: WeightsReport | None = None
    input: str = ""
    tolerance: Mapping[str, float] = field(default_factory=dict)
    output: OutputReport | None = None
    layers: tuple[LayerReport, ...] = ()
    unpaired: Unpaired = Unpaired()
    findings: tuple[Finding, ...] = ()
    what_if: tuple[str, ...] = ()
    gradients: None = None
    notices: tuple[str, ...] = ()
    error: Mapping[str, str] | None = None
    timing: Timing | None = None
    session: str | None = None


_ENCODER = msgspec.json.Encoder(enc_hook=str)


def to_json(report: Report) -> bytes:
    """Indented UTF-8. NaN and infinities become null, for JSON has neither."""
    return msgspec.json.format(encode_with(_ENCODER.encode, report), indent=1)


def from_json(content: bytes) -> Report:
    """The inverse of `to_json`; a null where a number must be is NaN. Keys that this version does not know are passed over.

    Raises msgspec.MsgspecError where `content` is no report.
    """
    raw = msgspec.json.decode(content)
    if isinstance(raw, dict):
        for layer in _rows(raw, "layers"):
            for key in ("propagated", "local"):
                _nulls_to_nan(layer.get(key), DiffStats)
            _nulls_to_nan(layer.get("onnx"), OnnxDiff)
        for key in ("torch_top5", "paddle_top5"):
            for score in _rows(raw.get("output"), key):
                _nulls_to_nan(score, ClassScore)
    return msgspec.convert(raw, Report)


def _rows(raw: Any, key: str) -> list[dict[str, Any]]:
    rows = raw.get(key) if isinstance(raw, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _nulls_to_nan(raw: Any, kind: type) -> None:
    if isinstance(raw, dict):
        raw.update({field.name: math.nan for field in fields(kind) if field.type == "float" and raw.get(field.name, 0.0) is None})
