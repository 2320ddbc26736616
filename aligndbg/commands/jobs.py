"""`aligndbg jobs`: what runs, or ran, beside the app."""

from __future__ import annotations

import json
import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from aligndbg.errors import EnvironmentFault, UsageError
from aligndbg.jobs.ansi import plain, spans
from aligndbg.jobs.folder import Job, jobs_root, list_jobs, logs_of, processes_of, read_job, remove, resolve_job
from aligndbg.jobs.folder import stop as stop_job
from aligndbg.jobs.launcher import start, started_job
from aligndbg.jobs.masking import mask_text
from aligndbg.jobs.spec import JobSpec, new_id
from aligndbg.report.document import line
from aligndbg.report.jobs import job_document, job_json, jobs_document, outcome_line, stopped_document
from aligndbg.report.terminal import encodable, write
from aligndbg.settings import load_settings

POLL_SECONDS = 0.2
LONGEST_LINE = 1 << 20
BLOCK = 1 << 16
ATTACH_LINES = 20
LONGEST_GRACE = 3600
TITLE_MOST = 120
"""Characters of a title that is made from a command."""


def list_all(options: Namespace) -> int:
    root = root_of(options)
    found = list_jobs(root)
    if options.json:
        _put([job_json(job) for job in found])
    else:
        write(jobs_document(found, root), sys.stdout)
    return 0


def show(options: Namespace) -> int:
    job = resolve_job(root_of(options), options.job)
    processes, logs = processes_of(job), logs_of(job)
    if options.json:
        _put(job_json(job, processes, logs))
    else:
        write(job_document(job, processes, logs), sys.stdout)
    return 0


def logs(options: Namespace) -> int:
    """With `--follow` the exit code says how the job ended."""
    if options.lines is not None and options.lines < 1:
        raise UsageError(f"--lines: expected 1 or more, found {options.lines}")
    job = resolve_job(root_of(options), options.job)
    path = _log_of(job, options.rank)
    if options.follow:
        return _follow(job, path, options.lines)
    with path.open("rb") as file:
        _seek_last(file, options.lines)
        for text in _lines(file, at_end=True):
            _print(text)
    return 0


def attach(options: Namespace) -> int:
    """The job in the app; as text where there is no terminal. Leaving leaves it running."""
    root = root_of(options)
    job = resolve_job(root, options.job)
    if not options.text and sys.stdin.isatty() and sys.stdout.isatty():
        from aligndbg.commands import app

        return app.open_job(job.path, root, load_settings())
    write(outcome_line(job), sys.stderr)
    try:
        return _follow(job, _log_of(job, None), ATTACH_LINES)
    except KeyboardInterrupt:
        write((line(f"{job.id} runs on; `aligndbg jobs stop {job.id}` ends it"),), sys.stderr)
        return 0


def stop(options: Namespace) -> int:
    if not 0 <= options.grace <= LONGEST_GRACE:
        raise UsageError(f"--grace: expected 0 to {LONGEST_GRACE} seconds, found {options.grace}")
    root = root_of(options)
    for job in [resolve_job(root, name) for name in options.names]:
        stopped = stop_job(job, options.grace)
        write(stopped_document(job, stopped), sys.stdout)
        if stopped.left:
            pids = ", ".join(str(process.pid) for process in stopped.left)
            raise EnvironmentFault(
                f"{job.id}: SIGKILL did not end {pids}", "such a process waits in the kernel, or is another user's"
            )
    return 0


def remove_all(options: Namespace) -> int:
    """Delete jobs that are over; none is deleted where one of them runs."""
    root = root_of(options)
    found = {job.path: job for job in (resolve_job(root, name, damaged=True) for name in options.names)}
    if running := [job.id for job in found.values() if job.state and not job.state.final]:
        raise UsageError(f"{', '.join(running)} {'is' if len(running) == 1 else 'are'} running", "`aligndbg jobs stop` ends a job")
    for job in found.values():
        remove(job)
        write((line(f"removed {job.id}"),), sys.stdout)
    return 0


