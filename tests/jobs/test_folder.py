"""Listing jobs, naming one, stopping one."""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from pathlib import Path

import pytest
from running_jobs import RANKS, STUBBORN, Starter, job_in, living, over, said, wait_for

from aligndbg.errors import EnvironmentFault, UsageError
from aligndbg.jobs.folder import jobs_root, list_jobs, log_files, processes_of, read_job, remove, resolve_job, stop
from aligndbg.jobs.processes import boot_id, started_at
from aligndbg.jobs.spec import JobSpec, write_spec
from aligndbg.jobs.state import JobState, Status, write_state
from aligndbg.settings import Settings


def stored(root: Path, name: str, status: Status = "ended", state: JobState | None = None) -> Path:
    (root / name / "log").mkdir(parents=True)
    write_spec(root / name, JobSpec(name, "run", name, ("true",), "/"))
    write_state(root / name, state or JobState(status))
    return root / name


def kill_supervisor(folder: Path) -> None:
    state = job_in(folder).state
    assert state and state.supervisor_pid
    os.kill(state.supervisor_pid, signal.SIGKILL)
    wait_for(lambda: started_at(state.supervisor_pid or 0) is None, "the supervisor lives")


def test_stop_ends_ranks_in_sessions_of_their_own_and_says_so(begin: Starter) -> None:
    folder = begin(RANKS)
    said(folder, "rank", 2)
    running = {process.pid for process in processes_of(job_in(folder))}
    stopped = stop(job_in(folder), 10)
    assert {killed.pid for killed in stopped.killed} == running and len(running) == 3
    assert {killed.signal for killed in stopped.killed} == {"SIGTERM"}
    state = job_in(folder).state
    assert state and (state.status, state.reason) == ("killed", "stopped on request (SIGTERM)")
    assert living(folder) == []


def test_stop_forces_what_does_not_listen_after_the_grace(begin: Starter) -> None:
    folder = begin(STUBBORN)
    said(folder, "deaf")
    begun = time.monotonic()
    [killed] = stop(job_in(folder), 0.5).killed
    assert killed.signal == "SIGKILL"
    assert time.monotonic() - begun >= 0.5
    state = job_in(folder).state
    assert state and (state.status, state.signal, state.reason) == ("killed", signal.SIGKILL, "stopped on request (SIGKILL)")


