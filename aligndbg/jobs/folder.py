"""Where jobs are kept, what state each is in, and how one is stopped."""

from __future__ import annotations

import os
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from aligndbg.errors import AligndbgError, EnvironmentFault, UsageError
from aligndbg.jobs.json_file import read_json, write_json
from aligndbg.jobs.masking import is_environment_dump, remove_dumps
from aligndbg.jobs.outcome import failure_in
from aligndbg.jobs.processes import Process, Stopped, is_alive, members, stop_all
from aligndbg.jobs.spec import SPEC, JobSpec, read_spec, utc_now
from aligndbg.jobs.state import JobState, read_state, write_state
from aligndbg.settings import Settings
from aligndbg.store.naming import folder_named

LOG = "log"
LAUNCHER_LOG = "launcher.log"
STOP = "stop.json"
LATEST = "latest"
GRACE_SECONDS = 10.0
SETTLE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands now. Where `error` is not empty its folder is damaged, and `spec` and `state` are None.

    `orphaned`: it lives, and its supervisor does not.
    """

    path: Path
    spec: JobSpec | None = None
    state: JobState | None = None
    error: str = ""
    orphaned: bool = False

    @property
    def id(self) -> str:
        return self.path.name


@dataclass(frozen=True, slots=True)
class StopRequest:
    """`grace` in seconds between SIGTERM and SIGKILL."""

    asked: str
    grace: float


def jobs_root(settings: Settings) -> Path:
    """Beside the sessions."""
    return settings.sessions.with_name("jobs")


def list_jobs(root: Path) -> list[Job]:
    """Newest first; damaged ones with their error. Empty where `root` does not exist."""
    return [read_job(path) for path in _folders(root)]


def read_job(path: Path) -> Job:
    """The job as it stands. One whose supervisor was killed is looked after here: while any process of it lives it is running, and
    the note says so; once none does it is `lost`, and that is written down."""
    if not path.exists():
        return Job(path, error="its folder is gone")
    try:
        spec, state = read_spec(path), read_state(path)
        if state.final or is_alive(state.supervisor_pid, state.supervisor_started, state.boot):
            return Job(path, spec, state)
        # It may have written its last word between the two looks.
        state = read_state(path)
        return Job(path, spec, state) if state.final else _without_supervisor(path, spec, state)
    except AligndbgError as error:
        return Job(path, error=error.message)


def resolve_job(root: Path, name: str, damaged: bool = False) -> Job:
    """The job named in full, by an unambiguous beginning or end, by its path, or as `latest`.

    Raises UsageError with the nearest names, EnvironmentFault where its folder is damaged, unless `damaged` ones are wanted too.
    """
    job = read_job(_resolve(root, name))
    if job.error and not damaged:
        raise EnvironmentFault(job.error, f"the folder is {job.path}")
    return job


def processes_of(job: Job) -> list[Process]:
    """The living processes of a job that is not over, its supervisor left out."""
    state = job.state
    if state is None or state.final:
        return []
    pid = state.supervisor_pid if not job.orphaned and state.status == "running" else None
    return members(job.path, state.pid, state.process_started, pid)


def log_files(path: Path, rank_logs: str | None = None) -> list[Path]:
    """The launcher's log first, then `workerlog.N` and what `rank_logs` matches, in the order of their numbers. Never a dump."""
    log = path / LOG
    found = {*log.glob("workerlog.*"), *(log.glob(rank_logs) if rank_logs else ())}
    first = log / LAUNCHER_LOG
    ranks = sorted((one for one in found if one != first and one.is_file() and not is_environment_dump(one)), key=_by_number)
    return [first, *ranks] if first.exists() else ranks


def logs_of(job: Job) -> list[Path]:
    """`log_files` of a job, those of its own pattern among them."""
    return log_files(job.path, job.spec.rank_logs if job.spec else None)


def stop(job: Job, grace: float = GRACE_SECONDS) -> Stopped:
    """End every process of a job: SIGTERM, `grace` seconds, SIGKILL, until none is left. Returns what was killed.

    Raises UsageError where the job is over. Its state is final when this returns, unless something could not be killed.
    """
    state = job.state
    if state is None:
        raise EnvironmentFault(job.error, f"the folder is {job.path}")
    if state.final:
        raise UsageError(f"{job.id} is over: {state.status}", state.reason)
    _ask_to_stop(job.path, grace)
    stopped = stop_all(lambda: processes_of(job), grace)
    until = time.monotonic() + SETTLE_SECONDS
    while not (now := read_job(job.path)).error and now.state and not now.state.final and not stopped.left:
        if time.monotonic() > until:
            raise EnvironmentFault(
                f"{job.id}: its processes are gone, and its supervisor has not written it down yet",
                "where the disk is full, it does as soon as there is room",
            )
        time.sleep(0.05)
        # One that was only about to start has processes by now.
        late = stop_all(lambda: processes_of(now), grace)
        stopped = Stopped((*stopped.killed, *late.killed), late.left)
    return stopped


