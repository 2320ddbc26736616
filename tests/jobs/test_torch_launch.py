"""torchrun as a job: a log for each rank, and what becomes of a rank that fails."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from running_jobs import Starter, living, over

from aligndbg.jobs.folder import log_files
from aligndbg.jobs.launcher import start
from aligndbg.jobs.spec import JobSpec, new_id
from aligndbg.jobs.templates import RANK_LOG, Ranks, launch_environment, torch_run

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed"),
]

PROGRAM = """
import logging, os, sys
import torch
import torch.distributed as dist
dist.init_process_group("gloo")
rank = dist.get_rank()
ones = torch.ones(1)
dist.all_reduce(ones)
print("rank", rank, "of", int(ones), sys.argv[1:])
logging.warning("told by %d", rank)
print("then", rank)
dist.destroy_process_group()
if sys.argv[1:] == ["fail", str(rank)]:
    raise ValueError(f"rank {rank} alone")
"""


def launch(begin: Starter, *words: str) -> Path:
    (begin.cwd / "a program.py").write_text(PROGRAM)
    ranks = Ranks(2)
    argv = torch_run(sys.executable, ranks, ("a program.py", *words))
    return start(JobSpec(new_id("run"), "run", "t", argv, str(begin.cwd), launch_environment(ranks), 2), begin.root)


def test_each_rank_has_one_log_in_its_own_order(begin: Starter) -> None:
    folder = launch(begin, "two words")
    state = over(folder).state
    assert state and state.status == "ended"
    assert [path.name for path in log_files(folder)] == ["launcher.log", "workerlog.0", "workerlog.1"]
    launcher, first, second = (path.read_text().splitlines() for path in log_files(folder))
    assert first == ["rank 0 of 2 ['two words']", "WARNING:root:told by 0", "then 0"]
    assert second == ["rank 1 of 2 ['two words']", "WARNING:root:told by 1", "then 1"]
    assert [line for line in launcher if line in first] == first
    assert living(folder) == []


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_fails_fails_the_job(begin: Starter, rank: int) -> None:
    folder = launch(begin, "fail", str(rank))
    state = over(folder).state
    assert state and state.status == "failed"
    assert f"workerlog.{rank}: ValueError: rank {rank} alone" in state.reason
    assert living(folder) == []


def test_outside_a_job_the_program_just_runs(tmp_path: Path) -> None:
    program = "import os, sys; print(sys.argv[1:], 'ALIGNDBG_JOB' in os.environ)"
    (tmp_path / "program.py").write_text(program)
    environ = {name: value for name, value in os.environ.items() if name != "ALIGNDBG_JOB"}
    argv = [sys.executable, str(RANK_LOG), "program.py", "-x", ""]
    done = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "['-x', ''] False\n" and list(tmp_path.iterdir()) == [tmp_path / "program.py"]
