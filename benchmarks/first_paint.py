"""From the start of `aligndbg PAIR` in a pseudo-terminal to the first painted frame that shows the pair's name.

    python benchmarks/first_paint.py [-n 9] [PAIR]

The yardsticks are `python -c pass` and `python -c "import textual.app"`, started in turn with the app. The target is 0.7 s.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from statistics import median

from rich.console import Console
from rich.table import Table

SIZE = struct.pack("HHHH", 40, 120, 0, 0)
LIMIT_S = 60.0
ALTERNATE_SCREEN = b"\x1b[?1049h"
NOT_PAINTED = re.compile(rb"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-?]*[ -/]*[@-~]")
"""Escape sequences: the window's title, colours, moves of the cursor."""


def first_paint(pair: str, sessions: str) -> float:
    """Seconds; the run that the app begins is killed with it."""
    begun = time.perf_counter()
    pid, terminal = pty.fork()
    if not pid:
        os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        os.execv(sys.executable, [sys.executable, "-m", "aligndbg", pair, "--weights", "kaiming", "--sessions", sessions])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, SIZE)
    try:
        seen = b""
        # An error's text would hold the name as well, on the main screen.
        while pair.encode() not in NOT_PAINTED.sub(b"", seen.partition(ALTERNATE_SCREEN)[2]):
            if not select.select([terminal], [], [], LIMIT_S)[0]:
                raise SystemExit(f"no frame with {pair!r} within {LIMIT_S:.0f} s")
            seen += read(terminal) or sys.exit(f"the app ended without a frame with {pair!r}:\n{seen.decode(errors='replace')}")
        return time.perf_counter() - begun
    finally:
        # The pseudo-terminal's session: the app and the children of its run.
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def read(terminal: int) -> bytes:
    """Empty once nobody holds the other end, which Linux says by EIO."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""


def python(code: str) -> float:
    begun = time.perf_counter()
    # Linux shares the processor among sessions: the yardstick gets one of its own, as the pseudo-terminal is.
    subprocess.run([sys.executable, "-c", code], check=True, start_new_session=True)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pair", nargs="?", default="squeezenet1_0")
    parser.add_argument("-n", "--repetitions", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as sessions:
        rounds = [
            (first_paint(options.pair, sessions), python("pass"), python("import textual.app"))
            for _ in range(options.repetitions + 1)  # The first one fills the page cache.
        ][1:]
    table = Table("", "median s", "fastest s", "first paint over it", title=f"{options.repetitions} repetitions")
    columns = list(zip(*rounds, strict=True))
    for name, times in zip((f"first paint of {options.pair}", "pass", "import textual.app"), columns, strict=True):
        ratio = median(paint / own for paint, own in zip(columns[0], times, strict=True))
        table.add_row(name, f"{median(times):.2f}", f"{min(times):.2f}", f"{ratio:.1f}×")
    Console().print(table)


if __name__ == "__main__":
    main()
