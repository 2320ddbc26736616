"""Jobs that outlive who started them."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running_jobs import RANKS, Starter, job_in, living, over, said, wait_for

from aligndbg.errors import EnvironmentFault, UsageError
from aligndbg.jobs.folder import list_jobs, stop
from aligndbg.jobs.launcher import start
from aligndbg.jobs.processes import is_alive
from aligndbg.jobs.spec import JobSpec, new_id

HERE = Path(__file__).parent
APP = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from running_jobs import Starter
Starter(Path(sys.argv[1]), Path(sys.argv[1]).parent)(sys.argv[2])
print("started", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_job_outlives_the_app(begin: Starter, number: signal.Signals) -> None:
    program = "import time; print('begun', flush=True); time.sleep(1); print('done')"
    app = subprocess.Popen(
        [sys.executable, "-c", APP, str(begin.root), program, str(HERE)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert app.stdout and app.stdout.readline() == "started\n"
    [job] = list_jobs(begin.root)
    said(job.path, "begun")
    # To the whole group and, as a terminal that is closed does it, not only to the app.
    os.killpg(app.pid, number)
    assert app.wait() == -number
    app.stdout.close()
    state = over(job.path).state
    assert state and (state.status, state.reason) == ("ended", "exit code 0")
    assert said(job.path, "done") == "begun\ndone\n"


def test_supervisor_and_app_are_killed_and_the_job_is_found_again(begin: Starter) -> None:
    app = subprocess.Popen([sys.executable, "-c", APP, str(begin.root), RANKS, str(HERE)], stdout=subprocess.PIPE, text=True)
    assert app.stdout and app.stdout.readline() == "started\n"
    [job] = list_jobs(begin.root)
    said(job.path, "rank", 2)
    assert job.state and job.state.supervisor_pid
    os.kill(job.state.supervisor_pid, signal.SIGKILL)
    app.kill()
    app.wait()
    app.stdout.close()
    wait_for(lambda: job_in(job.path).orphaned, "nobody notices that the supervisor is gone")
    found = job_in(job.path)
    assert found.state and found.state.status == "running"
    assert found.state.reason == "its supervisor is gone, 3 processes live on; its exit code will not be known"
    stopped = stop(found, 5)
    assert len(stopped.killed) == 3 and stopped.left == ()
    ended = job_in(job.path).state
    assert ended and (ended.status, ended.reason) == ("killed", "stopped on request; its supervisor was gone before")
    assert living(job.path) == []


def test_the_folder_is_for_its_owner_alone(begin: Starter) -> None:
    folder = begin("pass")
    assert folder.stat().st_mode & 0o077 == 0
    assert over(folder).id == folder.name


def test_a_job_of_a_job_is_its_own(begin: Starter) -> None:
    outer = begin(APP, str(begin.root), "import time; time.sleep(60)", str(HERE))
    said(outer, "started")
    [inner] = [job.path for job in list_jobs(begin.root) if job.path != outer]
    stopped = stop(job_in(outer), 5)
    assert [process.pid for process in living(inner)] != []
    state = job_in(inner).state
    assert state and state.status == "running"
    assert state.pid not in [killed.pid for killed in stopped.killed]
    assert is_alive(state.supervisor_pid, state.supervisor_started, state.boot)


@pytest.mark.parametrize(
    ("argv", "cwd", "words"),
    [
        ((), ".", "no command is given"),
        (("no-such-program-here",), ".", "there is no program 'no-such-program-here'"),
        (("./absent.py",), ".", "there is no program './absent.py'"),
        (("sleep", "1"), "absent", "there is no folder"),
        (("sleep", "1\0"), ".", "a command cannot hold a NUL character"),
    ],
)
def test_what_cannot_be_started_leaves_no_folder(tmp_path: Path, argv: tuple[str, ...], cwd: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        start(JobSpec(new_id("run"), "run", "t", argv, str(tmp_path / cwd)), tmp_path / "jobs")
    assert not (tmp_path / "jobs").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("")
    with pytest.raises(EnvironmentFault, match="cannot be kept in"):
        start(JobSpec(new_id("run"), "run", "t", ("sleep", "1"), str(tmp_path)), tmp_path / "jobs")


def test_a_supervisor_that_fails_at_once_is_told_with_its_last_word(begin: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(EnvironmentFault, match="its supervisor could not start it"):
        begin("pass")
    [job] = list_jobs(begin.root)
    assert job.state and job.state.status == "failed" and "could not start it" in job.state.reason


@pytest.mark.parametrize("pattern", ["/tmp/*.log", "../*.log", "", "**x"])
def test_a_pattern_of_logs_stays_in_the_folder(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match="rank_logs: "):
        start(JobSpec(new_id("run"), "run", "t", ("sleep", "1"), str(tmp_path), rank_logs=pattern), tmp_path / "jobs")


def test_a_job_that_finds_no_room_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("aligndbg.jobs.launcher.write_state", full)
    with pytest.raises(EnvironmentFault, match="No space left on device"):
        start(JobSpec(new_id("run"), "run", "a test", ("true",), str(tmp_path)), tmp_path / "jobs")
    assert list((tmp_path / "jobs").iterdir()) == []
