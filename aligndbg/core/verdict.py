"""The verdict of a layer pair and of a run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aligndbg.core.stats import Diff, DiffStats


class Verdict(StrEnum):
    """Of a layer pair (DESIGN 2)."""

    OK = "ok"
    NOISE = "noise"
    BORN = "born"
    INHERITED = "inherited"
    SHAPE = "shape"
    NAN = "nan"
    UNPAIRED = "unpaired"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class OnnxDiff:
    """Largest |d| of each side against ONNX Runtime at one layer."""

    torch_max_abs: float
    paddle_max_abs: float


@dataclass(frozen=True, slots=True)
class LayerResult:
    """What was measured at one layer pair and what follows from it.

    `mismatch` says whether this row speaks against the port: an unpaired Dropout does not, an unpaired ReLU whose
    consumers differ does. `note` is one sentence where the verdict alone does not explain itself.
    """

    index: int
    verdict: Verdict
    mismatch: bool
    propagated: Diff | None = None
    local: DiffStats | None = None
    onnx: OnnxDiff | None = None
    noise_floor: float | None = None
    blame: str | None = None
    note: str = ""
