"""What a screen knows of its run: the events so far, folded into one place. No widget, no terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aligndbg.core.findings import Finding
from aligndbg.core.layers import LayerPair
from aligndbg.core.verdict import LayerResult
from aligndbg.errors import AligndbgError, CannotPair, ChildDied
from aligndbg.weights.plan import WeightPlan
from aligndbg.workflows.checkpoints import CheckState
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
from aligndbg.workflows.headline import headline
from aligndbg.workflows.report_model import Report
from aligndbg.workflows.wording import figure

Phase = Literal["running", "ended", "failed", "stopped"]

CHECKPOINTS = ("weights", "forward", "layers", "eval", "train-step", "train")

IDLE = ("ready", "built", "done")
"""Stages of a side that has done its part and waits for the other."""

CHECK_GLYPHS: dict[CheckState, str] = {"done": "✓", "in part": "◐", "failed": "✗", "running": "▶", "stopped": "■", "not yet": "○"}


@dataclass
class RunState:
    """Filled by `apply`, in the order of the events. A new run gets a new one."""

    pair: str
    phase: Phase = "running"
    description: str = ""
    session: str = ""
    stages: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Of each side, the stage it is at and a detail."""
    past: dict[str, list[str]] = field(default_factory=dict)
    """Of each side, the stages behind it."""
    environments: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    download: Downloading | None = None
    weights: WeightsReady | None = None
    plan: WeightPlan | None = None
    layers: tuple[LayerPair, ...] = ()
    results: dict[int, LayerResult] = field(default_factory=dict)
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    """By id and layer."""
    report: Report | None = None
    error: AligndbgError | None = None
    largest: float = 0.0
    seconds: int = 0
    """Since the run began, while it goes on."""

    def apply(self, events: Iterable[Event]) -> None:
        for event in events:
            self._apply(event)

    def _apply(self, event: Event) -> None:
        match event:
            case RunStarted(pair, description, session):
                self.pair, self.description, self.session = pair, description, session
            case SideProgress(side, stage, detail):
                self._stage(side, stage, detail)
            case SideReady(side, environment):
                self.environments[side] = environment
                self._stage(side, "ready")
            case Notice():
                self.notices.append(event)
            case Downloading():
                self.download = event
            case WeightsReady():
                self.weights, self.download = event, None
            case WeightsPlanned(plan):
                self.plan = plan
            case LayersPaired(layers):
                self.layers = layers
            case LayerDiffed(result):
                self.results[result.index] = result
                if result.propagated:
                    self.largest = max(self.largest, result.propagated.stats.max_abs)
            case FindingMade(finding):
                self.findings[finding.id, finding.layer] = finding
            case RunEnded(report):
                self.report, self.phase = report, "ended"
                self.findings = {(finding.id, finding.layer): finding for finding in report.findings}
            case RunFailed(error):
                self.error, self.phase = error, "failed"

    def _stage(self, side: str, stage: str, detail: str = "") -> None:
        before = self.stages.get(side)
        if before is not None and before[0] != stage:
            self.past.setdefault(side, []).append(before[0])
        self.stages[side] = stage, detail

    @property
    def to_compare(self) -> int:
        """Rows that have both sides; the others are not diffed."""
        return sum(layer.torch is not None and layer.paddle is not None for layer in self.layers)

    @property
    def compared(self) -> int:
        paired = {layer.index for layer in self.layers if layer.torch is not None and layer.paddle is not None}
        return len(paired.intersection(self.results))

    @property
    def last_words(self) -> str:
        return self.error.last_words if isinstance(self.error, ChildDied) else ""

    def headline(self) -> tuple[str, str]:
        """What to say first, and the verdict it stands for (`running` while there is none)."""
        if self.report is not None:
            return self.report.headline, self.report.verdict
        if isinstance(self.error, CannotPair):
            return headline(self.pair, "cannot-pair", error=self.error.message), "cannot-pair"
        if self.error is not None:
            return f"{self.pair}: stopped — {self.error.message}", "error"
        if self.phase == "stopped":
            return f"{self.pair}: stopped", "error"
        if self.results:
            return (
                f"{self.pair}: {self.compared} of {self.to_compare} layers compared, max|d| so far {figure(self.largest)}",
                "running",
            )
        return f"{self.pair}: {self._doing()}", "running"

    def _doing(self) -> str:
        if self.download is not None:
            return f"downloading {self.download.name}"
        working = [f"{side} {stage}" for side, (stage, _) in self.stages.items() if stage not in IDLE]
        return ", ".join(working) or "starting"

    def no_findings(self, tried: bool = False) -> str:
        """Why there is none, in words; of a run with fixes `tried`."""
        if self.report is None:
            return "no findings so far: the run goes on" if self.phase == "running" else "no findings: the run stopped early"
        if self.report.verdict == "mismatch":
            return "no findings: layers mismatch, and no cause was found"
        if self.unpairable:
            return "no findings: the two models cannot be paired"
        return f"no findings: {'with what was tried, ' if tried else ''}the port agrees with torch"

    @property
    def unpairable(self) -> bool:
        return isinstance(self.error, CannotPair) or (self.report is not None and self.report.verdict == "cannot-pair")

    def checkpoints(self) -> dict[str, CheckState]:
        """The state of the six checkpoints, as far as this run tells."""
        states: dict[str, CheckState] = dict.fromkeys(CHECKPOINTS, "not yet")
        states["weights"] = self._weights()
        if self.report is not None and self.report.output is not None:
            states["forward"] = "done" if self.report.output.met else "failed"
        elif self.results:
            states["forward"] = "running"
        if self.unpairable:
            states["layers"] = "failed"
        elif self.report is not None and self.report.layers:
            states["layers"] = "done" if self.report.verdict == "aligned" else "failed"
        elif self.layers:
            states["layers"] = "running"
        if self.phase in ("failed", "stopped"):
            return {name: "stopped" if state == "running" else state for name, state in states.items()}
        return states

    def _weights(self) -> CheckState:
        """Which tensor fills which follows from the pairing: models that cannot be paired leave it open."""
        if self.plan is not None:
            return "failed" if self.plan.unfilled else "done"
        if self.report is not None and self.report.weights is not None:
            return "failed" if self.report.weights.unfilled else "done"
        return "not yet" if self.report is not None or self.unpairable else "running"
