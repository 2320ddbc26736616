"""What a job's logs say, from the thread that reads them to the screen."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from textual.message import Message
from textual.message_pump import MessagePump

from aligndbg.errors import AligndbgError
from aligndbg.store.listing import SessionSummary, list_sessions
from aligndbg.tui.feed import tell
from aligndbg.tui.run import BoardChanged
from aligndbg.workflows.board import Board
from aligndbg.workflows.checkpoints import checkpoints
from aligndbg.workflows.following import Follower, Update

LOG = logging.getLogger(__name__)

POLL_S = 0.5
"""Seconds between two looks at a job; curves are drawn anew no more often than that."""

BOARD_S = 1.0
"""Seconds between two looks at all jobs."""

SESSIONS_EVERY = 5
"""Looks at the jobs from one look at the sessions to the next."""

MOST_SAMPLES = 5000
"""Samples that one message brings: a long log is drawn while it is read."""


class JobFeed:
    """One job. Nothing is read on before the screen has dealt with what came last, which it says by `go_on`."""

    @dataclass
    class Came(Message):
        updates: tuple[Update, ...]
        fault: str = ""

    def __init__(self, path: Path, to: MessagePump) -> None:
        self._path = path
        self._to = to
        self._stopped = threading.Event()
        self._ready = threading.Event()
        self._ready.set()
        threading.Thread(target=self._read, name="job", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        self._ready.set()

    def go_on(self) -> None:
        self._ready.set()

    def _read(self) -> None:
        follower = Follower(self._path)
        # The first block says which logs there are: they show while the rest is read.
        most = 0
        while self._ready.wait() and not self._stopped.is_set():
            self._ready.clear()
            try:
                updates = [follower.step()]
                while updates[-1].more and sum(len(update.samples) for update in updates) < most:
                    updates.append(follower.step())
                most = MOST_SAMPLES
            except AligndbgError as error:
                tell(self._to, self.Came((), f"{error.message} ({error.hint})" if error.hint else error.message))
                return
            except Exception as error:
                LOG.exception("following %s failed", self._path)
                tell(self._to, self.Came((), f"{type(error).__name__}: {error}; the app's log has the details"))
                return
            tell(self._to, self.Came(tuple(updates)))
            if not updates[-1].more:
                self._stopped.wait(POLL_S)


class BoardFeed:
    """All jobs, as long as the app runs. Tells only when something has changed."""

    def __init__(self, root: Path, sessions: Path | None, to: MessagePump) -> None:
        self._root = root
        self._sessions = sessions
        self._to = to
        self._wake = threading.Event()
        self._stopped = False
        threading.Thread(target=self._read, name="jobs", daemon=True).start()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def look(self) -> None:
        """At once, as when a job was just started."""
        self._wake.set()

    def _read(self) -> None:
        board = Board(self._root)
        sessions: list[SessionSummary] = []
        looks = 0
        told: BoardChanged | None = None
        while not self._stopped:
            try:
                rows = tuple(board.look())
                if self._sessions is not None and looks % SESSIONS_EVERY == 0:
                    sessions = list_sessions(self._sessions)
                now = BoardChanged(rows, checkpoints(sessions, rows))
            except AligndbgError as error:
                now = BoardChanged((), {}, error.message)
            except Exception as error:
                LOG.exception("the jobs in %s cannot be followed", self._root)
                now = BoardChanged((), {}, f"{type(error).__name__}: {error}; the app's log has the details")
            looks += 1
            if told is None or (now.rows, now.checks, now.fault) != (told.rows, told.checks, told.fault):
                told = now
                tell(self._to, now)
            self._wake.wait(BOARD_S)
            self._wake.clear()
