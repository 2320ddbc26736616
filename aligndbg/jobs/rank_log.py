"""Run a program with a log of its own for each rank: `python .../rank_log.py PROGRAM.py ARGUMENT ...`, started by torchrun.

torchrun keeps two files for a rank, in which the order of what was printed and what was logged is lost. Here both streams go to
`workerlog.RANK` in the job's log folder, as with Paddle's launcher; what the first rank of a machine says goes to the launcher's
log as well. Outside a job, the program just runs. Needs nothing but the standard library, so any interpreter can run it.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

MARK = "ALIGNDBG_JOB"
BLOCK = 1 << 16


def main(arguments: list[str]) -> None:
    job = os.environ.get(MARK)
    if job and (log := Path(job, "log")).is_dir():
        file = os.open(log / f"workerlog.{int(os.environ['RANK'])}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        out = copied_to(file) if os.environ["LOCAL_RANK"] == "0" else file
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.close(out)
    # The process stays the same, so that signals and the exit code are the program's own.
    os.execv(sys.executable, [sys.executable, "-u", *arguments])


def copied_to(file: int) -> int:
    """A pipe; what is written to it goes to standard output and to `file`, by a process that lives as long as a writer does."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child:
        # The program must not find a child that it does not know.
        os.waitpid(child, 0)
        os.close(read_end)
        os.close(file)
        return write_end
    if os.fork():
        os._exit(0)
    os.close(write_end)
    # What ends the program must not cut its last words.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while block := os.read(read_end, BLOCK):
        for sink in (1, file):
            # A full disk is no reason to hold the program up.
            with suppress(OSError):
                os.write(sink, block)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
