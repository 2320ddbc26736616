"""Real jobs in a temporary folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from aligndbg.jobs.folder import Job, read_job
from aligndbg.jobs.launcher import start
from aligndbg.jobs.processes import Process, members
from aligndbg.jobs.spec import JobSpec, new_id

Seen = TypeVar("Seen")

RANKS = """
import subprocess, sys, time
rank = "import os, time; print('rank', os.getpid(), os.getsid(0) == os.getpid(), flush=True); time.sleep(60)"
ranks = [subprocess.Popen([sys.executable, "-c", rank], start_new_session=True) for _ in range(2)]
sys.exit(max(one.wait() for one in ranks))
"""
"""A launcher that gives each of its two ranks a session of its own, as Paddle's does."""

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""


@dataclass(frozen=True)
class Starter:
    """Starts Python programs as jobs in `root`."""

    root: Path
    cwd: Path

    def __call__(self, program: str, *words: str, env: Mapping[str, str] | None = None, title: str = "a test") -> Path:
        argv = (sys.executable, "-c", program, *words)
        return start(JobSpec(new_id("run"), "run", title, argv, str(self.cwd), env or {}), self.root)


def wait_for(look: Callable[[], Seen], what: str, seconds: float = 20) -> Seen:
    until = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < until, what
        time.sleep(0.02)
    return seen


def job_in(folder: Path) -> Job:
    job = read_job(folder)
    assert job.error == ""
    assert job.spec and job.state
    return job


def over(folder: Path) -> Job:
    """The job once its state is final."""
    wait_for(lambda: (state := job_in(folder).state) and state.final, f"{folder.name} does not end")
    return job_in(folder)


def said(folder: Path, word: str, count: int = 1) -> str:
    """The launcher's log once it has `word` so often."""
    path = folder / "log" / "launcher.log"
    wait_for(lambda: path.read_text().count(word) >= count, f"{word!r} is not said")
    return path.read_text()


def living(folder: Path) -> list[Process]:
    """Whatever carries the job's mark, supervisor or not."""
    state = job_in(folder).state
    assert state
    return members(folder, state.pid, state.process_started)
