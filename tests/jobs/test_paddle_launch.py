"""Paddle's own launcher as a job: its ranks, its log folder, its dumps of the environment."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from running_jobs import Starter, job_in, living, over, wait_for

from aligndbg.jobs.folder import log_files, processes_of
from aligndbg.jobs.launcher import start
from aligndbg.jobs.spec import JobSpec, new_id
from aligndbg.jobs.templates import Ranks, paddle_environment, paddle_launch

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
    # What a rank may look up stays as long as it runs.
    kept = {"launcher.log", "workerlog.0", "workerlog.1", "backup_env.0.json", "backup_env.1.json"}
    wait_for(lambda: {path.name for path in (folder / "log").iterdir()} == kept, "the environment is kept")
    wait_for(lambda: not holding(folder, b"swordfish"), "the secret is kept")
    assert [path.name for path in log_files(folder)] == ["launcher.log", "workerlog.0", "workerlog.1"]
    assert not (folder.parents[1] / "elsewhere").exists()
    state = job_in(folder).state
    assert state and state.pid
    os.kill(state.pid, signal.SIGKILL)
    ended = over(folder).state
    assert ended and (ended.status, ended.signal) == ("killed", signal.SIGKILL)
    assert "2 processes that it left behind were ended" in ended.reason
    assert living(folder) == []
    assert len(list((folder / "log").iterdir())) == 3


def test_a_rank_that_is_killed(folder: Path) -> None:
    rank = next(process for process in processes_of(job_in(folder)) if "-u rank.py" in process.command)
    os.kill(rank.pid, signal.SIGKILL)
    ended = over(folder).state
    assert ended and ended.status == "failed"
    assert "was killed by SIGKILL, which aligndbg did not send" in ended.reason and ended.reason.startswith("rank ")
    assert living(folder) == []


def test_ranks_that_ask_late_who_the_others_are(begin: Starter) -> None:
    """As PaddleClas does, after its imports: by then the launcher's copies of the environment were looked at."""
    (begin.cwd / "rank.py").write_text(
        "import time; time.sleep(2)\n"
        "import paddle.distributed as dist\n"
        "dist.init_parallel_env(); print('rank', dist.get_rank(), 'of', dist.get_world_size())"
    )
    ranks = Ranks(2)
    argv = paddle_launch(sys.executable, ranks, Path("log"), ("rank.py",))
    environment = {**paddle_environment(ranks), "MY_TOKEN": "swordfish"}
    folder = start(JobSpec(new_id("train"), "train", "t", argv, str(begin.cwd), environment, 2), begin.root)
    state = job_in(folder).state
    assert state and state.status == "running"
    wait_for(lambda: (now := job_in(folder).state) and now.final, "it does not end", 90)
    ended = job_in(folder).state
    assert ended and ended.status == "ended", ended
    assert all(f"rank {rank} of 2" in log.read_text() for rank, log in enumerate(log_files(folder)[1:]))
    assert holding(folder, b"swordfish") == []


def holding(folder: Path, word: bytes) -> list[Path]:
    found = []
    for path in folder.rglob("*"):
        # Files come and go while the job runs.
        with suppress(FileNotFoundError):
            found += [path] if path.is_file() and word in path.read_bytes() else []
    return found
