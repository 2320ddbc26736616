"""The lists of `jobs list`, `jobs show` and `jobs stop`, as documents and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from aligndbg.jobs.folder import Job
from aligndbg.jobs.processes import Process, Stopped
from aligndbg.jobs.state import Status
from aligndbg.report.document import Block, Column, Document, Row, Span, Style, Table, field, line

STYLES: dict[Status, Style] = {
    "starting": "dim",
    "running": "strong",
    "ended": "good",
    "failed": "bad",
    "killed": "warn",
    "lost": "warn",
}
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
    rows = tuple(
        Row((Span(str(killed.pid)), Span(killed.signal, "warn" if killed.signal == "SIGKILL" else ""), Span(killed.command, "dim")))
        for killed in stopped.killed
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
    cells = (Span(job.id, "strong"), status_span(state.status), Span(str(job.spec.ranks)), Span(_took(job)), Span(job.spec.title))
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
        yield field("ended", f"{state.ended} · after {_took(job)}")
    for process in processes:
        yield field("process", f"{process.pid} {process.command}")
    for path in logs:
        yield field("log", f"{path} · {path.stat().st_size} bytes")
    yield field("folder", str(job.path))


def _took(job: Job) -> str:
    """`1:02:03`, so far where it runs."""
    if job.state is None or not job.state.started:
        return "-"
    begun = datetime.fromisoformat(job.state.started)
    ended = datetime.fromisoformat(job.state.ended) if job.state.ended else datetime.now(begun.tzinfo)
    seconds = max(0, round((ended - begun).total_seconds()))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
