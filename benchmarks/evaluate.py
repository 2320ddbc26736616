"""Evaluations measured: pictures a second against what the slowest stage allows, and memory as the list grows.

    python benchmarks/evaluate.py PAIR --list val_list.txt --data DIR [--repeat 1 10] [-- OPTIONS OF aligndbg eval]

The list is repeated under other names (links), so that every picture counts once. Memory is the peak of each process's resident
pages, read from /proc ten times a second; pages shared between processes count in each.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MIB = 1 << 20
PAUSE = 0.1


@dataclass
class Peaks:
    """Of the processes below one: the largest resident size of each, MiB, and of all at one moment."""

    each: dict[int, float] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    together: float = 0.0

    def look(self, root: int) -> None:
        sizes = {pid: resident(pid) for pid in family(root)}
        self.together = max(self.together, sum(sizes.values()))
        for pid, size in sizes.items():
            self.each[pid] = max(self.each.get(pid, 0.0), size)
            self.names.setdefault(pid, name_of(pid))


def family(root: int) -> Iterator[int]:
    yield root
    try:
        for task in Path(f"/proc/{root}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from family(int(child))
    except OSError:
        return


def resident(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / MIB
    except (OSError, IndexError):
        return 0.0


def name_of(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "?"
    if any("boot.py" in word for word in words):
        return words[next(place for place, word in enumerate(words) if "boot.py" in word) + 1]
    return "decoder" if any("decode_worker" in word for word in words) else "app"


def repeated(listing: Path, data: Path, times: int, folder: Path) -> tuple[Path, Path]:
    """The list `times` over, each time by a link of its own to `data`."""
    lines = [line for line in listing.read_text().splitlines() if line.strip()]
    for number in range(times):
        (folder / f"copy{number}").symlink_to(data.absolute())
    file = folder / "list.txt"
    file.write_text("".join(f"copy{number}/{line}\n" for number in range(times) for line in lines))
    return file, folder


def measure(pair: str, listing: Path, data: Path, sessions: Path, rest: list[str]) -> tuple[Any, Peaks]:
    argv = [sys.executable, "-m", "aligndbg", "eval", pair, "--list", str(listing), "--data", str(data)]
    argv += ["--sessions", str(sessions), "--display", "none", "--json", "-", *rest]
    peaks = Peaks()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(argv, stdout=out)
        while process.poll() is None:
            peaks.look(process.pid)
            time.sleep(PAUSE)
        if process.returncode not in (0, 1):
            sys.exit(process.returncode)
        out.seek(0)
        return json.load(out), peaks


def main() -> None:
    own, rest = (sys.argv[1:], []) if "--" not in sys.argv else split(sys.argv[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pair")
    parser.add_argument("--list", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--repeat", type=int, nargs="+", default=[1, 10])
    options = parser.parse_args(own)
    for times in options.repeat:
        with tempfile.TemporaryDirectory() as folder:
            listing, data = repeated(options.list, options.data, times, Path(folder))
            report, peaks = measure(options.pair, listing, data, Path(folder) / "sessions", rest)
        speed = report["speed"]
        print(
            f"{report['images']} pictures: {speed['ips']:.1f}/s, bound {speed['bound_ips']:.1f}/s, share "
            f"{speed['ips'] / speed['bound_ips']:.3f}; flips {report['difference']['flips']}, gap {report['top1']['gap']:+.3f}; "
            f"peak MiB together {peaks.together:.0f}: "
            + ", ".join(f"{peaks.names[pid]} {size:.0f}" for pid, size in peaks.each.items())
        )


def split(words: list[str]) -> tuple[list[str], list[str]]:
    at = words.index("--")
    return words[:at], words[at + 1 :]


if __name__ == "__main__":
    main()
