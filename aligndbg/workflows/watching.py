"""A job's logs, read as they grow, under rules: what is wrong with the run is told as soon as a line shows it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from aligndbg.jobs.violation import Violation
from aligndbg.workflows.following import Follower

POLL_SECONDS = 0.5


def watch_job(follower: Follower, poll_seconds: float = POLL_SECONDS) -> Iterator[Violation]:
    """Each violation when it comes to light, until the job is over and its logs are read to the end.

    Where the launcher keeps a log for each rank those are read, else the launcher's own. Raises UsageError where the job's log
    format is none.
    """
    while True:
        update = follower.step()
        yield from update.fresh
        if update.more:
            continue
        if update.job.state is None or update.job.state.final:
            return
        time.sleep(poll_seconds)