def remove(job: Job) -> None:
    """Delete the folder of a job that is over; a damaged one once no process carries its mark. UsageError where it runs."""
    living = processes_of(job) if job.state else members(job.path, None, None)
    if living or (job.state and not job.state.final):
        raise UsageError(f"{job.id} is running", f"`aligndbg jobs stop {job.id}` ends it")
    # Gone at once for whoever lists the jobs, however long the deleting takes.
    beside = job.path.with_name(f".{job.path.name}.gone")
    try:
        job.path.rename(beside)
        if beside.is_symlink():
            beside.unlink()
        else:
            shutil.rmtree(beside)
    except OSError as error:
        raise EnvironmentFault(f"{job.path} cannot be removed: {error.strerror or error}") from None


def _ask_to_stop(path: Path, grace: float) -> None:
    """Let the supervisor know that the end is wanted. The job is stopped even where nothing can be written."""
    try:
        write_json(path / STOP, {"asked": utc_now(), "grace": grace})
    except OSError:
        # A full disk may have room for a name.
        with suppress(OSError):
            (path / STOP).touch()


def stop_request(path: Path) -> StopRequest | None:
    try:
        if not (path / STOP).stat().st_size:
            return StopRequest("", GRACE_SECONDS)
    except FileNotFoundError:
        return None
    document = read_json(path / STOP)
    return StopRequest(str(document["asked"]), float(document["grace"]))


def _without_supervisor(path: Path, spec: JobSpec, state: JobState) -> Job:
    remove_dumps(path / LOG)
    living = members(path, state.pid, state.process_started)
    if living:
        first = any(process.pid == state.pid for process in living)
        who = "its supervisor is gone" if first else "its supervisor and its first process are gone"
        many = f"{len(living)} process{'es live' if len(living) > 1 else ' lives'} on"
        note = f"{who}, {many}; its exit code will not be known"
        return Job(path, spec, replace(state, status="running", reason=note), orphaned=True)
    logs = log_files(path, spec.rank_logs)
    if stop_request(path) is not None:
        end = replace(state, status="killed", ended=utc_now(), reason="stopped on request; its supervisor was gone before")
    elif state.status == "starting" and state.pid is None:
        end = replace(state, status="lost", ended=utc_now(), reason="it was never started: who was to start it is gone")
    else:
        failure = failure_in(logs)
        words = f"the log ends with a failure: {failure}" if failure else "the log's end tells of no failure"
        reason = f"its supervisor was killed and nobody saw the end, so the exit code will never be known; {words}"
        end = replace(state, status="lost", ended=_last_word(logs) or utc_now(), reason=reason)
    # On a full disk, or one that is read alone, it is found out again at the next look.
    with suppress(OSError):
        write_state(path, end)
    return Job(path, spec, end)


def _last_word(logs: list[Path]) -> str | None:
    """When the job last wrote to a log: as near to its end as can be known."""
    written = [path.stat().st_mtime for path in logs if path.exists()]
    return datetime.fromtimestamp(max(written), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if written else None


def _resolve(root: Path, name: str) -> Path:
    folders = _folders(root)
    if name == LATEST:
        if folders:
            return folders[0]
        raise UsageError(f"there is no job in {root} yet", "`aligndbg jobs run -- PROGRAM ...` starts one")
    if os.sep in name and (Path(name) / SPEC).is_file():
        return Path(name).absolute()
    return folder_named(folders, name, "job", root)


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    try:
        found = [path for path in root.iterdir() if not path.name.startswith(".") and (path / SPEC).is_file()]
    except OSError as error:
        raise EnvironmentFault(f"jobs cannot be read in {root}: {error.strerror}") from None
    return sorted(found, key=_by_creation, reverse=True)


def _by_creation(path: Path) -> tuple[str, int, str]:
    """Names begin with the second of their creation; within one, `spec.json` is written once and tells the order."""
    try:
        written = (path / SPEC).stat().st_mtime_ns
    except OSError:
        # Removed meanwhile.
        written = 0
    return path.name.partition("-")[0], written, path.name


def _by_number(path: Path) -> tuple[list[int], str]:
    return [int(digits) for digits in re.findall(r"\d+", path.name)], path.name
