"""Jobs as folders on the disk, of which nothing runs but the process that writes them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from aligndbg.jobs.formats.own import write_line
from aligndbg.jobs.metrics import Phase, Sample
from aligndbg.jobs.processes import boot_id, started_at
from aligndbg.jobs.spec import JobSpec, write_spec
from aligndbg.jobs.state import JobState, write_state

NAME = "20260101T120000Z-train-0000"


def made(root: Path, name: str = NAME, **options: Any) -> Path:
    """A job that this very process supervises, so that it runs as long as its state says so."""
    folder = root / name
    (folder / "log").mkdir(parents=True)
    spec = JobSpec(name, "train", "a training", ("python",), str(root), created="2026-01-01T12:00:00.000Z")
    write_spec(folder, replace(spec, **options))
    me, began = os.getpid(), started_at(os.getpid())
    write_state(folder, JobState("running", me, me, began, supervisor_started=began, boot=boot_id()))
    return folder


def over(folder: Path, status: Any = "ended", reason: str = "exit code 0") -> None:
    times = {"started": "2026-01-01T12:00:00.000Z", "ended": "2026-01-01T12:01:00.000Z"}
    write_state(folder, JobState(status, exit_code=0, reason=reason, **times))


def sample(step: int, loss: float = 6.0, rank: int | None = 0, epoch: float = 0.0, **values: float) -> Sample:
    return Sample(0, 1e9 + step, rank, "train", epoch, step, 10, {"loss": loss, **values})


def result(epoch: float, phase: Phase = "eval", **values: float) -> Sample:
    return Sample(0, 1e9 + epoch, 0, phase, epoch, None, None, values)


def metrics(folder: Path, *samples: Sample) -> None:
    with (folder / "metrics.jsonl").open("a") as file:
        file.write("".join(write_line(one) for one in samples))


def log(folder: Path, lines: Mapping[str, str]) -> None:
    for name, text in lines.items():
        with (folder / "log" / name).open("a") as file:
            file.write(text)
