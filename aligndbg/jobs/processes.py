"""The processes of a job: which they are, and how all of them are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aligndbg.jobs.masking import mask_argv

MARK = "ALIGNDBG_JOB"
"""Set in a job's environment to its folder. Paddle's launcher gives each rank a session of its own, and a rank whose launcher was
killed has no parent either: what it inherited is all that is left to know it by."""

PROC = Path("/proc")
POLL_SECONDS = 0.05
FORCED_SECONDS = 5.0
"""How long after the first SIGKILL a process may still be there."""


@dataclass(frozen=True, slots=True)
class Process:
    """`started` is in clock ticks since boot on Linux, elsewhere in seconds since 1970."""

    pid: int
    parent: int
    group: int
    session: int
    started: int
    command: str = ""


@dataclass(frozen=True, slots=True)
class Killed:
    """A process that ended in a stop; `signal` is what it was sent last, SIGTERM or SIGKILL."""

    pid: int
    command: str
    signal: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """What a stop did. `left` are processes that even SIGKILL has not ended: stuck in the kernel, or another user's."""

    killed: tuple[Killed, ...]
    left: tuple[Process, ...] = ()


def boot_id() -> str | None:
    """Changes at each boot, when pids and ticks begin anew; None where no system call tells."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def started_at(pid: int) -> int | None:
    """When the process started; None where it does not live. A zombie does not."""
    if _has_proc():
        found = _read(pid)
        return found.started if found else None
    return next((process.started for process in _ps("-p", str(pid))), None)


def is_alive(pid: int | None, started: int | None, boot: str | None) -> bool:
    if pid is None or started is None or boot != boot_id():
        return False
    return started_at(pid) == started


def members(folder: Path, pid: int | None, started: int | None, supervisor: int | None = None) -> list[Process]:
    """Every living process of a job, its supervisor and this process left out; by pid.

    Those of its session and its group, those that carry its mark, and all that descend from these or from the supervisor, down to
    what carries the mark of another job.
    Elsewhere than on Linux the group and the descendants alone: no portable call tells a process's environment.
    """
    table = {process.pid: process for process in _all()}
    # The pid may have been given to a stranger since.
    ours = pid is not None and (pid not in table or table[pid].started == started)
    found = {process.pid for process in table.values() if ours and pid in (process.session, process.group)}
    marks = {one: _mark(one) for one in table}
    found |= {one for one, mark in marks.items() if mark == str(folder)}
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process.pid)
    todo = [*found, *([supervisor] if supervisor is not None else [])]
    while todo:
        for child in children.get(todo.pop(), []):
            if child not in found and marks[child] in ("", str(folder)):
                found.add(child)
                todo.append(child)
    return [table[one] for one in sorted(found - {os.getpid(), supervisor})]


def stop_all(find: Callable[[], Iterable[Process]], grace: float, reap: Callable[[], None] = lambda: None) -> Stopped:
    """SIGTERM to all that `find` gives, SIGKILL to what lives `grace` seconds later, and again until none is left.

    New children of dying processes are caught, for `find` is asked each time. `reap` is called between.
    """
    told: dict[tuple[int, int], tuple[Process, str]] = {}
    begun = time.monotonic()
    while living := list(find()):
        past = time.monotonic() - begun
        if past > grace + FORCED_SECONDS:
            break
        word = "SIGTERM" if past < grace else "SIGKILL"
        for process in living:
            # As it was seen first: one that is about to go has no command any more.
            first, last = told.get((process.pid, process.started), (process, ""))
            if last == word:
                continue
            _send(process, signal.Signals[word])
            if word == "SIGTERM":
                # One that is suspended would never see it.
                _send(process, signal.SIGCONT)
            # Also where its launcher was quicker.
            told[process.pid, process.started] = first, word
        time.sleep(POLL_SECONDS)
        reap()
    remaining = {(process.pid, process.started) for process in living}
    killed = tuple(Killed(process.pid, process.command, word) for one, (process, word) in told.items() if one not in remaining)
    return Stopped(killed, tuple(living))


def _send(process: Process, number: signal.Signals) -> None:
    if started_at(process.pid) != process.started:
        return
    # What cannot be sent to is still there at the end, and is told then.
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process.pid, number)


def _has_proc() -> bool:
    return (PROC / "self/stat").exists()


def _all() -> Iterator[Process]:
    if not _has_proc():
        yield from _ps("-A")
        return
    for entry in os.scandir(PROC):
        if entry.name.isdecimal() and (process := _read(int(entry.name))):
            yield process


def _read(pid: int) -> Process | None:
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        words = (PROC / str(pid) / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The second field is the program's name in parentheses and may hold spaces; what follows the last one is regular (proc(5)).
    name, _, rest = stat.partition("(")[2].rpartition(")")
    fields = rest.split()
    if fields[0] in ("Z", "X"):
        return None
    command = " ".join(mask_argv([os.fsdecode(word) for word in words])) or f"[{name}]"
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]), command)


def _mark(pid: int) -> str:
    try:
        environ = (PROC / str(pid) / "environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError, NotADirectoryError):
        # Another user's, or gone meanwhile.
        return ""
    name = f"{MARK}=".encode()
    return next((os.fsdecode(pair[len(name) :]) for pair in environ.split(b"\0") if pair.startswith(name)), "")


def _ps(*which: str) -> Iterator[Process]:
    """The process table where there is no /proc, by POSIX's own program."""
    columns = ("pid", "ppid", "pgid", "stat", "lstart", "args")
    shown = subprocess.run(
        # Whole lines, however narrow the terminal is said to be.
        ["ps", *which, "-ww", *(word for column in columns for word in ("-o", f"{column}="))],
        capture_output=True,
        text=True,
        errors="replace",
        env={name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"LC_ALL": "C"},
        check=False,
    )
    for line in shown.stdout.splitlines():
        pid, parent, group, state, *rest = line.split()
        if not state.startswith("Z"):
            started = int(time.mktime(time.strptime(" ".join(rest[:5]), "%a %b %d %H:%M:%S %Y")))
            yield Process(int(pid), int(parent), int(group), 0, started, " ".join(mask_argv(rest[5:])))
