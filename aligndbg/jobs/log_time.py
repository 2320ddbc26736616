"""When a line of a log was written, by the timestamp at its beginning."""

from __future__ import annotations

import re
from calendar import timegm

STAMP = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?")
"""`[2026/11/24 00:24:20]`, `[2026-11-24 00:18:18,191]`, ISO 8601."""

GLOG = re.compile(r"^[IWEFD](\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{1,6})")
"""`I1124 00:12:39.750782`: month and day, no year."""

WITHIN = 64
"""Characters from the beginning in which a time is the line's own, rather than one it speaks of."""


def time_of(text: str, year: int) -> float | None:
    """Seconds on the writer's clock, for comparing with other lines alone; `year` is for stamps that leave it out."""
    if stamp := STAMP.search(text, 0, WITHIN):
        parts, fraction = [int(part) for part in stamp.groups()[:6]], stamp[7]
    elif stamp := GLOG.match(text):
        parts, fraction = [year, *(int(part) for part in stamp.groups()[:5])], stamp[6]
    else:
        return None
    try:
        seconds = timegm((*parts, 0, 0, 0))
    except ValueError:
        # Digits that look like a time and have a month 13.
        return None
    return seconds + (float(f"0.{fraction}") if fraction else 0.0)
