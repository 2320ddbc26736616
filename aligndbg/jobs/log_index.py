"""A sparse index of the lines of one file: a count of line ends a MiB, whatever the file's size.

The file is counted from its end, so that its last lines can be read at once. Lines are known by keys: whole numbers that grow along
the file and stay a line's own while lines are found in front of it or written behind it. A line ends with `\\n`; where `\\r` went
back to its beginning, its last state is the line. All methods may be called from any thread: each holds the lock for one MiB.
"""

from __future__ import annotations

import codecs
import os
import re
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from pathlib import Path
from threading import RLock
from time import monotonic
from typing import BinaryIO, Protocol

BLOCK = 1 << 20
"""Bytes that share one count: large enough to be nothing in memory, small enough to be read again at every jump."""

SHOWN = 1 << 14
"""Bytes of a line that are read to be shown. No screen shows more; copying takes the whole line."""

MARK = 64
"""Bytes at both ends of the indexed part by which a file that was written anew in place is told."""

OVERLAP = 4096
"""Bytes that two pieces of one long line share while it is searched: no hit up to this length is lost."""

PIECE = 1 << 14
"""Bytes of a block of which every line end is located at once: locating costs ten times counting."""

CACHED_BLOCKS = 8

NEWLINE = re.compile(b"\n")

Scan = Callable[[bytes], Iterator[int]]
"""Offsets, in order, of possible hits in some lines' bytes; one a line is enough."""


class Change(Enum):
    """What happened to a file since it was last looked at."""

    NONE = "none"
    GREW = "grew"
    REPLACED = "replaced"
    """Truncated, rotated or written anew: all keys begin again."""


@dataclass(frozen=True, slots=True)
class Block:
    """`sums`: line ends up to the end of each piece. `places`: offsets of those in the pieces that were asked for."""

    data: bytes
    sums: Sequence[int]
    places: dict[int, list[int]]

    def newline(self, number: int) -> int | None:
        """Where the line end with so many before it in the block is."""
        piece = bisect_right(self.sums, number)
        if piece == len(self.sums):
            return None
        if piece not in self.places:
            found = NEWLINE.finditer(self.data, piece * PIECE, (piece + 1) * PIECE)
            self.places[piece] = [match.start() for match in found]
        return self.places[piece][number - (self.sums[piece - 1] if piece else 0)]


@dataclass(frozen=True, slots=True)
class LogLine:
    """`text` is the last state of the line, decoded, with whatever escapes it holds; `cut` says that there is more of it."""

    key: int
    rank: int | None
    text: str
    cut: bool = False


class LogSource(Protocol):
    """Lines with keys from `first` to before `end`. Those from `settled` on may still change."""

    @property
    def complete(self) -> bool:
        """Nothing more will be found in front of `first`."""

    @property
    def first(self) -> int: ...

    @property
    def end(self) -> int: ...

    @property
    def settled(self) -> int: ...

    @property
    def fault(self) -> str:
        """Why the lines cannot be read; empty where they can."""

    def read(self, key: int, count: int = 1) -> list[LogLine]:
        """Fewer where the lines end."""

    def whole(self, key: int) -> str: ...

    def candidates(self, key: int, count: int, scan: Scan, cancelled: Callable[[], bool]) -> list[int]:
        """Keys of the lines among these `count` in which `scan` finds something, overwritten states included."""

    def step(self, limit_s: float) -> bool:
        """Find more lines for about so long. False when all are found."""

    def refresh(self, limit_s: float) -> Change:
        """See what was written since; of much, about as much as can be counted in the time."""


