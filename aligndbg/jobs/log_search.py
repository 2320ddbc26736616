"""What lines are looked for: a text or a regular expression, a level; and the search for them, in slices of time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from time import monotonic
from typing import Protocol

from aligndbg.errors import UsageError
from aligndbg.jobs.ansi import plain
from aligndbg.jobs.log_index import LogSource

CHUNK = 1024
"""Lines that are looked through at one go."""

SEEN = 4096
"""Characters of a line that a regular expression sees: `.*a.*b` takes the square of the length to find nothing."""


class Level(IntEnum):
    """`NONE` is a line that says nothing of its level, such as one of a table."""

    NONE = 0
    INFO = 1
    WARNING = 2
    ERROR = 3


LEVELS = {
    **dict.fromkeys(("ERROR", "FATAL", "CRITICAL", "E", "F"), Level.ERROR),
    **dict.fromkeys(("WARNING", "WARN", "W"), Level.WARNING),
    **dict.fromkeys(("INFO", "DEBUG", "NOTICE", "I", "D"), Level.INFO),
}
"""Python's logging and the launchers write words, glog a letter before month and day: `E1124 00:12:39.750782`."""

TAGS = "ERROR|FATAL|CRITICAL|WARNING|WARN|INFO|DEBUG|NOTICE"

TAG = re.compile(rf"^([IWEFD])(?=\d{{4}} \d\d:)|(?<![A-Za-z_])({TAGS})(?![A-Za-z_])")

TAG_WITHIN = 80
"""Characters from the beginning in which a tag is the line's own, rather than a word of its message."""

SPOKEN = {
    Level.ERROR: r'\b\w*(?:Error|Exception)\b|Traceback \(most|^\s*File "[^"\n]+", line \d|Segmentation fault'
    r"|\bKilled\b|[Oo]ut of memory|core dumped",
    Level.WARNING: r"\b\w*Warning\b|\b[Dd]eprecated\b",
}
"""What tells a level where no tag does. `error` in small letters is the name of a metric too often."""

SPOKEN_OF = {level: re.compile(words) for level, words in SPOKEN.items()}

TELLING = {
    Level.ERROR: (
        *("ERROR", "FATAL", "CRITICAL", "Error", "Exception", "Traceback", 'File "', "Segmentation", "Killed"),
        *("ut of memory", "core dumped", "E0", "E1", "F0", "F1"),
    ),
    Level.WARNING: ("WARN", "Warning", "eprecated", "W0", "W1"),
    Level.INFO: ("INFO", "DEBUG", "NOTICE", "I0", "I1", "D0", "D1"),
}
"""Without one of which no line has the level; glog's month begins with 0 or 1. Looking for each is faster than for a pattern."""


def level_of(text: str) -> Level:
    """Guessed from the shown text: its tag, else what its words say."""
    tag = TAG.search(text, 0, TAG_WITHIN)
    if tag:
        return LEVELS[tag[1] or tag[2]]
    return next((level for level, words in SPOKEN_OF.items() if words.search(text)), Level.NONE)


class Keep(Protocol):
    """Which lines to look for."""

    def scan(self, data: bytes) -> Iterator[int]:
        """Where in the bytes of some lines the lines may be; one offset a line is enough."""

    def accepts(self, text: str) -> bool:
        """Whether the line is one, by its shown text without colours."""


@dataclass(frozen=True)
class Needle:
    """A text, or what is between `/` and `/` as a regular expression. Small letters find capitals as well, capitals only capitals.

    A text is found where its bytes stand together: colours within it hide it, and only of A to Z both cases are known.
    """

    text: str
    pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)
    literal: bytes | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """UsageError: no regular expression, or one that could take for ever."""
        expression = self.text[1:-1] if len(self.text) > 2 and self.text[0] == self.text[-1] == "/" else None
        flags = re.MULTILINE | (re.IGNORECASE if self.text == self.text.lower() else 0)
        try:
            pattern = re.compile(re.escape(self.text) if expression is None else expression, flags)
        except (re.error, OverflowError) as error:
            raise UsageError(f"not a regular expression: {error}") from error
        if expression is not None and _repeats_a_repeat(expression):
            raise UsageError("a repeat within a repeat, as in (a+)+, may take for ever")
        object.__setattr__(self, "pattern", pattern)
        object.__setattr__(self, "literal", self.text.encode("utf-8", "replace") if expression is None else None)

    def accepts(self, text: str) -> bool:
        return self.pattern.search(text if self.literal is not None else text[:SEEN]) is not None

    def hits(self, text: str) -> list[tuple[int, int]]:
        """Begin and end of each hit in the shown text, for highlighting."""
        seen = text if self.literal is not None else text[:SEEN]
        return [match.span() for match in self.pattern.finditer(seen) if match.end() > match.start()]

    def scan(self, data: bytes) -> Iterator[int]:
        if self.literal is not None:
            yield from _each_line(data.lower() if self.pattern.flags & re.IGNORECASE else data, self.literal)
        elif self._in_one_go(data):
            text = data.replace(b"\r", b"\n").decode("ascii")
            at = 0
            while match := self.pattern.search(text, at):
                yield match.start()
                at = text.find("\n", match.start()) + 1
                if not at:
                    break
        else:
            at = 0
            for line in data.split(b"\n"):
                if any(self.accepts(plain(state.decode("utf-8", "replace"))) for state in line.split(b"\r")):
                    yield at
                at += len(line) + 1

    def _in_one_go(self, data: bytes) -> bool:
        """Whether all lines may be searched as one text: characters are bytes, `^` and `$` are told, and no line is too long."""
        simple = data.isascii() and b"\x1b" not in data and "\\A" not in self.text and "\\Z" not in self.text
        return simple and max(map(len, data.split(b"\n"))) <= SEEN


