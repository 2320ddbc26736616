"""A request to end a run early, from another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from aligndbg.errors import Interrupted


class Stop:
    """Asked for at most once. What must be undone at that moment, such as a child at work, is registered with `on_request`."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._actions: list[Callable[[], None]] = []

    @property
    def requested(self) -> bool:
        return self._asked.is_set()

    def request(self) -> None:
        with self._lock:
            self._asked.set()
            actions, self._actions = self._actions, []
        for action in actions:
            action()

    def on_request(self, action: Callable[[], None]) -> None:
        """Runs `action` at the request, or now where it was made already."""
        with self._lock:
            late = self._asked.is_set()
            if not late:
                self._actions.append(action)
        if late:
            action()

    def check(self) -> None:
        """Raises Interrupted once a stop was asked for."""
        if self._asked.is_set():
            raise Interrupted("interrupted")
