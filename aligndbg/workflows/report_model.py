"""The report, schema 1, as data: what `--json` prints and report.json stores (DESIGN 6.3). It only grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aligndbg.core.stats import DiffStats
from aligndbg.core.verdict import OnnxDiff
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

    `met` says whether the guide's 1e-4 holds at the output. All fields but `met` are null when the shapes differ.
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
    """`verdict` is `aligned`, `mismatch`, `cannot-pair` or `error`; `first_born` is a torch path (Paddle's where torch has none)."""

    aligndbg: str
    pair: str
    verdict: str
    exit_code: int
    headline: str
    schema: int = 1
    first_born: str | None = None
    first_mismatch: str | None = None
    sensitivity: None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    weights: WeightsReport | None = None
    input: str = ""
    tolerance: Mapping[str, float] = field(default_factory=dict)
    output: OutputReport | None = None
    layers: tuple[LayerReport, ...] = ()
    unpaired: Unpaired = Unpaired()
    findings: tuple[Any, ...] = ()
    gradients: None = None
    notices: tuple[str, ...] = ()
    error: Mapping[str, str] | None = None
    timing: Timing | None = None
    session: str | None = None
