"""The lists of `jobs list`, `jobs show` and `jobs stop`, as documents and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from aligndbg.jobs.folder import Job
from aligndbg.jobs.metrics import Phase
from aligndbg.jobs.processes import Killed, Process, Stopped
from aligndbg.jobs.state import Status
from aligndbg.jobs.violation import Violation
from aligndbg.report.document import Block, Column, Document, Row, Span, Style, Table, field, line
from aligndbg.workflows.beside import OtherTop1
from aligndbg.workflows.following import Update

STYLES: dict[Status, Style] = {
    "starting": "dim",
    "running": "strong",
    "ended": "good",
    "failed": "bad",
    "killed": "warn",
    "lost": "warn",
}
NEARLY = 0.99
"""The share of its logs from which on a job's figures are taken for its latest."""
LATEST_WORDS = {"loss": "loss {:.4g}", "top1": "top-1 {:.3g} %", "top5": "top-5 {:.3g} %", "ips": "{:.3g} img/s"}
GLYPHS: dict[Status, str] = {"starting": "○", "running": "▶", "ended": "✓", "failed": "✗", "killed": "◆", "lost": "◆"}


def jobs_document(jobs: Sequence[Job], root: Path) -> Document:
    if not jobs:
        return (line(f"no job in {root}"),)
    columns = (
        Column("job", cut="start"),
        Column("status"),
        Column("ranks", 3, "right"),
        Column("took", 2, "right"),
        Column("title", 1, cut="end"),
    )
    return (Table(columns, tuple(_row(job) for job in jobs)),)


def job_document(job: Job, processes: Sequence[Process], logs: Sequence[Path]) -> Document:
    return tuple(_job(job, processes, logs))


def stopped_document(job: Job, stopped: Stopped) -> Document:
    """What was killed, and by which signal."""
    count = len(stopped.killed)
    heading = line(f"stopped {job.id}: ", Span(f"{count} process{'' if count == 1 else 'es'}", "strong"))
    columns = (Column("pid", align="right"), Column("ended by"), Column("command", cut="end"))
    commands = command_texts(stopped.killed)
    rows = tuple(
        Row((Span(str(killed.pid)), Span(killed.signal, "warn" if killed.signal == "SIGKILL" else ""), Span(command, "dim")))
        for killed, command in zip(stopped.killed, commands, strict=True)
    )
    return (heading, Table(columns, rows)) if rows else (heading,)


def job_json(job: Job, processes: Sequence[Process] = (), logs: Sequence[Path] = ()) -> dict[str, Any]:
    """One job; secrets in its command and environment are masked. A damaged one has `id`, `path` and `error` alone."""
    if job.spec is None or job.state is None:
        return {"id": job.id, "path": str(job.path), "error": job.error}
    told: dict[str, Any] = {**asdict(job.spec), **asdict(job.state), "path": str(job.path), "orphaned": job.orphaned}
    if logs:
        told["logs"] = [str(path) for path in logs]
        told["processes"] = [{"pid": process.pid, "command": process.command} for process in processes]
    return told


def command_texts(processes: Sequence[Process | Killed]) -> list[str]:
    """The command of each; `as 3733` where an earlier one has the same, as ranks and the workers of a reader do."""
    first: dict[str, int] = {}
    return [
        process.command if (pid := first.setdefault(process.command, process.pid)) == process.pid else f"as {pid}"
        for process in processes
    ]


def status_span(status: Status) -> Span:
    return Span(f"{GLYPHS[status]} {status}", STYLES[status])


def outcome_line(job: Job) -> Document:
    """`20260101T120000Z-train-3f2a ✗ failed: exit code 1; workerlog.1: ValueError: ...`"""
    if job.state is None:
        return (line(f"{job.id} ", Span("◆ damaged", "bad"), f": {job.error}"),)
    return (line(f"{job.id} ", status_span(job.state.status), f": {job.state.reason}" if job.state.reason else ""),)


def _row(job: Job) -> Row:
    if job.spec is None or job.state is None:
        return Row((Span(job.id), Span("◆ damaged", "bad"), Span(""), Span(""), Span("")), job.error)
    state = job.state
    note = "" if state.status == "ended" else state.reason
    cells = (Span(job.id, "strong"), status_span(state.status), Span(str(job.spec.ranks)), Span(took(job)), Span(job.spec.title))
    return Row(cells, note)


