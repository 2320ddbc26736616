"""All jobs at a glance: how each stands, how far it is, and which rules it breaks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aligndbg.errors import AligndbgError
from aligndbg.jobs.folder import Job, list_jobs
from aligndbg.workflows.following import Follower, Update
from aligndbg.workflows.job_summary import remember, remembered

MOST_FOLLOWED = 50
"""The newest jobs, whose logs are read; of older ones the state alone is known."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """`update` is None as long as the logs were not read; `behind`: not to their end yet. `fault` says why they cannot be."""

    job: Job
    update: Update | None = None
    behind: bool = False
    fault: str = ""


class Board:
    """The jobs in `root`. Logs are read on with each look; those of a job that is over are read once, and what they say is kept."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._followers: dict[Path, Follower] = {}
        self._rows: dict[Path, JobRow] = {}

    def look(self, limit_s: float = 0.2) -> Sequence[JobRow]:
        """Every job, newest first, after about so much reading. Raises EnvironmentFault where the folder cannot be read."""
        jobs = list_jobs(self._root)
        until = time.monotonic() + limit_s
        known = {job.path for job in jobs}
        self._rows = {path: row for path, row in self._rows.items() if path in known}
        self._followers = {path: follower for path, follower in self._followers.items() if path in known}
        # Those that run first: what was read of the others will not change.
        order = sorted(enumerate(jobs), key=lambda one: (one[1].state is not None and one[1].state.final, one[0]))
        waiting = False
        for place, (_, job) in enumerate(order):
            row, final = self._rows.get(job.path), job.state is not None and job.state.final
            if row is not None and row.job.state == job.state and not row.behind and final:
                continue
            if place >= MOST_FOLLOWED or job.error:
                self._rows[job.path] = JobRow(job)
            elif final and waiting and time.monotonic() > until:
                self._rows[job.path] = replace(row, job=job, behind=True) if row is not None else JobRow(job, behind=True)
            else:
                self._rows[job.path] = self._read(job, until)
                # Of those that are over at least one is read on, so that each look brings something.
                waiting = waiting or final
        return [self._rows[job.path] for job in jobs]

    def _read(self, job: Job, until: float) -> JobRow:
        over = job.state is not None and job.state.final
        if over and job.path not in self._followers and (known := remembered(job)) is not None:
            return JobRow(job, known)
        try:
            follower = self._followers.setdefault(job.path, Follower(job.path))
            while True:
                update = follower.step()
                if not update.more or time.monotonic() > until:
                    break
            if not update.more and update.job.state is not None and update.job.state.final:
                remember(update)
            return JobRow(update.job, update, update.more)
        except AligndbgError as error:
            return JobRow(job, fault=error.message)