def full(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_job_is_stopped_on_a_full_disk(begin: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begin("import time; print('up', flush=True); time.sleep(60)")
    said(folder, "up")
    monkeypatch.setattr("aligndbg.jobs.folder.write_json", full)
    assert len(stop(job_in(folder), 10).killed) == 1
    state = job_in(folder).state
    assert state and (state.status, state.reason) == ("killed", "stopped on request (SIGTERM)")


def test_a_lost_job_is_told_though_it_cannot_be_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = stored(tmp_path, "20260101T120000Z-run-0000", state=JobState("running", 1, 2, 3, supervisor_started=4, boot="before"))
    monkeypatch.setattr("aligndbg.jobs.folder.write_state", full)
    assert [job.state.status for job in list_jobs(tmp_path) if job.state] == ["lost"]
    assert '"running"' in (folder / "state.json").read_text()


def test_a_folder_that_is_gone_is_told_in_few_words(tmp_path: Path) -> None:
    assert read_job(tmp_path / "one").error == "its folder is gone"


def test_stop_reaches_a_suspended_process(begin: Starter) -> None:
    folder = begin("import os, signal; print('now', flush=True); os.kill(os.getpid(), signal.SIGSTOP)")
    said(folder, "now")
    [killed] = stop(job_in(folder), 10).killed
    assert killed.signal == "SIGTERM"


def test_stop_reaches_what_has_cleared_its_environment_and_left_the_session(begin: Starter) -> None:
    folder = begin(
        "import subprocess, sys\n"
        "program = 'import os, time; os.fork() and os._exit(0); print(\"hidden\", flush=True); time.sleep(60)'\n"
        "subprocess.run([sys.executable, '-c', program], env={}, start_new_session=True)\n"
        "import time; time.sleep(60)"
    )
    said(folder, "hidden")
    assert len(stop(job_in(folder), 5).killed) == 2
    state = job_in(folder).state
    assert state and state.status == "killed"


def test_a_job_that_is_over_cannot_be_stopped(begin: Starter) -> None:
    folder = begin("pass")
    with pytest.raises(UsageError, match="is over: ended"):
        stop(over(folder))


def test_a_supervisor_that_is_killed_leaves_a_running_job_then_a_lost_one(begin: Starter) -> None:
    folder = begin("import time; print('begun', flush=True); time.sleep(1); raise ValueError('unseen')")
    said(folder, "begun")
    kill_supervisor(folder)
    job = job_in(folder)
    assert job.orphaned and job.state and job.state.status == "running"
    assert job.state.reason == "its supervisor is gone, 1 process lives on; its exit code will not be known"
    state = over(folder).state
    assert state and (state.status, state.exit_code, state.signal) == ("lost", None, None)
    assert "the exit code will never be known; the log ends with a failure: launcher.log: ValueError: unseen" in state.reason
    assert json.loads((folder / "state.json").read_text())["status"] == "lost"


def test_supervisor_and_launcher_are_killed_and_the_ranks_are_still_found(begin: Starter) -> None:
    folder = begin(RANKS)
    said(folder, "rank", 2)
    kill_supervisor(folder)
    state = job_in(folder).state
    assert state and state.pid
    os.kill(state.pid, signal.SIGKILL)
    wait_for(lambda: len(processes_of(job_in(folder))) == 2, "the ranks are not found")
    now = job_in(folder).state
    assert now and now.status == "running"
    assert now.reason.startswith("its supervisor and its first process are gone, 2 processes live on")
    assert len(stop(job_in(folder), 5).killed) == 2
    assert living(folder) == []


def test_dumps_are_removed_where_the_supervisor_is_gone(begin: Starter) -> None:
    folder = begin("import time; print('begun', flush=True); time.sleep(60)")
    said(folder, "begun")
    kill_supervisor(folder)
    (folder / "log" / "envlog.0").write_text("TOKEN=swordfish")
    assert [path.name for path in log_files(folder)] == ["launcher.log"]
    assert job_in(folder).orphaned
    assert not (folder / "log" / "envlog.0").exists()


def test_a_pid_that_was_given_to_another_is_not_the_job(tmp_path: Path) -> None:
    started = started_at(os.getpid())
    assert started is not None
    state = JobState(
        "running",
        supervisor_pid=os.getpid(),
        supervisor_started=started - 1,
        pid=os.getpid(),
        process_started=started - 1,
        boot=boot_id(),
    )
    lost = job_in(stored(tmp_path, "a", state=state)).state
    assert lost and lost.status == "lost"


def test_nothing_lives_through_a_boot(tmp_path: Path) -> None:
    state = JobState("running", supervisor_pid=os.getpid(), supervisor_started=started_at(os.getpid()), boot="another")
    lost = job_in(stored(tmp_path, "a", state=state)).state
    assert lost and lost.status == "lost"


def test_a_job_whose_starter_died_was_never_started(tmp_path: Path) -> None:
    lost = job_in(stored(tmp_path, "a", state=JobState("starting", supervisor_pid=1 << 22, supervisor_started=1))).state
    assert lost and (lost.status, lost.reason) == ("lost", "it was never started: who was to start it is gone")


def test_newest_first_and_damaged_ones_with_their_error(tmp_path: Path) -> None:
    for name in ("20260101T000000Z-run-0001", "20260102T000000Z-run-0002", "20260103T000000Z-run-0003"):
        stored(tmp_path, name)
    (tmp_path / ".20260104T000000Z-run-0004.new").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "20260102T000000Z-run-0002" / "state.json").write_text('{"status": "asleep"}')
    found = list_jobs(tmp_path)
    assert [job.id[-4:] for job in found] == ["0003", "0002", "0001"]
    assert ["asleep" in job.error for job in found] == [False, True, False]
    with pytest.raises(EnvironmentFault, match="asleep"):
        resolve_job(tmp_path, "0002")


def test_of_two_jobs_of_one_second_the_later_is_the_latest(tmp_path: Path) -> None:
    first = stored(tmp_path, "20260101T120000Z-run-ffff")
    second = stored(tmp_path, "20260101T120000Z-run-0000")
    third = stored(tmp_path, "20260101T120001Z-eval-0000")
    for nanoseconds, folder in enumerate((third, first, second)):
        os.utime(folder / "spec.json", ns=(nanoseconds, nanoseconds))
    assert [job.path for job in list_jobs(tmp_path)] == [third, second, first]
    assert resolve_job(tmp_path, "latest").path == third


def test_a_job_is_named_by_a_part_of_its_id(tmp_path: Path) -> None:
    stored(tmp_path, "20260101T000000Z-run-00a1")
    stored(tmp_path, "20260102T000000Z-train-00b2")
    assert resolve_job(tmp_path, "latest").id.endswith("00b2")
    assert resolve_job(tmp_path, "00a1").id.endswith("00a1")
    assert resolve_job(tmp_path, "20260102").id.endswith("00b2")
    assert resolve_job(tmp_path / "absent", str(tmp_path / "20260101T000000Z-run-00a1")).id.endswith("00a1")
    with pytest.raises(UsageError, match="names 2 jobs"):
        resolve_job(tmp_path, "2026")
    with pytest.raises(UsageError) as error:
        resolve_job(tmp_path, "20260101T000000Z-run-00a2")
    assert "20260101T000000Z-run-00a1" in error.value.hint
    with pytest.raises(UsageError, match="no job in"):
        resolve_job(tmp_path / "absent", "latest")


def test_logs_come_in_the_order_of_ranks_and_without_dumps(tmp_path: Path) -> None:
    log = stored(tmp_path, "a") / "log"
    for name in ("workerlog.10", "workerlog.2", "launcher.log", "envlog.0", "backup_env.1.json", "train.log"):
        (log / name).write_text("x")
    (log / "default.abcdef.log").write_text("environ({'A': 'b'})")
    names = [path.name for path in log_files(tmp_path / "a")]
    assert names == ["launcher.log", "workerlog.2", "workerlog.10"]
    assert [path.name for path in log_files(tmp_path / "a", "*.log")] == [
        "launcher.log",
        "train.log",
        "workerlog.2",
        "workerlog.10",
    ]


def test_jobs_lie_beside_the_sessions(tmp_path: Path) -> None:
    assert jobs_root(Settings(tmp_path / "here" / "sessions", tmp_path, tmp_path)) == tmp_path / "here" / "jobs"


def test_only_a_job_that_is_over_can_be_removed(begin: Starter) -> None:
    folder = begin("import time; print('begun', flush=True); time.sleep(60)")
    said(folder, "begun")
    with pytest.raises(UsageError, match="is running"):
        remove(job_in(folder))
    # Nobody can tell the state any more; the process is there all the same.
    state = (folder / "state.json").read_text()
    (folder / "state.json").write_text("{")
    assert read_job(folder).error
    with pytest.raises(UsageError, match="is running"):
        remove(read_job(folder))
    (folder / "state.json").write_text(state)
    stop(job_in(folder), 5)
    (folder / "state.json").write_text("{")
    remove(read_job(folder))
    assert list(folder.parent.iterdir()) == []


def test_a_job_behind_a_link_loses_the_link_alone(tmp_path: Path) -> None:
    kept = stored(tmp_path / "elsewhere", "20260101T000000Z-run-0001")
    (tmp_path / "jobs").mkdir()
    link = tmp_path / "jobs" / kept.name
    link.symlink_to(kept)
    remove(read_job(link))
    assert kept.is_dir() and list((tmp_path / "jobs").iterdir()) == []
