"""Log text as it comes from a pipe: what is taken off a line before it is read, and how numbers and stamps look.

Every pattern of the formats has bounded repeats, and numbers are atomic, so that no line, however made, takes more than time
linear in its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from aligndbg.jobs.metrics import canonical

LONGEST = 4096
"""Characters of a line that are read; no trainer's metrics need as many."""
MOST_REDRAWS = 64
"""Redraws of a progress line, counted from its end, that are read."""

NUMBER = (
    r"(?>[-+]?(?:(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,4})?|(?i:nan|inf(?:inity)?)))"
    r"(?!(?!s\b)[0-9A-Za-z_]|\.[0-9])"
)
"""One number as Python or C prints it, with at most the unit `s` glued to it; what is cut inside its exponent does not match."""
WHOLE = r"[0-9]{1,9}"
"""A count: epochs and steps."""

_ESCAPE = re.compile(r"\x1b(?:\[[0-9;:?<=>]{0,64}[ -/]{0,4}[@-~]?|\][^\x07\x1b]{0,1024}(?:\x07|\x1b\\)?|[ -/]{0,4}[0-~]?)")
_PREFIX = re.compile(
    rf"[ \t]{{0,8}}(?:\[[A-Za-z_-]{{1,32}}:?(?P<role>[0-9]{{1,5}})\]:[ ]?"
    rf"|\[{WHOLE},(?P<mpi>[0-9]{{1,5}})\]<std(?:out|err)>:[ ]?|(?P<srun>[0-9]{{1,5}}):[ ])"
)
_STAMP = re.compile(
    r"(?<![0-9])([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:[.,]([0-9]{1,6})[0-9]{0,3})?(?:(Z)|([+-])([0-9]{2}):?([0-9]{2}))?"
)
_PAIR = re.compile(rf"(?<![A-Za-z0-9_@/])([A-Za-z][A-Za-z0-9_@/]{{0,31}})(?:\([^()]{{0,64}}\))?:[ \t]{{0,8}}({NUMBER})")
_ETA = re.compile(r"\beta:[ \t]{0,4}(?:([0-9]{1,6}) days?, )?([0-9]{1,6}):([0-9]{2}):([0-9]{2})(?![0-9])")


def redraws(line: str) -> Iterator[str]:
    """The states that a line was drawn in, newest first: a progress bar redraws itself after each carriage return.

    Colours and other escape sequences are taken out, and each state is cut at `LONGEST` characters.
    """
    for part in reversed(line.rstrip("\r\n").rsplit("\r", MOST_REDRAWS)):
        part = part[:LONGEST]
        yield _ESCAPE.sub("", part) if "\x1b" in part else part


def split_prefix(text: str) -> tuple[int | None, str]:
    """The rank that a launcher's prefix names, and the text behind the prefix.

    Known are `[default0]:` and `[rank0]:` (torchrun), `[1,0]<stdout>:` (mpirun --tag-output) and `0: ` (srun --label).
    """
    if (prefix := _PREFIX.match(text)) is None:
        return None, text
    return int(prefix["role"] or prefix["mpi"] or prefix["srun"]), text[prefix.end() :]


def stamp(text: str) -> float | None:
    """The first time stamp in `text`, in seconds since 1970; without a zone it is local time. None without one that exists."""
    if (found := _STAMP.search(text)) is None:
        return None
    year, month, day, hour, minute, second, fraction, zulu, sign, hours, minutes = found.groups()
    try:
        zone: tzinfo | None = UTC if zulu else None
        if sign:
            zone = timezone(timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1))
        micro = int((fraction or "").ljust(6, "0"))
        return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micro, zone).timestamp()
    except (ValueError, OverflowError, OSError):  # 31 February, or a year before clocks.
        return None


def pairs(text: str) -> dict[str, float]:
    """`name: number` pairs under their canonical names, the first where a name comes twice; `eta: H:MM:SS` in seconds."""
    found: dict[str, float] = {}
    for name, number in _PAIR.findall(text):
        found.setdefault(canonical(name), float(number))
    return with_eta(found, text)


def with_eta(values: dict[str, float], text: str) -> dict[str, float]:
    """The values with `eta_s` as a clock in the text tells it, `eta: 1 day, 0:00:22`; without it where there is no clock."""
    values.pop("eta_s", None)
    if (eta := _ETA.search(text)) is not None:
        days, hours, minutes, seconds = eta.groups()
        values["eta_s"] = int(days or 0) * 86400.0 + int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return values
