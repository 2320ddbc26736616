"""What a large log costs: to open, to show, to jump in, to search; beside one bare read of the same file.

    python benchmarks/log_view.py [--mib 1024]

The file is written to a temporary folder and lies in the page cache for all that is measured. The target for 1 GB is a last screen
at once and every line numbered within 1 s.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table
from textual.app import App, ComposeResult
from textual.widgets import Static

from aligndbg.jobs.log_filter import Filtered
from aligndbg.jobs.log_index import LogIndex
from aligndbg.jobs.log_search import AtLeast, Keep, Level, Needle, Search
from aligndbg.tui.widgets.log_pane import LogPane
from aligndbg.tui.widgets.log_view import LogView

MIB = 1 << 20
SCREEN = 50
"""Lines."""

JUMPS = 200


def write(path: Path, mib: int) -> None:
    """As PaddleClas writes in training: some 150 bytes a line, a warning in two thousand, an error in a hundred thousand."""
    chance = random.Random(0)
    lines = []
    for number in range(100_000):
        level = "ERROR" if number == 50_000 else "WARNING" if number % 2000 == 0 else "INFO"
        clock = f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
        epoch = f"[Train][Epoch {number % 120}/120][Iter: {number % 5005}/5005]"
        values = f"lr: {chance.random() / 10:.8f}, CELoss: {7 * chance.random():.5f}, batch_cost: 0.3s, ips: 845.2"
        lines.append(f"[2026/11/24 {clock}] ppcls {level}: {epoch}{values}\n")
    block = "".join(lines).encode()
    with path.open("wb") as file:
        while file.tell() < mib * MIB:
            file.write(block)
        file.truncate(mib * MIB)


def bare_read(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(MIB):
            pass


def timed(work: Callable[[], object]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


def resident_mib() -> float:
    """Of this process, in Linux's words."""
    fields = Path("/proc/self/status").read_text(encoding="ascii").split()
    return int(fields[fields.index("VmRSS:") + 1]) / 1024


def finish(index: LogIndex) -> None:
    while index.step():
        pass


def last_screen(path: Path) -> None:
    index = LogIndex(path)
    index.step(0.0)
    assert index.read(index.end - SCREEN, SCREEN)[-1].text
    index.close()


def jump(index: LogIndex, chance: random.Random) -> None:
    assert index.read(chance.randrange(index.first, index.end - SCREEN), SCREEN)


def search(index: LogIndex, keep: Keep) -> None:
    """For what is in no line, so that all are looked through."""
    found = Search(index, keep, index.first, 1)
    while found.run():
        pass
    assert found.found is None


def filter_all(index: LogIndex, level: Level) -> None:
    lines = Filtered(index, AtLeast(level))
    while lines.step():
        pass
    assert lines.end > lines.first


class Shown(App[None]):
    def compose(self) -> ComposeResult:
        yield Static()


async def first_paint(path: Path) -> tuple[float, float]:
    """Seconds from mounting the view in a running app to the last line on the screen, and to every line numbered."""
    app = Shown()
    async with app.run_test(size=(120, SCREEN)):
        begun = perf_counter()
        await app.mount(LogPane({0: path}))
        view = app.query_one(LogView)
        while not any(": " in strip.text for strip in app.screen._compositor.render_strips()):
            await asyncio.sleep(0.001)
        painted = perf_counter() - begun
        while not view.source.complete:
            await asyncio.sleep(0.001)
        return painted, perf_counter() - begun


def measure(path: Path) -> Table:
    bare_read(path)
    bare = median(timed(lambda: bare_read(path)) for _ in range(3))
    before = resident_mib()
    index = LogIndex(path)
    indexed = timed(lambda: finish(index))
    chance = random.Random(0)
    jumps = median(timed(lambda: jump(index, chance)) for _ in range(JUMPS))
    grown = resident_mib() - before
    painted, numbered = asyncio.run(first_paint(path))
    rows = (
        ("bare read", bare),
        ("the last screen, read", median(timed(lambda: last_screen(path)) for _ in range(9))),
        ("the last screen, painted in the app", painted),
        ("every line numbered", indexed),
        ("every line numbered, in the app", numbered),
        ("jump to any line", jumps),
        ("search a text in no line", timed(lambda: search(index, Needle("no such text")))),
        ("the same, capitals told", timed(lambda: search(index, Needle("No such text")))),
        ("search a regular expression in no line", timed(lambda: search(index, Needle("/CELoss: 9\\.\\d+/")))),
        ("filter errors", timed(lambda: filter_all(index, Level.ERROR))),
        ("filter warnings and errors", timed(lambda: filter_all(index, Level.WARNING))),
    )
    size = path.stat().st_size // MIB
    table = Table("", "s", "of a bare read", title=f"{size} MiB, {index.end - index.first:,} lines; {grown:.0f} MiB more in memory")
    for name, seconds in rows:
        table.add_row(name, f"{seconds:.4f}", f"{seconds / bare:.3f}×")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=256, help="size of the log (256)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workerlog.0"
        write(path, options.mib)
        Console().print(measure(path))


if __name__ == "__main__":
    main()
