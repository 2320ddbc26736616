from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from running_jobs import Starter, living

from aligndbg.jobs.folder import list_jobs


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Starter]:
    """Whatever a test leaves behind is killed."""
    starter = Starter(tmp_path / "jobs", tmp_path)
    yield starter
    for job in list_jobs(starter.root):
        for process in living(job.path) if job.state else ():
            os.kill(process.pid, signal.SIGKILL)
