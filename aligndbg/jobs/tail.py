"""One log, read on as it grows: what its lines say, as the events that rules see."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from aligndbg.jobs.formats.parser import LogParser
from aligndbg.jobs.violation import Event, Heard, Measured

BLOCK = 1 << 18
LONGEST_LINE = 1 << 20
"""Bytes after which a line that has not ended is taken for one."""


class Tail:
    """`path` from its beginning on, for one rank or, where that is None, for whoever writes to it. A log that was cut or replaced
    begins anew."""

    def __init__(self, path: Path, rank: int | None, parser: LogParser) -> None:
        self.size = 0
        """Bytes of the log when it was last looked at."""
        self.position = 0
        """How many of them are read."""
        self._path = path
        self._rank = rank
        self._parser = parser
        self._inode = 0
        self._line = 0
        self._begun = b""

    def step(self, at_end: bool = False) -> tuple[list[Event], bool]:
        """What the next block of whole lines says, and whether there is more to read at once.

        `at_end`: nobody will write on, so that the last line counts though nothing ends it.
        """
        try:
            with self._path.open("rb") as file:
                self.size, inode = file.seek(0, 2), self._path.stat().st_ino
                if self.size < self.position or (self._inode and inode != self._inode):
                    self.position, self._begun = 0, b""
                self._inode = inode
                file.seek(self.position)
                block = file.read(BLOCK)
        except OSError:
            # It is gone, or not there yet: what it said is read, and the job's own state tells of the rest.
            return [], False
        self.position += len(block)
        *whole, self._begun = (self._begun + block).split(b"\n")
        more = self.position < self.size
        if self._begun and ((at_end and not more) or len(self._begun) > LONGEST_LINE):
            whole.append(self._begun)
            self._begun = b""
        return [event for line in whole for event in self._said(line)], more

    def _said(self, line: bytes) -> Iterator[Event]:
        text, now = line.decode("utf-8", "replace").rstrip("\r"), time.time()
        sample = self._parser.feed(text)
        rank = self._rank if sample is None or sample.rank is None else sample.rank
        yield Heard(rank, text, now, self._line)
        if sample is not None:
            yield Measured(sample, now)
        self._line += 1
