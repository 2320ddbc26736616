"""Paddle's own launcher as a job: its ranks, its log folder, its dumps of the environment."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path

import pytest
from running_jobs import Starter, job_in, living, over, wait_for

from aligndbg.jobs.folder import log_files, processes_of
from aligndbg.jobs.launcher import start
from aligndbg.jobs.spec import JobSpec, new_id

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.skipif(importlib.util.find_spec("paddle") is None, reason="paddle is not installed"),
]


@pytest.fixture
def folder(begin: Starter) -> Path:
    """A launch of two ranks, both of which run; its own `--log_dir` would be elsewhere."""
    (begin.cwd / "rank.py").write_text(
        "import os, time; print('rank', os.environ['PADDLE_TRAINER_ID'], flush=True); time.sleep(60)"
    )
    launch = (sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", "elsewhere", "rank.py")
    spec = JobSpec(new_id("train"), "train", "t", launch, str(begin.cwd), {"MY_TOKEN": "swordfish"}, 2)
    path = start(spec, begin.root)
    ranks = [path / "log" / f"workerlog.{rank}" for rank in range(2)]
    wait_for(lambda: all(log.exists() and log.read_text() == f"rank {rank}\n" for rank, log in enumerate(ranks)), "no ranks", 60)
    assert len(processes_of(job_in(path))) == 3
    return path


def test_a_launcher_that_is_killed(folder: Path) -> None:
    wait_for(lambda: len(list((folder / "log").iterdir())) == 3, "the environment is kept")
    assert [path.name for path in log_files(folder)] == ["launcher.log", "workerlog.0", "workerlog.1"]
    assert not (folder.parents[1] / "elsewhere").exists()
    state = job_in(folder).state
    assert state and state.pid
    os.kill(state.pid, signal.SIGKILL)
    ended = over(folder).state
    assert ended and (ended.status, ended.signal) == ("killed", signal.SIGKILL)
    assert "2 processes that it left behind were ended" in ended.reason
    assert living(folder) == []
    assert [path for path in folder.rglob("*") if path.is_file() and b"swordfish" in path.read_bytes()] == []


def test_a_rank_that_is_killed(folder: Path) -> None:
    rank = next(process for process in processes_of(job_in(folder)) if "-u rank.py" in process.command)
    os.kill(rank.pid, signal.SIGKILL)
    ended = over(folder).state
    assert ended and ended.status == "failed"
    assert "was killed by SIGKILL, which aligndbg did not send" in ended.reason and ended.reason.startswith("rank ")
    assert living(folder) == []
