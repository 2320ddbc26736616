"""Start a job that outlives whoever starts it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import aligndbg
from aligndbg.errors import EnvironmentFault, UsageError
from aligndbg.jobs.folder import LOG, Job, read_job
from aligndbg.jobs.processes import MARK, boot_id, members, started_at, stop_all
from aligndbg.jobs.spec import JobSpec, utc_now, write_spec
from aligndbg.jobs.state import JobState, write_state

SUPERVISOR_LOG = "supervisor.log"
"""Empty, unless the supervisor itself fails."""
START_SECONDS = 60.0


def start(spec: JobSpec, root: Path) -> Path:
    """The job's folder in `root`, which is made where it is missing; its command runs, or its state says why it could not.

    Raises UsageError where the working folder or the program does not exist, EnvironmentFault where the folder cannot be written.
    """
    check_command(spec)
    folder = root.absolute() / spec.id
    try:
        _make(folder, replace(spec, created=spec.created or utc_now()))
        _supervise(folder, spec)
    except OSError as error:
        raise EnvironmentFault(
            f"the job cannot be kept in {root}: {error.strerror or error}", "`--jobs DIR` names a folder"
        ) from None
    return folder


def started_job(folder: Path) -> Job:
    """The job that `start` has just made. EnvironmentFault where its program could not be started."""
    job = read_job(folder)
    if job.state and job.state.status == "failed" and job.state.pid is None:
        raise EnvironmentFault(f"{job.id}: {job.state.reason}")
    return job


def check_command(spec: JobSpec) -> None:
    if not spec.argv or not spec.argv[0]:
        raise UsageError("no command is given", "`aligndbg jobs run -- PROGRAM ARGUMENT ...`")
    if not Path(spec.cwd).is_dir():
        raise UsageError(f"there is no folder {spec.cwd} to run the job in", "--cwd DIR")
    if "\0" in "".join((*spec.argv, *spec.env, *spec.env.values())):
        raise UsageError("a command cannot hold a NUL character")
    if spec.rank_logs is not None:
        _check_pattern(spec.rank_logs)
    program = spec.argv[0]
    found = Path(spec.cwd, program).is_file() if "/" in program else shutil.which(program, path=spec.env.get("PATH")) is not None
    if not found:
        raise UsageError(
            f"there is no program {program!r}", "a path starts at the job's working folder, a bare name is looked up in PATH"
        )


def _check_pattern(pattern: str) -> None:
    try:
        next(Path(os.devnull).glob(pattern), None)
    except (ValueError, NotImplementedError, IndexError) as error:
        raise UsageError(f"rank_logs: {pattern!r} is no pattern of files in the job's log folder: {error}") from None
    if ".." in Path(pattern).parts:
        raise UsageError(f"rank_logs: {pattern!r} leads out of the job's log folder")


def _make(folder: Path, spec: JobSpec) -> None:
    """A folder that is whole as soon as it has its name. Nobody else may read it: logs hold what programs say."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.new")
    beside.mkdir(mode=0o700)
    me = os.getpid()
    try:
        (beside / LOG).mkdir()
        write_spec(beside, spec)
        # Until the supervisor takes over this process answers for the job.
        write_state(beside, JobState("starting", supervisor_pid=me, supervisor_started=started_at(me), boot=boot_id()))
        beside.rename(folder)
    except OSError:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _supervise(folder: Path, spec: JobSpec) -> None:
    command = {"argv": spec.argv, "cwd": spec.cwd, "env": dict(spec.env), "rank_logs": spec.rank_logs}
    # Where a job starts a job, it is not to take it along when it is stopped.
    environ = {**os.environ, MARK: f"supervisor of {folder}"}
    path = folder / SUPERVISOR_LOG
    with path.open("ab") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "aligndbg.jobs.supervisor", str(folder)],
            # `-m` looks there first: this very aligndbg runs, installed or not.
            cwd=Path(aligndbg.__file__).parents[1],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            # Out of the terminal's session (setsid(2)): neither ctrl+c nor a hang-up reaches it.
            start_new_session=True,
        )
        try:
            supervisor.communicate(json.dumps(command).encode("ascii"), timeout=START_SECONDS)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            supervisor.wait()
    if supervisor.returncode:
        words = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = f"its supervisor could not start it: {words[-1] if words else 'it said nothing'}"
        # It may have died between the start and the word that it started.
        stop_all(lambda: members(folder, None, None), 1.0)
        write_state(folder, JobState("failed", ended=utc_now(), reason=reason))
        raise EnvironmentFault(f"job {spec.id}: {reason}", f"its log is {path}")