@dataclass(frozen=True)
class AtLeast:
    """Lines of a level or a higher one."""

    level: Level

    def accepts(self, text: str) -> bool:
        return level_of(text) >= self.level

    def scan(self, data: bytes) -> Iterator[int]:
        words = (word.encode() for level, words in TELLING.items() if level >= self.level for word in words)
        yield from sorted({at for word in words for at in _each_line(data, word)})


@dataclass(frozen=True)
class Both:
    """The first is what the bytes are scanned for: the rarer one."""

    one: Keep
    other: Keep

    def accepts(self, text: str) -> bool:
        return self.one.accepts(text) and self.other.accepts(text)

    def scan(self, data: bytes) -> Iterator[int]:
        return self.one.scan(data)


def _each_line(data: bytes, literal: bytes) -> Iterator[int]:
    at = data.find(literal)
    while at >= 0:
        yield at
        end = data.find(b"\n", at)
        at = data.find(literal, end) if end >= 0 else -1


def _repeats_a_repeat(expression: str) -> bool:
    """Whether an unbounded repeat holds another one, as the groups and the signs after them tell."""
    bare = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "x", expression)
    while True:
        # From the inside out: a group that repeats something becomes `x+`, any other one `x`.
        group = re.search(r"\(([^()]*)\)([*+]|\{\d*,\d*\})?", bare)
        if group is None:
            return False
        repeats = re.search(r"[*+]|\{\d*,\d*\}", group[1]) is not None
        if repeats and group[2]:
            return True
        bare = bare[: group.start()] + ("x+" if repeats or group[2] else "x") + bare[group.end() :]


def never() -> bool:
    return False


def kept(source: LogSource, keep: Keep, key: int, count: int, cancelled: Callable[[], bool] = never) -> list[int]:
    """Keys of those of `count` lines that are looked for."""
    keys = source.candidates(key, count, keep.scan, cancelled)
    return [each for each in keys if keep.accepts(shown_text(source, each))]


def shown_text(source: LogSource, key: int) -> str:
    """The whole line as it would be shown, without colours; empty where it is gone."""
    lines = source.read(key)
    if not lines:
        return ""
    return plain(source.whole(key) if lines[0].cut else lines[0].text)


class Search:
    """For the next line, or where `step` is -1 the one before, round the end once. `found` is its key, once `run` says False."""

    def __init__(self, source: LogSource, keep: Keep, key: int, step: int, cancelled: Callable[[], bool] = never) -> None:
        self.found: int | None = None
        self.wrapped = False
        self._source = source
        self._keep = keep
        self._step = step
        self._cancelled = cancelled
        first, end = source.first, source.end
        before, after = (first, key), (key + 1, end)
        rounds = (after, (first, key + 1)) if step > 0 else (before, (key, end))
        self._chunks = self._divided(*rounds)

    def run(self, limit_s: float = 0.05) -> bool:
        """Search for about so long; False when it is over: found, nowhere, or cancelled."""
        deadline = monotonic() + limit_s
        for begin, end, wrapped in self._chunks:
            if self._cancelled():
                return False
            keys = kept(self._source, self._keep, begin, end - begin, self._cancelled)
            if keys:
                self.found = keys[0 if self._step > 0 else -1]
                self.wrapped = wrapped
                return False
            if monotonic() >= deadline:
                return True
        return False

    def _divided(self, *ranges: tuple[int, int]) -> Iterator[tuple[int, int, bool]]:
        for wrapped, (first, end) in enumerate(ranges):
            if self._step > 0:
                for begin in range(first, end, CHUNK):
                    yield begin, min(end, begin + CHUNK), bool(wrapped)
            else:
                for stop in range(end, first, -CHUNK):
                    yield max(first, stop - CHUNK), stop, bool(wrapped)
