"""The curves of an evaluation that runs as a job: a line of `metrics.jsonl` for each batch, and one for the whole."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from aligndbg.jobs.formats.own import METRICS, write_line
from aligndbg.jobs.metrics import Sample
from aligndbg.workflows.evaluate_model import EvalReport
from aligndbg.workflows.events import BatchDone

JOB = "ALIGNDBG_JOB"
"""The variable that names the job's folder."""


class Metrics:
    """Appends to the job's metrics; without a job it does nothing. `top1` is the port's where both sides run."""

    def __init__(self, batches: int, environ: Mapping[str, str] = os.environ) -> None:
        folder = environ.get(JOB)
        self._path = Path(folder) / METRICS if folder else None
        self._batches = batches

    def batch(self, number: int, event: BatchDone) -> None:
        values = _values(event.top1, event.top5, event.loss)
        self._write(number, self._batches, {**values, "ips": event.rate, "flips": float(event.flips)})

    def whole(self, report: EvalReport) -> None:
        sides = report.sides
        values = _values(
            {side: one.top1 for side, one in sides.items()},
            {side: one.top5 for side, one in sides.items()},
            {side: one.loss for side, one in sides.items() if one.loss is not None},
        )
        if report.speed is not None:
            values["ips"] = report.speed.ips
        self._write(None, None, values)

    def _write(self, step: int | None, total: int | None, values: Mapping[str, float]) -> None:
        if self._path is None:
            return
        line = write_line(Sample(0, time.time(), 0, "eval", None, step, total, values)).encode()
        # One write of a whole line: other processes append to the same file.
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            os.write(file, line)
        finally:
            os.close(file)


def _values(top1: Mapping[str, float], top5: Mapping[str, float], loss: Mapping[str, float]) -> dict[str, float]:
    port = "paddle" if "paddle" in top1 else "torch"
    values = {name: figures[port] for name, figures in (("loss", loss), ("top1", top1), ("top5", top5)) if port in figures}
    if "torch" in top1 and port != "torch":
        values |= {"torch_top1": top1["torch"], "gap": top1["paddle"] - top1["torch"]}
    return values