def run(options: Namespace) -> int:
    """Start any program as a job; its id goes to standard output."""
    argv = tuple(options.argv[1:] if options.argv[:1] == ["--"] else options.argv)
    if options.ranks < 1:
        raise UsageError(f"--ranks: expected 1 or more, found {options.ranks}")
    cwd = Path(options.cwd or ".").expanduser().absolute()
    title = " ".join((options.title or shlex.join(argv)).split())
    title = f"{title[: TITLE_MOST - 1]}…" if len(title) > TITLE_MOST else title
    spec = JobSpec(new_id("run"), "run", title, argv, str(cwd), ranks=options.ranks)
    job = started_job(start(spec, root_of(options)))
    sys.stdout.write(f"{job.id}\n")
    return 0


def root_of(options: Namespace) -> Path:
    """Where the jobs are. UsageError where `--jobs` names no folder."""
    if not options.jobs:
        return jobs_root(load_settings())
    path = Path(options.jobs).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise UsageError(f"--jobs: {options.jobs} is not a folder", "name a folder; it is made where it is missing")
    return path


def _put(document: Any) -> None:
    # In ASCII: arguments and paths may hold bytes that are no text.
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def _log_of(job: Job, rank: int | None) -> Path:
    """The launcher's log, which has what rank 0 says too, or the one of a rank."""
    found = logs_of(job)
    if not found:
        raise EnvironmentFault(f"{job.id} has no log", f"it would be in {job.path / 'log'}")
    if rank is None:
        return found[0]
    ranks = found[1:] or (found if job.spec and job.spec.ranks == 1 else [])
    if 0 <= rank < len(ranks):
        return ranks[rank]
    there = f"there are 0 to {len(ranks) - 1}" if ranks else "its launcher has written none yet"
    raise UsageError(f"{job.id} has no log of rank {rank}", there)


def _follow(job: Job, path: Path, lines: int | None) -> int:
    with path.open("rb") as file:
        _seek_last(file, lines)
        while True:
            # Asked before the reading: what is written up to the end is printed then.
            now = read_job(job.path)
            over = now.state is None or now.state.final
            if path.exists() and path.stat().st_size < file.tell():
                file.seek(0)
            for text in _lines(file, at_end=over):
                _print(text)
            sys.stdout.flush()
            if over:
                write(outcome_line(now), sys.stderr)
                return 0 if now.state and now.state.status == "ended" else 1
            time.sleep(POLL_SECONDS)


def _lines(file: BinaryIO, at_end: bool) -> Iterator[str]:
    """Whole lines from here on; one that is still being written only `at_end`, and in pieces of 1 MiB."""
    while piece := file.readline(LONGEST_LINE):
        if not piece.endswith(b"\n") and len(piece) < LONGEST_LINE and not at_end:
            file.seek(-len(piece), 1)
            return
        yield piece.decode("utf-8", "replace").rstrip("\r\n")


def _seek_last(file: BinaryIO, lines: int | None) -> None:
    """To the beginning of the last `lines` lines; None leaves the file at its beginning."""
    if lines is None:
        return
    position = file.seek(0, 2)
    wanted = lines + 1
    while position:
        size = min(BLOCK, position)
        file.seek(position - size)
        block = file.read(size)
        # The newline that ends the file ends the last line, and begins none.
        end = size - 1 if wanted == lines + 1 and block.endswith(b"\n") else size
        wanted = min(wanted, lines)
        while (found := block.rfind(b"\n", 0, end)) >= 0:
            wanted -= 1
            end = found
            if not wanted:
                file.seek(position - size + found + 1)
                return
        position -= size
    file.seek(0)


def _print(text: str) -> None:
    """Of a line that was drawn over, the last state; nothing in it reaches the terminal but text and, there, its colours."""
    shown = mask_text(text.rpartition("\r")[2])
    if "\x1b" not in shown or not sys.stdout.isatty():
        sys.stdout.write(f"{encodable(plain(shown), sys.stdout)}\n")
        return
    from rich.console import Console
    from rich.text import Text

    pieces = ((encodable(span.text, sys.stdout), span.style) for span in spans(shown))
    Console(file=sys.stdout, highlight=False).print(Text.assemble(*pieces), soft_wrap=True)
