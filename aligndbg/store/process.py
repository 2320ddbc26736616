"""Which process wrote a session, and whether it still lives."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class WriterProcess:
    """A pid is reused; the pid with the moment its process started is not. `started` is None where no system call tells."""

    pid: int
    started: str | None


def this_process() -> WriterProcess:
    return WriterProcess(os.getpid(), start_time(os.getpid()))


def is_alive(process: WriterProcess) -> bool:
    return process.started is not None and start_time(process.pid) == process.started


def start_time(pid: int) -> str | None:
    """An opaque mark of the moment the process started, unique across reboots; None where there is no such process."""
    if Path("/proc/self/stat").exists():
        return _start_time_linux(pid)
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip() or None


def _start_time_linux(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold spaces; what follows the last one is regular.
    fields = stat.rpartition(")")[2].split()
    state, ticks = fields[0], fields[19]
    return None if state == "Z" else f"{boot}:{ticks}"