class LogIndex:
    """A file that does not exist yet has no lines; `refresh` sees it come. `fault` says why the file cannot be read, if so."""

    def __init__(self, path: Path, rank: int | None = None) -> None:
        self.path = path
        self.rank = rank
        self.fault = ""
        self._lock = RLock()
        self._file: BinaryIO | None = None
        self._open()

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    def _open(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self.fault = None, ""
        try:
            self._file = self.path.open("rb", buffering=0)
        except OSError as error:
            self._fail(error)
        info = os.fstat(self._file.fileno()) if self._file is not None else None
        self._identity = (info.st_dev, info.st_ino) if info is not None else None
        self._size = info.st_size if info is not None else 0
        blocks = -(-self._size // BLOCK)
        self._counts = array("q", bytes(8 * blocks))
        self._returns = array("b", bytes(blocks))
        self._low = blocks
        self._newlines = 0
        self._front = 0
        self._sums: Sequence[int] | None = None
        self._blocks: OrderedDict[int, Block] = OrderedDict()
        self._mark()

    def _fail(self, error: OSError) -> None:
        """A file that is not there yet is no fault."""
        if not isinstance(error, FileNotFoundError):
            self.fault = error.strerror or str(error)

    # -- the extent ---------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes that are indexed, or will be."""
        return self._size

    @property
    def complete(self) -> bool:
        return self._low == 0

    @property
    def first(self) -> int:
        return -self._front

    @property
    def end(self) -> int:
        with self._lock:
            return max(self.first, self._starts - self._front - self._ended)

    @property
    def settled(self) -> int:
        """The last line may grow while no line end follows it."""
        with self._lock:
            return self.end if self._ended else max(self.first, self.end - 1)

    @property
    def _starts(self) -> int:
        """How many known places a line may begin at: after each line end, and the beginning of the file."""
        return self._newlines + (self._low == 0 and self._size > 0)

    # -- counting -----------------------------------------------------------------------------------------------------

    def step(self, limit_s: float = 0.05) -> bool:
        deadline = monotonic() + limit_s
        while not self.complete:
            with self._lock:
                block = self._low - 1
                if block < 0:
                    break
                self._front += self._count(block, min(self._size, (block + 1) * BLOCK))
                self._low = block
                self._front += block == 0
            if monotonic() >= deadline:
                break
        return not self.complete

    def refresh(self, limit_s: float = 0.05) -> Change:
        with self._lock:
            try:
                info = self.path.stat()
            except OSError as error:
                # A rotated file leaves its name empty for a moment; what is open can still be read.
                self._fail(error)
                return Change.NONE
            if (info.st_dev, info.st_ino) != self._identity or info.st_size < self._size or not self._same():
                had = self._file is not None
                self._open()
                return Change.REPLACED if had or self._file is not None else Change.NONE
            if info.st_size == self._size or not self.complete:
                return Change.NONE
        deadline = monotonic() + limit_s
        while self._size < info.st_size:
            with self._lock:
                self._grow(min(info.st_size, (self._size // BLOCK + 1) * BLOCK))
            if monotonic() >= deadline:
                break
        return Change.GREW

    def _grow(self, size: int) -> None:
        """Take in what was written up to `size`, which lies in the block that is being filled."""
        block = self._size // BLOCK
        if block == len(self._counts):
            self._counts.append(0)
            self._returns.append(0)
        self._blocks.pop(block, None)
        self._size = size
        self._count(block, size)
        self._mark()

    def _count(self, block: int, end: int) -> int:
        """Count a block's line ends anew; how many more they are."""
        data = self._read(block * BLOCK, end)
        more = data.count(b"\n") - self._counts[block]
        self._counts[block] += more
        self._returns[block] = b"\r" in data
        self._newlines += more
        self._sums = None
        return more

    def _mark(self) -> None:
        self._head = self._read(0, min(MARK, self._size))
        self._tail = self._read(max(0, self._size - MARK), self._size)
        self._ended = self._tail.endswith(b"\n")

    def _same(self) -> bool:
        return self._head == self._read(0, len(self._head)) and self._tail == self._read(self._size - len(self._tail), self._size)

    # -- lines --------------------------------------------------------------------------------------------------------

    def read(self, key: int, count: int = 1) -> list[LogLine]:
        with self._lock:
            keys = range(max(key, self.first), min(key + count, self.end))
            return [self._line(each) for each in keys]

    def whole(self, key: int) -> str:
        """The last state of a line, however long. IndexError where there is no such line."""
        with self._lock:
            begin, end = self._state(*self._bounds(key))
            return self._read(begin, end).decode("utf-8", "replace")

    def offset(self, key: int) -> int:
        """Where the line begins in the file, in bytes."""
        with self._lock:
            return self._bounds(key)[0]

    def _line(self, key: int) -> LogLine:
        start, end = self._bounds(key)
        if end - start <= SHOWN:
            state = self._cached(start, end).rstrip(b"\r")
            return LogLine(key, self.rank, state[state.rfind(b"\r") + 1 :].decode("utf-8", "replace"))
        begin, end = self._state(start, end)
        cut = end - begin > SHOWN
        data = self._read(begin, begin + SHOWN if cut else end)
        # Not final: the character at the cut may be half.
        return LogLine(key, self.rank, codecs.getincrementaldecoder("utf-8")("replace").decode(data, final=not cut), cut)

    def _bounds(self, key: int) -> tuple[int, int]:
        """Where the line begins and where its line end is."""
        if not self.first <= key < self.end:
            raise IndexError(f"no line {key} among {self.first} to {self.end - 1}")
        place = key + self._front - (self._low == 0)
        start = self._newline(place) + 1 if place >= 0 else 0
        return start, self._newline(place + 1) if place + 1 < self._newlines else self._size

    def _newline(self, place: int) -> int:
        """The offset of the line end with so many known ones before it."""
        if self._sums is None:
            self._sums = list(accumulate(self._counts[self._low :]))
        at = bisect_right(self._sums, place)
        within = place - (self._sums[at - 1] if at else 0)
        block = at + self._low
        found = self._block(block).newline(within)
        # A file cut short behind our back has fewer; the next refresh tells.
        return block * BLOCK + (BLOCK - 1 if found is None else found)

    def _state(self, start: int, end: int) -> tuple[int, int]:
        """The last state between: without the `\\r` at its end, after the last one before."""
        while end > start:
            piece = self._read(max(start, end - MARK), end)
            kept = piece.rstrip(b"\r")
            end -= len(piece) - len(kept)
            if kept or not piece:
                break
        for block in range((end - 1) // BLOCK, start // BLOCK - 1, -1):
            if self._returns[block]:
                begin = max(start, block * BLOCK)
                found = self._read(begin, min(end, (block + 1) * BLOCK)).rfind(b"\r")
                if found >= 0:
                    return begin + found + 1, end
        return start, end

    def _block(self, block: int) -> Block:
        if block not in self._blocks:
            data = self._read(block * BLOCK, min(self._size, (block + 1) * BLOCK))
            counts = (data.count(b"\n", piece, piece + PIECE) for piece in range(0, len(data), PIECE))
            self._blocks[block] = Block(data, list(accumulate(counts)), {})
            if len(self._blocks) > CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(block)
        return self._blocks[block]

    def _cached(self, start: int, end: int) -> bytes:
        block = start // BLOCK
        if end > (block + 1) * BLOCK:
            return self._read(start, end)
        return self._block(block).data[start - block * BLOCK : end - block * BLOCK] if start < end else b""

    def _read(self, start: int, end: int) -> bytes:
        if self._file is None or end <= start:
            return b""
        try:
            self._file.seek(start)
            return self._file.read(end - start)
        except OSError as error:
            # A network's file may go at any time; the lines that are shown already stay.
            self._fail(error)
            return b""

    # -- searching ----------------------------------------------------------------------------------------------------

    def candidates(self, key: int, count: int, scan: Scan, cancelled: Callable[[], bool] = lambda: False) -> list[int]:
        with self._lock:
            key, last = max(key, self.first), min(key + count, self.end) - 1
            if last < key:
                return []
            at, end = self._bounds(key)[0], self._bounds(last)[1]
        if at == end:
            return [key] if any(True for _ in scan(b"")) else []
        found: list[int] = []
        while at < end and not cancelled():
            with self._lock:
                data = self._read(at, min(end, at + BLOCK))
            if not data:
                break
            lines = data.rfind(b"\n") + 1 if at + len(data) < end else len(data)
            seen = 0
            for hit in scan(data[:lines] if lines else data):
                key += data.count(b"\n", seen, hit)
                seen = hit
                if not found or found[-1] != key:
                    found.append(key)
            # A line longer than a block is searched in parts that overlap.
            at += lines or max(1, len(data) - OVERLAP)
            if lines and at < end:
                key += data.count(b"\n", seen, lines)
        return found
