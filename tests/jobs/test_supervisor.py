"""How a job ends, told by its supervisor: real processes throughout."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import time
from pathlib import Path
from typing import cast

import pytest
from running_jobs import RANKS, Starter, job_in, living, over, said, wait_for

from aligndbg.jobs import supervisor
from aligndbg.jobs.folder import log_files, processes_of, stop
from aligndbg.jobs.launcher import start
from aligndbg.jobs.processes import started_at
from aligndbg.jobs.spec import JobSpec, new_id
from aligndbg.jobs.state import JobState


def test_a_job_that_ends_well(begin: Starter) -> None:
    folder = begin("print('hello'); import sys; print(sys.stdin.read() == '')")
    state = over(folder).state
    assert state and (state.status, state.exit_code, state.signal, state.reason) == ("ended", 0, None, "exit code 0")
    assert state.started and state.ended and state.started <= state.ended
    assert (folder / "log" / "launcher.log").read_text() == "hello\nTrue\n"
    assert (folder / "supervisor.log").read_text() == ""


def test_an_exit_code_and_the_words_before_it(begin: Starter) -> None:
    state = over(begin("raise ValueError('the third layer')")).state
    assert state and (state.status, state.exit_code) == ("failed", 1)
    assert state.reason == "exit code 1; launcher.log: ValueError: the third layer"


def test_exit_code_0_is_no_proof(begin: Starter) -> None:
    state = over(begin("import traceback\ntry: 1 / 0\nexcept Exception: traceback.print_exc()")).state
    assert state and (state.status, state.exit_code) == ("failed", 0)
    assert state.reason == "exit code 0, yet the log ends with a failure: launcher.log: ZeroDivisionError: division by zero"


def test_a_rank_that_fails_under_a_launcher_that_does_not(begin: Starter) -> None:
    program = (
        "import os, pathlib\n"
        "log = pathlib.Path(os.environ['PADDLE_LOG_DIR'], 'workerlog.1')\n"
        "log.write_text('[x] [   ERROR] l.py:7 - no picture')"
    )
    state = over(begin(program)).state
    assert state and state.status == "failed"
    assert "workerlog.1: [x] [   ERROR] l.py:7 - no picture" in state.reason


def test_a_signal_from_elsewhere(begin: Starter) -> None:
    state = over(begin("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")).state
    assert state and (state.status, state.exit_code, state.signal) == ("killed", None, signal.SIGTERM)
    assert state.reason == "its first process was ended by SIGTERM, which aligndbg did not send"


def test_a_crash_is_a_failure(begin: Starter) -> None:
    state = over(begin("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")).state
    assert state and (state.status, state.signal, state.reason) == ("failed", signal.SIGSEGV, "its first process crashed (SIGSEGV)")


def test_a_launcher_that_is_killed_leaves_no_rank(begin: Starter) -> None:
    folder = begin(RANKS)
    # Each rank leads a session of its own: neither the group nor the session of the launcher has them.
    assert said(folder, "rank", 2).count("True") == 2
    launcher, *ranks = [process.pid for process in processes_of(job_in(folder))]
    assert len(ranks) == 2
    os.kill(launcher, signal.SIGKILL)
    state = over(folder).state
    assert state and (state.status, state.signal) == ("killed", signal.SIGKILL)
    assert "SIGKILL, which aligndbg did not send" in state.reason
    assert f"2 processes that it left behind were ended: {ranks[0]}, {ranks[1]}" in state.reason
    assert living(folder) == []


def test_a_rank_that_is_killed_ends_the_job_by_its_launchers_word(begin: Starter) -> None:
    program = (
        "import subprocess, sys\n"
        "code = subprocess.run([sys.executable, '-c', 'import os; os.kill(os.getpid(), 9)']).returncode\n"
        "print(f'LAUNCH ERROR Container failed !!!\\nContainer rank 1 status failed cmd [] code {code} log log/workerlog.1')\n"
        "sys.exit(-15)"
    )
    state = over(begin(program)).state
    assert state and (state.status, state.exit_code) == ("failed", 241)
    assert state.reason.startswith("rank 1 was killed by SIGKILL, which aligndbg did not send")


def test_a_supervisor_that_is_told_to_end_takes_its_job_along(begin: Starter) -> None:
    folder = begin(RANKS)
    said(folder, "rank", 2)
    state = job_in(folder).state
    assert state and state.supervisor_pid
    os.kill(state.supervisor_pid, signal.SIGHUP)
    time.sleep(0.3)
    assert job_in(folder).state == state
    os.kill(state.supervisor_pid, signal.SIGTERM)
    ended = over(folder).state
    assert ended and (ended.status, ended.reason) == ("killed", "its supervisor was told to end (SIGTERM)")
    assert living(folder) == []


def test_a_job_has_a_session_of_its_own_and_no_terminal(begin: Starter) -> None:
    folder = begin(
        "import os; print(os.getpid() == os.getsid(0) == os.getpgid(0), os.getppid() != 1)\n"
        "try: open('/dev/tty')\n"
        "except OSError: print('none')"
    )
    over(folder)
    assert (folder / "log" / "launcher.log").read_text() == "True True\nnone\n"


def test_signals_are_not_ignored_in_the_job(begin: Starter) -> None:
    folder = begin(
        "import signal; print([signal.getsignal(one) == signal.SIG_DFL for one in (signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE)])"
    )
    over(folder)
    # Python itself ignores SIGPIPE.
    assert (folder / "log" / "launcher.log").read_text() == "[True, True, False]\n"


def test_dumps_of_the_environment_do_not_stay(begin: Starter) -> None:
    program = (
        "import os, pathlib, time\n"
        "log = pathlib.Path(os.environ['PADDLE_LOG_DIR'])\n"
        "for name in ('envlog.0', 'backup_env.0.json', 'job.abcdef.log', 'workerlog.0'):\n"
        "    (log / name).write_text(str(os.environ) if name != 'workerlog.0' else 'loss 1.0')\n"
        "print('written', flush=True); time.sleep(60)"
    )
    folder = begin(program, env={"MY_TOKEN": "swordfish"})
    said(folder, "written")
    wait_for(lambda: len(list((folder / "log").iterdir())) == 2, "the dumps stay")
    assert [path.name for path in log_files(folder)] == ["launcher.log", "workerlog.0"]
    stop(job_in(folder), 5)
    assert [path for path in folder.rglob("*") if path.is_file() and b"swordfish" in path.read_bytes()] == []


def test_the_job_gets_the_secret_that_its_folder_does_not_keep(begin: Starter) -> None:
    folder = begin(
        "import os, sys; print(len(os.environ['MY_TOKEN']), len(sys.argv[2]))",
        "--password",
        "hunter2",
        env={"MY_TOKEN": "swordfish"},
    )
    spec = over(folder).spec
    assert (folder / "log" / "launcher.log").read_text() == "9 7\n"
    assert spec and spec.argv[-2:] == ("--password", "***") and spec.env == {"MY_TOKEN": "***"}
    assert [path for path in folder.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()] == []


def test_a_program_that_is_none(begin: Starter, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    folder = start(JobSpec(new_id("run"), "run", "t", (str(tmp_path / "text"),), str(tmp_path)), begin.root)
    state = job_in(folder).state
    assert state and (state.status, state.pid) == ("failed", None)
    assert "cannot be started: Exec format error" in state.reason


def test_a_supervisor_goes_when_its_job_is_over(begin: Starter) -> None:
    state = over(begin("pass")).state
    assert state and state.supervisor_pid
    wait_for(lambda: started_at(state.supervisor_pid or 0) is None, "the supervisor stays")
    # It is no child of this process, which would have to wait for it.
    with pytest.raises(ChildProcessError):
        os.waitpid(state.supervisor_pid, os.WNOHANG)


def test_the_end_is_written_once_a_full_disk_has_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = iter([OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EDQUOT, "Disk quota exceeded")])
    written: list[JobState] = []

    def write(folder: Path, state: JobState) -> None:
        for error in full:
            raise error
        written.append(state)

    class Patient:
        told = False
        waits = 0

        def wait(self, seconds: float) -> None:
            self.waits += 1

    reaper = Patient()
    monkeypatch.setattr(supervisor, "write_state", write)
    supervisor.write_last(tmp_path, JobState("ended"), cast(supervisor.Reaper, reaper))
    assert (written, reaper.waits) == ([JobState("ended")], 2)


def test_a_job_whose_folder_is_deleted_goes_on(begin: Starter) -> None:
    mark = begin.cwd / "done"
    folder = begin(f"import time, pathlib; print('begun', flush=True); time.sleep(1); pathlib.Path({str(mark)!r}).touch()")
    said(folder, "begun")
    shutil.rmtree(folder)
    wait_for(mark.exists, "the job was ended")
