"""Start one job, wait for it, write down how it ended: `python -m aligndbg.jobs.supervisor FOLDER`.

The command comes as JSON on standard input because it may hold secrets, which the folder must not. Needs the standard library
only, stays small for days, and depends on nobody: neither on the app nor on its terminal.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from aligndbg.jobs.folder import LAUNCHER_LOG, LOG, log_files, stop_request
from aligndbg.jobs.masking import remove_dumps
from aligndbg.jobs.memory import memory_kills
from aligndbg.jobs.outcome import Evidence, outcome
from aligndbg.jobs.processes import MARK, Killed, Process, boot_id, members, started_at, stop_all
from aligndbg.jobs.spec import utc_now
from aligndbg.jobs.state import JobState, write_state

WAKE_SECONDS = 0.2
"""How long an environment dump of the launcher may lie in the log folder."""
FAREWELL_SECONDS = 2.0
"""Workers may need a moment to notice that the first process has ended."""
GRACE_SECONDS = 10.0
DISK_SECONDS = 5.0
PR_SET_CHILD_SUBREAPER = 36


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0])
    command = json.loads(sys.stdin.buffer.read())
    read_end, write_end = os.pipe()
    # The app waits for this process and never for its child, which belongs to init from then on: no zombie while the app lives, no
    # SIGHUP when it dies. The app has made this process a session's leader; its child is none, so it can never gain a terminal.
    if os.fork():
        os.close(write_end)
        started = os.read(read_end, 1)
        os._exit(0 if started else 1)
    os.close(read_end)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir("/")

    def ready() -> None:
        os.write(write_end, b"+")
        os.close(write_end)

    supervise(folder, command["argv"], command["cwd"], command["env"], command["rank_logs"], ready)


def supervise(
    folder: Path, argv: list[str], cwd: str, env: Mapping[str, str], rank_logs: str | None, ready: Callable[[], None]
) -> None:
    """Run the command to its end. `ready` is called once the state says whether it could be started."""
    kills = memory_kills()
    reaper = Reaper()
    adopt_orphans()
    state = JobState(
        "starting", supervisor_pid=os.getpid(), supervisor_started=started_at(os.getpid()), started=utc_now(), boot=boot_id()
    )
    try:
        process = start(folder, argv, cwd, env)
    except OSError as error:
        reason = f"{error.filename or argv[0]} cannot be started: {error.strerror}"
        write_state(folder, replace(state, status="failed", ended=utc_now(), reason=reason))
        ready()
        return
    state = replace(state, status="running", pid=process, process_started=started_at(process))

    def living() -> list[Process]:
        return members(folder, process, state.process_started, os.getpid())

    try:
        write_state(folder, state)
    except OSError:
        # Nobody would ever find it.
        stop_all(living, GRACE_SECONDS, reaper.reap)
        raise
    ready()

    log = folder / LOG
    told_to_end = False
    while process not in reaper.codes:
        reaper.wait(WAKE_SECONDS)
        remove_dumps(log, running=True)
        if reaper.told and not told_to_end:
            told_to_end = True
            stop_all(living, GRACE_SECONDS, reaper.reap)
            reaper.reap()
    swept = sweep(living, reaper, folder)
    remove_dumps(log)
    request = stop_request(folder)
    asked = "stopped on request" if request else "its supervisor was told to end" if told_to_end else ""
    now = memory_kills()
    evidence = Evidence(
        logs=log_files(folder, rank_logs),
        memory_kills=now.since(kills) if now else None,
        asked=asked,
        swept=() if request else swept,
    )
    end = outcome(reaper.codes[process], evidence)
    last = replace(state, status=end.status, ended=utc_now(), exit_code=end.exit_code, signal=end.signal, reason=end.reason)
    write_last(folder, last, reaper)


def start(folder: Path, argv: list[str], cwd: str, env: Mapping[str, str]) -> int:
    """The pid of the command, in a session and a process group of its own. Raises OSError.

    Its output goes to a file and to no pipe: it can outlive whoever reads.
    """
    environ = {
        # Python would hold back whole pages of a log that goes to a file.
        "PYTHONUNBUFFERED": "1",
        **os.environ,
        **env,
        MARK: str(folder),
        # Paddle's launcher would print the environment into its log, and writes it into its log folder whatever it is told: that
        # is to be ours, where such files are removed. The variable comes before `--log_dir` (launch/context/args_envs.py).
        "FLAGS_print_launcher_env": "false",
        "PADDLE_LOG_DIR": str(folder / LOG),
    }
    with (folder / LOG / LAUNCHER_LOG).open("ab") as log:
        process = subprocess.Popen(
            argv, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    # Reaper waits for it; Popen would warn that nobody did.
    process.returncode = 0
    return process.pid


def sweep(living: Callable[[], list[Process]], reaper: Reaper, folder: Path) -> tuple[Killed, ...]:
    """End what outlives the first process: the ranks of a launcher that was killed, workers that hang."""
    request = stop_request(folder)
    until = time.monotonic() + (FAREWELL_SECONDS if request is None else request.grace + 1)
    while living():
        if time.monotonic() > until:
            return stop_all(living, GRACE_SECONDS / 2, reaper.reap).killed
        reaper.wait(WAKE_SECONDS / 2)
    return ()


def write_last(folder: Path, state: JobState, reaper: Reaper) -> None:
    """Write how the job ended; where the disk is full, which may be why it ended, once there is room."""
    while True:
        try:
            write_state(folder, state)
            return
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or reaper.told:
                raise
        reaper.wait(DISK_SECONDS)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies, so that none gets lost. Linux alone has this call (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@dataclass(slots=True)
class Reaper:
    """Waits for children, adopted ones too. `codes` has theirs as subprocess has them; `told` is set by SIGTERM.

    SIGHUP and SIGINT are heard and let pass. They are not ignored: what is ignored stays so in the job.
    """

    codes: dict[int, int] = field(default_factory=dict)
    told: bool = False
    _wakes: int = -1

    def __post_init__(self) -> None:
        self._wakes, write_end = os.pipe()
        os.set_blocking(write_end, False)
        os.set_blocking(self._wakes, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._hear)

    def wait(self, seconds: float) -> None:
        if select.select([self._wakes], [], [], seconds)[0]:
            os.read(self._wakes, 4096)
        self.reap()

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self.codes[pid] = os.waitstatus_to_exitcode(status)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.told = self.told or number == signal.SIGTERM


if __name__ == "__main__":
    main(sys.argv[1:])
