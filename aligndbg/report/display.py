"""What a headless run shows while it goes on, on standard error. The result itself is none of its business."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Literal, Protocol, TextIO, get_args

from aligndbg.workflows.events import Event

Kind = Literal["auto", "full", "plain", "log", "none"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Display(Protocol):
    """Takes every event of one run or of several in a row. It never ends a run: what cannot be shown is not shown."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None:
        """Give the terminal back. Nothing is shown after it; a second call does nothing."""


def open_display(kind: Kind = "auto", stream: TextIO | None = None) -> Display:
    """`auto` is `full` on a terminal that can move its cursor, else `plain`."""
    stream = stream or sys.stderr
    if kind == "auto":
        kind = "full" if stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown") else "plain"
    if kind == "full":
        from aligndbg.report.live import LiveDisplay

        return LiveDisplay(stream)
    if kind == "none":
        return NoDisplay()
    from aligndbg.report.lines import LogLines, PlainLines, write_line

    # A reader that went away, as `2>&1 | head` does, does not end the run.
    show: Callable[[str], None] = write_line(stream)
    return LogLines(show) if kind == "log" else PlainLines(show)


class NoDisplay:
    def show(self, event: Event) -> None:
        pass

    def close(self) -> None:
        pass
