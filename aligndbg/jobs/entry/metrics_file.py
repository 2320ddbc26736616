"""`metrics.jsonl` in the job's folder, which the ranks of a run write together, and the same figures as text for a reader."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from aligndbg.jobs.formats.own import METRICS, write_line
from aligndbg.jobs.metrics import Phase, Sample, is_accuracy


class Metrics:
    """Says each sample on standard output and, in a job, appends it to the job's file: whole lines, whoever else writes."""

    def __init__(self, job: Path | None, rank: int, epochs: int) -> None:
        self._rank = rank
        self._epochs = epochs
        self._file = os.open(job / METRICS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if job else None

    def __enter__(self) -> Metrics:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)

    def tell(
        self, phase: Phase, epoch: int, values: Mapping[str, float], step: int | None = None, total: int | None = None
    ) -> None:
        """`epoch` and `step` count from 0; without a step it is the result of the whole epoch. Accuracies are percents."""
        if self._file is not None:
            sample = Sample(0, time.time(), self._rank, phase, float(epoch), step, total, values)
            os.write(self._file, write_line(sample).encode())
        place = f"step {step}/{total}" if step is not None else "whole epoch"
        figures = ", ".join(f"{name} {_shown(name, value)}" for name, value in values.items())
        say(f"{phase:<5} epoch {epoch}/{self._epochs} {place}: {figures}")


def say(words: str) -> None:
    """One line of the log, with the time."""
    print(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] {words}", flush=True)


def _shown(name: str, value: float) -> str:
    if is_accuracy(name):
        return f"{value:.3f} %"
    if name == "ips":
        return f"{value:.2f} images/s"
    if name.endswith("_cost"):
        return f"{value:.4f} s"
    return f"{value:.6g}"
