"""What a run tells while it goes: one stream for the TUI, the headless display and the store (DESIGN 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aligndbg.core.findings import Finding
from aligndbg.core.layers import LayerPair
from aligndbg.core.verdict import LayerResult
from aligndbg.errors import AligndbgError
from aligndbg.weights.plan import WeightPlan
from aligndbg.workflows.evaluate_model import EvalReport
from aligndbg.workflows.report_model import Report


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins. `session` is the folder it is stored in, `""` when it is not."""

    pair: str
    description: str
    session: str


@dataclass(frozen=True, slots=True)
class SideProgress:
    """A child reached a stage: `starting`, `importing`, `building`, `tracing`, `running`, `done`, `failed`."""

    side: str
    stage: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SideReady:
    """A child has imported its framework; `environment` holds versions, threads and switches."""

    side: str
    environment: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the user must see although the run goes on."""

    level: Literal["info", "warning"]
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Downloading:
    """Bytes of a weights file so far; `total` is 0 while unknown."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class WeightsReady:
    """Where the weights came from, in words, and the sha256 of the file (`""` for initialised ones)."""

    source: str
    sha256: str


@dataclass(frozen=True, slots=True)
class LayersPaired:
    """Both traces are aligned: every row of the table, in order."""

    layers: tuple[LayerPair, ...]


@dataclass(frozen=True, slots=True)
class WeightsPlanned:
    plan: WeightPlan


@dataclass(frozen=True, slots=True)
class LayerDiffed:
    """A layer's outputs were compared. Its verdict may be revised by the results after it: `RunEnded` comes after the last word."""

    result: LayerResult


@dataclass(frozen=True, slots=True)
class FindingMade:
    """A cause is known, or two layers are set differently. A later one of the same `id` and `layer` takes its place."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class RunEnded:
    report: Report


@dataclass(frozen=True, slots=True)
class RunFailed:
    """The run stopped early; what was shown stays."""

    error: AligndbgError


@dataclass(frozen=True, slots=True)
class EvalStarted:
    """Both sides are ready to judge `total` pictures, of which `done` were judged by the run that this one goes on with.
    `excluded` were named and are left out so far."""

    total: int
    done: int
    excluded: int
    batches: int
    sides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BatchDone:
    """A batch is judged and stored. `done` of `total` pictures, the excluded ones among them, at `rate` a second; `eta_s` is None
    while unknown. Accuracies are in percent and losses means, by side, of all pictures so far; `flips` are those whose best class
    differs between the sides."""

    done: int
    total: int
    excluded: int
    rate: float
    eta_s: float | None
    top1: Mapping[str, float]
    top5: Mapping[str, float]
    loss: Mapping[str, float]
    flips: int


@dataclass(frozen=True, slots=True)
class EvalEnded:
    """In place of `RunEnded`, of an evaluation."""

    result: EvalReport


Event = (
    RunStarted
    | SideProgress
    | SideReady
    | Notice
    | Downloading
    | WeightsReady
    | LayersPaired
    | WeightsPlanned
    | LayerDiffed
    | FindingMade
    | RunEnded
    | RunFailed
    | EvalStarted
    | BatchDone
    | EvalEnded
)
