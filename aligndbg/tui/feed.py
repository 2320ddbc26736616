"""A run's events, from the thread that waits for them to the screen."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from textual.message import Message
from textual.message_pump import MessagePump

from aligndbg.errors import AligndbgError
from aligndbg.tui.run import Run
from aligndbg.workflows.events import Event, RunFailed

LOG = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds that the end of the app waits for a cancelled run; after it the thread is left to die with the process."""


def tell(pump: MessagePump, message: Message) -> None:
    """Post a message from a thread; one that comes after the end of the app is nobody's."""
    with contextlib.suppress(RuntimeError):
        pump.post_message(message)


class Feed:
    """One run in a thread of its own. Not a worker of Textual's: the app's end waits for those without a limit.

    The screen is told once when something has come, and takes all there is by `take`.
    """

    @dataclass
    class Ready(Message):
        feed: Feed

    def __init__(self, start: Callable[[], Run], to: MessagePump) -> None:
        self._start = start
        self._to = to
        self._events: deque[Event] = deque()
        self._told = False
        self._run: Run | None = None
        self._cancelled = False
        self._lock = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="run", daemon=True)
        self._thread.start()

    def take(self) -> tuple[list[Event], bool]:
        """Everything that came since the last call, and whether nothing more will come."""
        with self._lock:
            events = list(self._events)
            self._events.clear()
            self._told = False
            return events, self._ended

    def cancel(self) -> None:
        """Ask the run to end and hear no more of it."""
        with self._lock:
            self._cancelled = True
            self._events.clear()
            run = self._run
        if run is not None:
            run.cancel()

    def join(self) -> None:
        self._thread.join(PATIENCE)

    def _read(self) -> None:
        try:
            run = self._start()
            with self._lock:
                self._run = run
                late = self._cancelled
            if late:
                run.cancel()
            for event in run.events():
                self._put(event)
        except AligndbgError as error:
            self._put(RunFailed(error))
        except Exception as error:
            LOG.exception("the run failed")
            hint = "this is a defect of aligndbg; the log has the details"
            self._put(RunFailed(AligndbgError(f"{type(error).__name__}: {error}", hint)))
        finally:
            self._put(None)

    def _put(self, event: Event | None) -> None:
        with self._lock:
            if self._cancelled:
                return
            if event is None:
                self._ended = True
            else:
                self._events.append(event)
            told, self._told = self._told, True
        if not told:
            tell(self._to, self.Ready(self))
