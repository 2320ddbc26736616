"""A format is a function from a line's text to what it says; one parser feeds it with the lines of one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aligndbg.jobs.formats.text import redraws, split_prefix, stamp
from aligndbg.jobs.metrics import Phase, Sample


class LogParser(Protocol):
    """Reads one open file, line by line in the file's order."""

    @property
    def name(self) -> str: ...

    def feed(self, line: str) -> Sample | None:
        """What the next line says, None where it carries no metric. Raises nothing, whatever the line holds."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a format found in a text: a `Sample` but for its place in the file. `time` is the record's own stamp, if it has one."""

    phase: Phase
    values: Mapping[str, float]
    epoch: float | None = None
    step: int | None = None
    total_steps: int | None = None
    time: float | None = None
    rank: int | None = None


@dataclass(slots=True)
class Memory:
    """What earlier lines of the same rank told: the epoch that training is in, and what a format counts for itself."""

    epoch: float | None = None
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Format:
    """A log format. `read` takes a text without prefix and colours. A line without any of `words` is none of the format's, which
    spares most lines the reading; without words, every line is read."""

    name: str
    read: Callable[[str, Memory], Reading | None]
    words: tuple[str, ...] = ()


class LineParser:
    """The parser of one file in one format.

    `rank` is the file's own rank, for lines whose launcher names none; `first_line` is the number of the first line fed.
    Ranks that share a file keep separate memories.
    """

    def __init__(self, format: Format, rank: int | None = None, first_line: int = 0) -> None:
        self._format = format
        self._rank = rank
        self._next = first_line
        self._memories: dict[int | None, Memory] = {}

    @property
    def name(self) -> str:
        return self._format.name

    def feed(self, line: str) -> Sample | None:
        number = self._next
        self._next += 1
        words = self._format.words
        # A colour may stand inside a word.
        if words and "\x1b" not in line and not any(word in line for word in words):
            return None
        for text in redraws(line):
            named, body = split_prefix(text)
            rank = self._rank if named is None else named
            memory = self._memories.setdefault(rank, Memory())
            reading = self._format.read(body, memory)
            if reading is not None and reading.values:
                time = stamp(text[:80]) if reading.time is None else reading.time
                own = rank if reading.rank is None else reading.rank
                values = dict(reading.values)
                return Sample(number, time, own, reading.phase, reading.epoch, reading.step, reading.total_steps, values)
        return None
