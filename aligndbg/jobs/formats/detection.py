"""Which format a log is in."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal

from aligndbg.errors import UsageError
from aligndbg.jobs.formats import own, paddleclas, paddleclas_old, pytorch_examples, timm, torchvision_references
from aligndbg.jobs.formats.custom import custom_format
from aligndbg.jobs.formats.parser import Format, LineParser, LogParser
from aligndbg.jobs.metrics import Sample

FORMATS: tuple[Format, ...] = (
    own.FORMAT,
    paddleclas.FORMAT,
    paddleclas_old.FORMAT,
    torchvision_references.FORMAT,
    timm.FORMAT,
    pytorch_examples.FORMAT,
)


def detect(lines: Iterable[str], rank: int | None = None) -> LogParser | None:
    """A fresh parser of the format that finds metrics in most of the lines; None where none finds any."""
    found = dict.fromkeys(FORMATS, 0)
    parsers = [LineParser(format) for format in FORMATS]
    for line in lines:
        for format, parser in zip(FORMATS, parsers, strict=True):
            found[format] += parser.feed(line) is not None
    best = max(FORMATS, key=lambda format: found[format])
    return LineParser(best, rank) if found[best] else None


def parser_named(name: str, rank: int | None = None, first_line: int = 0) -> LogParser:
    """The parser of a format by its name. Raises UsageError, with the nearest name, for one that does not exist."""
    for format in FORMATS:
        if format.name == name:
            return LineParser(format, rank, first_line)
    names = [format.name for format in FORMATS]
    near = get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}, or a regex of your own"
    raise UsageError(f"no log format is called {name!r}", hint)


def parser_for(
    log_format: str | None, rank: int | None = None, first_line: int = 0, accuracy: Literal["percent", "fraction"] = "percent"
) -> LogParser:
    """The parser that a job's `log_format` asks for: a format's name, a regex with named groups, or None to find the format.

    `accuracy` is the scale of a regex's top-k. Raises UsageError for an unknown name or a regex that cannot be used.
    """
    if log_format is None:
        return DetectingParser(rank, first_line)
    if "(?P<" in log_format:
        return LineParser(custom_format(log_format, accuracy), rank, first_line)
    return parser_named(log_format, rank, first_line)


class DetectingParser:
    """Finds the format while it reads: the first line that only one format understands decides it.

    Lines before it that several formats share are read as well. `name` is `""` until then.
    """

    def __init__(self, rank: int | None = None, first_line: int = 0) -> None:
        self._open = [LineParser(format, rank, first_line) for format in FORMATS]

    @property
    def name(self) -> str:
        return self._open[0].name if len(self._open) == 1 else ""

    def feed(self, line: str) -> Sample | None:
        read = [(parser, sample) for parser in self._open if (sample := parser.feed(line)) is not None]
        if len(read) == 1:
            self._open = [read[0][0]]
        return read[0][1] if read else None
