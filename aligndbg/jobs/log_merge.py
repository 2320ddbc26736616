"""The logs of several ranks as one: in the order of the lines' timestamps, and of arrival for what is written from then on.

The order is kept as one byte a line, the file it is from: with a count every few thousand lines that is enough to find any line.
What the files held at the beginning is put in order from the end, so that the last lines can be read at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from time import monotonic

from aligndbg.jobs.ansi import plain
from aligndbg.jobs.log_index import Change, LogIndex, LogLine, Scan
from aligndbg.jobs.log_time import time_of

STRIDE = 4096
"""Lines between two counts."""

UNTIMED = 200
"""Lines without a time that are passed on the way to the line whose time they share."""

NEVER = float("-inf")
"""The time of a file without timestamps: before all others, file after file."""

RUN = 4096
"""Lines of one file that are put in order at one go."""


class Order:
    """Which file each line is from; lines are only ever appended."""

    def __init__(self, files: int) -> None:
        self._files = bytearray()
        self._counts: list[list[int]] = [[0] * files]

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, place: int) -> int:
        return self._files[place]

    def append(self, run: bytes) -> None:
        self._files += run
        while len(self._counts) * STRIDE <= len(self._files):
            stop = len(self._counts) * STRIDE
            last = self._counts[-1]
            self._counts.append([count + self._files.count(file, stop - STRIDE, stop) for file, count in enumerate(last)])

    def before(self, place: int, file: int) -> int:
        """How many of the lines before a place are from a file."""
        mark = place // STRIDE
        return self._counts[mark][file] + self._files.count(file, mark * STRIDE, place)

    def of(self, files: Collection[int]) -> Order:
        """The lines of these files alone, in the same order."""
        order = Order(len(self._counts[0]))
        order.append(bytes(self._files.translate(None, bytes(file for file in range(256) if file not in files))))
        return order


class LogMerge:
    """At most 256 ranks. Keys from 0 on are of lines written after the beginning."""

    def __init__(self, paths: Mapping[int, Path]) -> None:
        self._lock = RLock()
        self.ranks = tuple(sorted(paths))
        self.shown = frozenset(self.ranks)
        self._indexes = [LogIndex(paths[rank], rank) for rank in self.ranks]
        self._restart()

    def close(self) -> None:
        for index in self._indexes:
            index.close()

    def _restart(self) -> None:
        self._older = self._older_shown = Order(len(self._indexes))
        self._newer = self._newer_shown = Order(len(self._indexes))
        self._split: list[int] | None = None
        self._left: list[int] = []
        self._taken: list[int] = []
        # By file: the lines from one to another that share a time.
        self._timed = [(1, 0, NEVER)] * len(self._indexes)
        self._years = [_year(index.path) for index in self._indexes]

    def show(self, ranks: Collection[int]) -> None:
        """Leave out the other ranks; all keys begin again."""
        with self._lock:
            self.shown = frozenset(ranks).intersection(self.ranks)
            if len(self.shown) == len(self.ranks):
                self._older_shown, self._newer_shown = self._older, self._newer
                return
            files = self._shown_files
            self._older_shown, self._newer_shown = self._older.of(files), self._newer.of(files)

    @property
    def _shown_files(self) -> frozenset[int]:
        return frozenset(file for file, rank in enumerate(self.ranks) if rank in self.shown)

    # -- the order ----------------------------------------------------------------------------------------------------

    @property
    def complete(self) -> bool:
        return self._split is not None and self._left == [index.first for index in self._indexes]

    @property
    def fault(self) -> str:
        return "; ".join(f"{index.path.name}: {index.fault}" for index in self._indexes if index.fault)

    @property
    def first(self) -> int:
        return -len(self._older_shown)

    @property
    def settled(self) -> int:
        return len(self._newer_shown)

    @property
    def end(self) -> int:
        with self._lock:
            return len(self._newer_shown) + len(self._unended)

    @property
    def _unended(self) -> list[int]:
        """Files whose last line has no line end yet; those lines stand at the end, whoever writes on."""
        if self._split is None:
            return []
        return [file for file in sorted(self._shown_files) if self._indexes[file].end > self._taken[file]]

    def step(self, limit_s: float = 0.05) -> bool:
        deadline = monotonic() + limit_s
        for index in self._indexes:
            while not index.complete:
                index.step(max(0.0, deadline - monotonic()))
                if monotonic() >= deadline:
                    return True
        with self._lock:
            if self._split is None:
                self._split = [index.settled for index in self._indexes]
                self._left = list(self._split)
                self._taken = list(self._split)
        while not self.complete:
            with self._lock:
                run = self._last_run([index.first for index in self._indexes], self._left)
                self._append(run, older=True)
            if monotonic() >= deadline:
                break
        return not self.complete

    def refresh(self, limit_s: float = 0.05) -> Change:
        changes = [index.refresh(limit_s) for index in self._indexes]
        if Change.REPLACED in changes:
            with self._lock:
                self._restart()
                self.show(self.shown)
            return Change.REPLACED
        if Change.GREW not in changes or not self.complete:
            return Change.NONE
        with self._lock:
            # Of what arrived together, timestamps tell the order.
            ends = [index.settled for index in self._indexes]
            runs, left = [], list(ends)
            while left != self._taken:
                runs.append(self._last_run(self._taken, left))
            self._taken = ends
            self._append(b"".join(reversed(runs)), older=False)
        return Change.GREW

    def _append(self, run: bytes, older: bool) -> None:
        order, shown = (self._older, self._older_shown) if older else (self._newer, self._newer_shown)
        order.append(run)
        if shown is not order:
            shown.append(run.translate(None, bytes(set(range(256)) - self._shown_files)))

    def _last_run(self, begins: Sequence[int], left: list[int]) -> bytes:
        """The lines of one file that come last among the lines from `begins` to before `left`, which they are taken from."""
        last = sorted((self._time(file, left[file] - 1), file) for file in range(len(left)) if left[file] > begins[file])
        file = last[-1][1]
        before = last[-2] if len(last) > 1 else None
        length = 0
        while left[file] > begins[file] and length < RUN:
            if before is not None and length and (self._time(file, left[file] - 1), file) < before:
                break
            left[file] -= 1
            length += 1
        return bytes((file,)) * length

    def _time(self, file: int, key: int) -> float:
        """Of the line, or of the last one before it that has a time; at the file's beginning, of the first that has one."""
        low, high, time = self._timed[file]
        if low <= key <= high:
            return time
        first = self._indexes[file].first
        low = max(first, key - UNTIMED)
        ahead = range(key + 1, first + UNTIMED) if low == first else range(0)
        for near in (*range(key, low - 1, -1), *ahead):
            stamp = self._stamp(file, near)
            if stamp is not None:
                self._timed[file] = near if near <= key else low, key, stamp
                return stamp
        self._timed[file] = low, key, NEVER
        return NEVER

    def _stamp(self, file: int, key: int) -> float | None:
        lines = self._indexes[file].read(key)
        return time_of(plain(lines[0].text[:1000]), self._years[file]) if lines else None

    # -- lines --------------------------------------------------------------------------------------------------------

    def _find(self, key: int) -> tuple[LogIndex, int]:
        """The file that a line is in and the line's key there."""
        if self._split is None or not self.first <= key < self.end:
            raise IndexError(f"no line {key} among {self.first} to {self.end - 1}")
        if key < 0:
            place = -key - 1
            file = self._older_shown[place]
            return self._indexes[file], self._split[file] - 1 - self._older_shown.before(place, file)
        if key < len(self._newer_shown):
            file = self._newer_shown[key]
            return self._indexes[file], self._split[file] + self._newer_shown.before(key, file)
        file = self._unended[key - len(self._newer_shown)]
        return self._indexes[file], self._indexes[file].end - 1

    def read(self, key: int, count: int = 1) -> list[LogLine]:
        with self._lock:
            lines = []
            for each in range(max(key, self.first), min(key + count, self.end)):
                index, own = self._find(each)
                lines += [LogLine(each, line.rank, line.text, line.cut) for line in index.read(own)]
            return lines

    def whole(self, key: int) -> str:
        with self._lock:
            index, own = self._find(key)
        return index.whole(own)

    def candidates(self, key: int, count: int, scan: Scan, cancelled: Callable[[], bool] = lambda: False) -> list[int]:
        # Neighbours in the view are neighbours in their files: each file is scanned once.
        with self._lock:
            places: dict[int, tuple[LogIndex, dict[int, int]]] = {}
            for each in range(max(key, self.first), min(key + count, self.end)):
                index, own = self._find(each)
                places.setdefault(id(index), (index, {}))[1][own] = each
        found: list[int] = []
        for index, keys in places.values():
            begin, end = min(keys), max(keys) + 1
            found += [keys[own] for own in index.candidates(begin, end - begin, scan, cancelled) if own in keys]
        return sorted(found)


def _year(path: Path) -> int:
    """Of the last write: what a timestamp without a year means."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).year
    except FileNotFoundError:
        return datetime.now(UTC).year
