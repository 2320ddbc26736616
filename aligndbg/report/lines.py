"""The displays that only ever add lines: one line a stage, or one a fact with its time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from aligndbg.core.layers import LayerPair
from aligndbg.core.verdict import LayerResult
from aligndbg.report.evaluation import duration, progress_text
from aligndbg.report.findings import News, finding_line
from aligndbg.report.terminal import encodable
from aligndbg.report.text import environment_text
from aligndbg.report.visible import visible
from aligndbg.workflows.events import (
    BatchDone,
    Downloading,
    EvalEnded,
    EvalStarted,
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
from aligndbg.workflows.wording import figure

Show = Callable[[str], None]

MIB = 1 << 20

BETWEEN = 10.0
"""Seconds between two lines on how far an evaluation is, where lines stay."""


def write_line(stream: TextIO) -> Show:
    """Each line flushed at once; when the reader has gone, nothing more is written."""
    gone = False

    def show(text: str) -> None:
        nonlocal gone
        if gone:
            return
        try:
            stream.write(encodable(visible(text), stream) + "\n")
            stream.flush()
        except (BrokenPipeError, ValueError):
            gone = True

    return show


def sentence(event: Event) -> str:
    """An event in words; `""` for the layers, which are counted or listed, and for the beginning of a run."""
    match event:
        case SideProgress(side, stage, detail):
            return f"{side}: {stage}" + (f" {detail}" if detail else "")
        case SideReady(side, environment):
            return f"{side}: ready, {environment_text(environment)}"
        case Notice(level, message, hint):
            return f"{'warning: ' if level == 'warning' else ''}{message}" + (f" ({hint})" if hint else "")
        case WeightsReady(source, sha256):
            return f"weights: {source}" + (f", sha256 {sha256[:12]}" if sha256 else "")
        case LayersPaired(layers):
            paired = sum(layer.torch is not None and layer.paddle is not None for layer in layers)
            return f"layers: {paired} paired, {len(layers) - paired} unpaired"
        case WeightsPlanned(plan):
            return f"weights: {len(plan.rules)} tensors mapped, {len(plan.unfilled)} unfilled, {len(plan.unused)} unused"
        case FindingMade(finding):
            return finding_line(finding)
        case RunEnded(report):
            return f"done in {report.timing.total_s:.1f} s" if report.timing else "done"
        case EvalStarted(total, done, excluded):
            return (
                f"pictures: {total}" + (f", {done} judged before" if done else "") + (f", {excluded} excluded" if excluded else "")
            )
        case BatchDone():
            return progress_text(event)
        case EvalEnded(result):
            return f"done in {duration(result.speed.seconds)}" if result.speed else "done"
        case _:
            return ""


def amount(done: int, total: int) -> str:
    """`1.2 of 4.8 MiB`; the total is left out while it is unknown."""
    return f"{done / MIB:.1f} of {total / MIB:.1f} MiB" if total else f"{done / MIB:.1f} MiB"


class PlainLines:
    """One line a stage and one a kind of finding; a download speaks at each quarter, the layers once when all are compared."""

    def __init__(self, show: Show, clock: Callable[[], float] = time.monotonic) -> None:
        self._show = show
        self._clock = clock
        self._told = -math.inf
        self._quarter = -1
        self._largest: dict[int, float] = {}
        self._news = News()

    def show(self, event: Event) -> None:
        match event:
            case RunStarted(pair, description):
                self._quarter, self._largest, self._news = -1, {}, News()
                self._show(f"{pair}: {description}" if description else pair)
            case Downloading(name, done, total):
                quarter = 4 * done // total if total else 0
                if quarter > self._quarter:
                    self._quarter = quarter
                    self._show(f"  downloading {name}: {amount(done, total)}")
            case LayerDiffed(result):
                self._largest[result.index] = _max_abs(result)
            case FindingMade(finding):
                if news := self._news.take(finding):
                    self._show(f"  {news}")
            case BatchDone(done, total) if done < total and self._clock() - self._told < BETWEEN:
                pass
            case BatchDone():
                self._told = self._clock()
                self._show(f"  {sentence(event)}")
            case RunEnded():
                if self._largest:
                    self._show(f"  {len(self._largest)} layers compared, largest max|d| {figure(max(self._largest.values()))}")
                self._show(f"  {sentence(event)}")
            case RunFailed():
                # The error itself is the result of the run and is printed as such.
                self._show("  stopped")
            case _:
                self._show(f"  {sentence(event)}")

    def close(self) -> None:
        pass


class LogLines:
    """Every fact on a line of its own with its time in UTC, each layer too."""

    def __init__(self, show: Show, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._show = show
        self._now = now
        self._pair = ""
        self._layers: dict[int, LayerPair] = {}

    def show(self, event: Event) -> None:
        level, text = "INFO", sentence(event)
        match event:
            case RunStarted(pair, _, session):
                self._pair, self._layers = pair, {}
                text = f"started, session {session}" if session else "started"
            case Notice(level="warning"):
                level, text = "WARNING", text.removeprefix("warning: ")
            case Downloading(name, done, total):
                text = f"downloading {name}: {amount(done, total)}"
            case LayersPaired(layers):
                self._layers = {layer.index: layer for layer in layers}
            case LayerDiffed(result):
                layer = self._layers.get(result.index)
                text = f"layer {layer.path if layer else result.index}: {result.verdict}"
                if result.propagated:
                    text += f", max|d| {figure(result.propagated.stats.max_abs)}"
                level = "WARNING" if result.mismatch else "INFO"
            case FindingMade():
                level = "WARNING"
            case RunEnded(report):
                text = f"{text}: {report.headline}"
            case EvalEnded(result):
                text = f"{text}: {result.headline}"
                level = "WARNING" if result.verdict == "beyond" else "INFO"
            case RunFailed(error):
                level, text = "ERROR", error.message
        self._show(f"{self._now():%Y-%m-%dT%H:%M:%S.%f}"[:-3] + f"Z {level} {self._pair}: {text}")

    def close(self) -> None:
        pass


def _max_abs(result: LayerResult) -> float:
    return result.propagated.stats.max_abs if result.propagated else 0.0
