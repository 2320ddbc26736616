"""The lines of a log that pass a filter, as a log of its own: a count of kept lines a chunk, from the end first."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable
from threading import RLock
from time import monotonic

from aligndbg.jobs.log_index import Change, LogLine, LogSource, Scan
from aligndbg.jobs.log_search import CHUNK, Keep, kept, never

CACHED_LINES = 50_000
"""Kept lines whose keys are remembered: one screen of a rare kind of line spans hundreds of chunks."""


class Filtered:
    """Over a source that is complete. Keys count kept lines: those from 0 on were written after the filter was made.

    A line of `read` has the key of its place among the kept ones; `origin` tells that in the source.
    """

    def __init__(self, source: LogSource, keep: Keep, cancelled: Callable[[], bool] = never) -> None:
        self.source = source
        self.keep = keep
        self._cancelled = cancelled
        self._lock = RLock()
        self._from = source.settled
        # Kept lines up to and with each chunk, going away from where the log ended when the filter was made.
        self._before: list[int] = []
        self._after: list[int] = []
        self._rest: list[int] = []
        self._chunks: OrderedDict[int, list[int]] = OrderedDict()
        self._remembered = 0
        self._take_in()

    @property
    def complete(self) -> bool:
        return self._from - len(self._before) * CHUNK <= self.source.first

    @property
    def fault(self) -> str:
        return self.source.fault

    @property
    def first(self) -> int:
        with self._lock:
            return -self._before[-1] if self._before else 0

    @property
    def _counted(self) -> int:
        return self._after[-1] if self._after else 0

    @property
    def end(self) -> int:
        with self._lock:
            return self._counted + len(self._rest)

    @property
    def settled(self) -> int:
        with self._lock:
            return self._counted + bisect_left(self._rest, self.source.settled)

    def step(self, limit_s: float = 0.05) -> bool:
        deadline = monotonic() + limit_s
        while not self.complete and not self._cancelled():
            keys = self._kept(-len(self._before) - 1, self._cancelled)
            if self._cancelled():
                # What was being looked through is not known to its end.
                break
            with self._lock:
                self._before.append(len(keys) - self.first)
            if monotonic() >= deadline:
                break
        return not self.complete

    def refresh(self, limit_s: float = 0.05) -> Change:
        """REPLACED where the source was: the filter has to be made anew."""
        change = self.source.refresh(limit_s)
        if change is Change.GREW:
            self._take_in()
        return change

    def _take_in(self) -> None:
        """Count the chunks that are full, and look through the last lines again: they may have changed."""
        while self._start(len(self._after) + 1) <= self.source.settled and not self._cancelled():
            keys = self._kept(len(self._after), self._cancelled)
            with self._lock:
                self._after.append(len(keys) + self._counted)
                self._rest = []
        begin = self._start(len(self._after))
        rest = kept(self.source, self.keep, begin, self.source.end - begin, self._cancelled)
        with self._lock:
            self._rest = rest

    def _start(self, chunk: int) -> int:
        return self._from + chunk * CHUNK

    def _kept(self, chunk: int, cancelled: Callable[[], bool] = never) -> list[int]:
        """Keys in the source; a chunk's number is negative before the lines that were there at the beginning."""
        with self._lock:
            if chunk in self._chunks:
                self._chunks.move_to_end(chunk)
                return self._chunks[chunk]
        keys = kept(self.source, self.keep, self._start(chunk), CHUNK, cancelled)
        with self._lock:
            # No line is ever asked for in a chunk without one.
            if keys and not cancelled() and chunk not in self._chunks:
                self._chunks[chunk] = keys
                self._remembered += len(keys)
            while self._remembered > CACHED_LINES and len(self._chunks) > 1:
                self._remembered -= len(self._chunks.popitem(last=False)[1])
        return keys

    def origin(self, key: int) -> int:
        """The line's key in the source. IndexError where there is no such line."""
        with self._lock:
            if not self.first <= key < self.end:
                raise IndexError(f"no line {key} among {self.first} to {self.end - 1}")
            if key >= self._counted:
                return self._rest[key - self._counted]
            sums = self._after if key >= 0 else self._before
            place = key if key >= 0 else -key - 1
            chunk = bisect_right(sums, place)
            within = place - (sums[chunk - 1] if chunk else 0)
        if key >= 0:
            return self._kept(chunk)[within]
        return self._kept(-chunk - 1)[-1 - within]

    def place(self, origin: int) -> int:
        """The key of the first kept line at or after a line of the source; `end` where none is."""
        low, high = self.first, self.end
        while low < high:
            middle = (low + high) // 2
            if self.origin(middle) < origin:
                low = middle + 1
            else:
                high = middle
        return low

    def read(self, key: int, count: int = 1) -> list[LogLine]:
        with self._lock:
            keys = range(max(key, self.first), min(key + count, self.end))
        lines = []
        for each in keys:
            try:
                origin = self.origin(each)
            except IndexError:
                # The file was cut short behind our back; the next refresh tells.
                break
            lines += [LogLine(each, line.rank, line.text, line.cut) for line in self.source.read(origin)]
        return lines

    def whole(self, key: int) -> str:
        return self.source.whole(self.origin(key))

    def candidates(self, key: int, count: int, scan: Scan, cancelled: Callable[[], bool] = never) -> list[int]:
        """All of them: the bytes between the kept lines are not worth a scan."""
        return list(range(max(key, self.first), min(key + count, self.end)))
