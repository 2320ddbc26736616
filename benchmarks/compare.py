"""The compare phase of a run against the two forwards alone: time, peak memory, first diff, whole run.

    python benchmarks/compare.py [-n 5] [squeezenet1_0@8 resnet50@8 ...]

A case is NAME@BATCH; a NAME that is no pair of models/ is torchvision's against paddle.vision's. The bare forwards run without
hooks, in children with the environment that a run gives its own, after one forward of a single sample as a run makes one. Memory
is the largest sum of PSS, in which a shared page counts once; taking it slows the processes down, so that is a run of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from aligndbg.core.diff import warm
from aligndbg.datasets.inputs import make_inputs
from aligndbg.errors import UsageError
from aligndbg.frameworks.client import child_environment
from aligndbg.frameworks.host import FRAMEWORKS
from aligndbg.pairs.adhoc import adhoc_pair, with_overrides
from aligndbg.pairs.discovery import find_pair
from aligndbg.pairs.schema import PairSpec
from aligndbg.settings import MIB, Settings
from aligndbg.workflows.events import LayerDiffed, LayersPaired, RunFailed, SideProgress
from aligndbg.workflows.inspect import Depth, Inspection

CASES = ("squeezenet1_0@1", "squeezenet1_0@8", "squeezenet1_0@32", "resnet50@8")
COLUMNS = "in turn s|at once s|compare s|over in turn|over at once|first diff s|whole run s|at once MB|compare MB".split("|")
Child = subprocess.Popen[str]


def pair_of(case: str) -> PairSpec:
    name, _, batch = case.partition("@")
    try:
        pair = find_pair(name)
    except UsageError:
        pair = adhoc_pair(f"torchvision.models:{name}", f"paddle.vision.models:{name}")
    return with_overrides(pair, shape=f"{batch or 1},3,224,224", input="randn", weights="kaiming")


def bare(side: str, case: str) -> None:
    """Wait for a line, run the plain model once, tell when that began and ended."""
    pair = pair_of(case)
    spec = getattr(pair, side)
    framework: Any = FRAMEWORKS[side][0]()
    framework.build(spec.model, spec.kwargs, pair.root, "cpu")
    library = sys.modules[side]
    inputs = [library.to_tensor(value) if side == "paddle" else library.from_numpy(value) for value in make_inputs(pair)[0]]
    with library.no_grad():
        framework.model(*(value[:1] for value in inputs))
        tell("ready")
        sys.stdin.readline()
        begun = time.monotonic()
        framework.model(*inputs)
        tell([begun, time.monotonic()])


def run(case: str, arena_mib: str, folder: str, until: str) -> None:
    """A run as `aligndbg report` makes it; tells when the compare began, and when the first and the last of its diffs came."""
    marks: dict[str, float] = {}
    settings = Settings(Path(folder, "sessions"), Path(folder, "cache"), Path(folder, "logs"), int(arena_mib) * MIB)
    depth = Depth() if until == "end" else Depth(local=False, golden=False, onnx=False)
    for event in Inspection(pair_of(case), settings, {}, depth=depth).events():
        now = time.monotonic()
        match event:
            case SideProgress(stage="running"):
                marks.setdefault("begun", now)
            case LayersPaired(layers):
                left = {row.index for row in layers if row.torch and row.paddle and row.match != "ignored"}
            case LayerDiffed(result):
                marks.setdefault("first", now)
                left.discard(result.index)
                if not left:
                    marks.setdefault("ended", now)
            case RunFailed(error):
                raise error
        if until == "compared" and "ended" in marks:
            break
    tell(marks)


def tell(value: Any) -> None:
    """To the parent. Times are those of the monotonic clock, which all processes share."""
    print(json.dumps(value), flush=True)


def start(*words: str) -> Child:
    argv, env = [sys.executable, __file__, *words], child_environment(os.environ)
    return Child(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)


def answer(child: Child) -> Any:
    for line in child.stdout or ():
        with suppress(ValueError):
            return json.loads(line)
    raise SystemExit(f"{child.args} ended with {child.wait()}")


def forward(children: Sequence[Child]) -> float:
    """Seconds of the forwards of these children, made at once."""
    for child in children:
        print(file=child.stdin, flush=True)
    begun, ended = zip(*map(answer, children), strict=True)
    return float(max(ended) - min(begun))


def bare_forwards(case: str, take: Callable[[Sequence[Child]], float]) -> float:
    children = [start("bare", side, case) for side in ("torch", "paddle")]
    for child in children:
        answer(child)
    found = take(children)
    for child in children:
        child.wait()
    return found


def whole_run(*words: str) -> tuple[float, float, float]:
    """Seconds of the compare phase, from the start of the process to the first diff, and to its end."""
    begun = time.monotonic()
    child = start("run", *words)
    marks = answer(child)
    child.wait()
    return marks["ended"] - marks["begun"], marks["first"] - begun, time.monotonic() - begun


def peak_of(processes: Sequence[Child], work: Callable[[], object]) -> float:
    """MB of the processes and their descendants while `work` is done, taken again and again."""
    found, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            found.append(sum(pss_of(pid) for process in processes for pid in tree_of(process.pid)))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    work()
    over.set()
    thread.join()
    return max(found)


def tree_of(pid: int) -> Iterator[int]:
    yield pid
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in thread.read_text().split():
                yield from tree_of(int(child))


def pss_of(pid: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=CASES, metavar="NAME@BATCH")
    parser.add_argument("-n", "--repetitions", type=int, default=5)
    parser.add_argument("--arena-mib", type=int, default=256)
    options = parser.parse_args()
    warm()  # To compile the kernel is no part of a run.
    table = Table("case", *COLUMNS, title=f"medians of {options.repetitions}")
    console = Console()
    with tempfile.TemporaryDirectory() as folder, console.status("") as status:
        for case in options.cases:
            status.update(case)
            rounds = []
            for _ in range(options.repetitions):
                turn = bare_forwards(case, lambda children: sum(forward([child]) for child in children))
                once = bare_forwards(case, forward)
                compare, first, whole = whole_run(case, str(options.arena_mib), folder, "end")
                bare_peak = bare_forwards(case, lambda children: peak_of(children, lambda: forward(children)))
                child = start("run", case, str(options.arena_mib), folder, "compared")
                peak = peak_of([child], partial(answer, child))
                child.wait()
                rounds.append((turn, once, compare, compare / turn, compare / once, first, whole, bare_peak, peak))
            medians = [median(column) for column in zip(*rounds, strict=True)]
            table.add_row(case, *(f"{value:.{0 if value > 99 else 2}f}" for value in medians))
    console.print(table)


if __name__ == "__main__":
    if sys.argv[1:2] in (["bare"], ["run"]):
        {"bare": bare, "run": run}[sys.argv[1]](*sys.argv[2:])
    else:
        main()