def _job(job: Job, processes: Sequence[Process], logs: Sequence[Path]) -> Iterator[Block]:
    yield from outcome_line(job)
    if job.spec is None or job.state is None:
        return
    spec, state = job.spec, job.state
    yield field("title", spec.title)
    yield field("command", shlex.join(spec.argv))
    yield field("in", spec.cwd)
    for name, value in spec.env.items():
        yield field("env", f"{name}={value}")
    if spec.pair:
        yield field("pair", spec.pair)
    yield field("ranks", str(spec.ranks))
    yield field("created", spec.created)
    if state.started:
        yield field("started", state.started)
    if state.ended:
        yield field("ended", f"{state.ended} · after {took(job)}")
    for process, command in zip(processes, command_texts(processes), strict=True):
        yield field("process", f"{process.pid} {command}")
    for path in logs:
        yield field("log", f"{path} · {path.stat().st_size} bytes")
    yield field("folder", str(job.path))


def took(job: Job) -> str:
    """`1:02:03`, so far where it runs."""
    if job.state is None or not job.state.started:
        return "-"
    begun = datetime.fromisoformat(job.state.started)
    ended = datetime.fromisoformat(job.state.ended) if job.state.ended else datetime.now(begun.tzinfo)
    return clock((ended - begun).total_seconds())


def progress_text(update: Update) -> str:
    """`1.3 of 5 epochs · loss 5.31 · top-1 2.1 % · 12 img/s · 0:12:33 left`, as far as it is known; `""` where nothing is.

    They are figures of the past where its logs are still read, and the share that is read comes first.
    """
    parts = [f"reading: {update.read:.0%}".replace("%", " %")] if update.more and update.read < NEARLY else []
    total = update.expectation.epochs
    if update.epochs is not None:
        of = f"of {total} epochs" if total else "epoch" if update.epochs == 1 else "epochs"
        parts.append(f"{update.epochs:.3g} {of}")
    for name in ("loss", "top1", "top5", "ips"):
        phases: tuple[Phase, ...] = ("eval", "train") if name.startswith("top") else ("train", "eval")
        value = next((update.latest[phase, name] for phase in phases if (phase, name) in update.latest), None)
        if value is not None:
            parts.append(LATEST_WORDS[name].format(value))
    if update.left is not None:
        parts.append(f"{clock(update.left.seconds)} left")
    return " · ".join(parts)


def top1_text(update: Update, other: OtherTop1) -> str:
    """`top-1: 82.90 % by this job · 83.90 % torch, 83.90 % Paddle by aligndbg eval on 250 pictures · 71.88 % published`."""
    own = update.latest.get(("eval", "top1"))
    parts = [f"{own:.2f} % by this job" if own is not None else "none by this job yet"]
    if other.sides:
        names = {"torch": "torch", "paddle": "Paddle"}
        figures = ", ".join(f"{top1:.2f} % {names.get(side, side)}" for side, top1 in other.sides)
        parts.append(f"{figures} by aligndbg eval on {other.images} pictures")
    if other.published is not None:
        parts.append(f"{other.published:.2f} % published")
    return f"top-1: {' · '.join(parts)}"


def violations_document(violations: Sequence[Violation]) -> Document:
    """Each broken rule: its sentence, and where to look."""
    blocks: list[Block] = []
    for violation in violations:
        sentence = f"{place_text(violation)}: {violation.sentence}"
        blocks.append(line(Span("✗ ", "bad"), Span(violation.rule, "strong"), sentence))
        blocks.append(line(Span("  look at: ", "dim"), violation.look_at))
    return tuple(blocks)


def place_text(violation: Violation) -> str:
    """` at rank 1, epoch 2, step 30`, as far as it is known; counted from 0 as the log's parsers do."""
    known = [
        f"{name} {value:g}"
        for name, value in (("rank", violation.rank), ("epoch", violation.epoch), ("step", violation.step))
        if value is not None
    ]
    return f" at {', '.join(known)}" if known else ""


def clock(seconds: float) -> str:
    """`1:02:03`"""
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
