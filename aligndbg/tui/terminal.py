"""The terminal belongs to the app: what else writes to descriptors 1 and 2 goes to the log."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from aligndbg.errors import AligndbgError, EnvironmentFault

if TYPE_CHECKING:
    from aligndbg.tui.app import AligndbgApp


SWITCH_S = 0.001
"""Seconds for which a thread keeps Python's interpreter while another waits for it."""

ALTERNATIVE = "`aligndbg --headless report` needs none"


@contextlib.contextmanager
def guarded(log: Path) -> Iterator[None]:
    """Descriptors 1 and 2 end in `log`; Textual, which writes to `sys.__stderr__`, keeps the terminal. Undone at the end.

    EnvironmentFault where there is no terminal or the log cannot be written. In a browser Textual speaks on descriptor 1
    instead, which then stays what it is.
    """
    if None in (sys.stdin, sys.stdout, sys.stderr):
        raise EnvironmentFault("a standard stream is closed", ALTERNATIVE)
    in_browser = "TEXTUAL_DRIVER" in os.environ
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    terminal = None if in_browser else _terminal()
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        hint = "name another folder in XDG_STATE_HOME"
        raise EnvironmentFault(f"the log {log} cannot be written: {error.strerror}", hint) from None
    taken = (2,) if in_browser else (1, 2)
    kept = {descriptor: os.dup(descriptor) for descriptor in taken}
    streams = sys.__stdout__, sys.__stderr__
    try:
        for descriptor in taken:
            os.dup2(sink, descriptor)
        if terminal is not None:
            # Textual writes to the one and asks the other for the terminal's size.
            stream = open(os.dup(kept[terminal]), "w", encoding="utf-8", errors="replace", newline="")  # noqa: PTH123, SIM115
            _set_streams(stream, stream)
        with _logging():
            yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if terminal is not None and sys.__stderr__ is not None:
            sys.__stderr__.close()
        _set_streams(*streams)
        for descriptor, copy in kept.items():
            os.dup2(copy, descriptor)
            os.close(copy)
        os.close(sink)


def _set_streams(out: TextIO | None, err: TextIO | None) -> None:
    # Python's own names for the terminal, which typing takes for constants.
    vars(sys).update(__stdout__=out, __stderr__=err)


def _terminal() -> int:
    """The descriptor that the terminal is on; one of the two may be redirected."""
    if not sys.stdin.isatty():
        raise EnvironmentFault("standard input is no terminal", ALTERNATIVE)
    for descriptor in (2, 1):
        if os.isatty(descriptor):
            return descriptor
    raise EnvironmentFault("neither standard output nor standard error is a terminal", ALTERNATIVE)


@contextlib.contextmanager
def _logging() -> Iterator[None]:
    """The package's own log lines go where descriptor 2 goes now."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("aligndbg")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def run_app(app: AligndbgApp, log: Path) -> str:
    """Run the app until the user quits; the headline of what was shown last, `""` where nothing was.

    A defect of the app leaves its traceback in the log and raises AligndbgError, which says where that is.
    """
    # Python's own 5 ms are what the screen waits for a thread that parses, again at every block of a log that it reads.
    sys.setswitchinterval(SWITCH_S)
    with guarded(log):
        headline = app.run()
        for feed in app.ending:
            feed.join()
    if app.return_code:
        raise AligndbgError("the app has failed, which is a defect of aligndbg", f"the details are in {log}")
    return headline or ""
