"""Noticing that files have changed, without a library: their sizes and times are looked at twice a second."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from aligndbg.errors import AligndbgError

INTERVAL = 0.5
"""Seconds between two looks."""

Signature = dict[Path, tuple[int, int] | None]


def signature(paths: Iterable[Path]) -> Signature:
    """Time of the last change in ns and size of each file, None for one that is absent."""
    found: Signature = {}
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            found[path] = None
        else:
            found[path] = stat.st_mtime_ns, stat.st_size
    return found


class Watcher:
    """Calls `on_change`, in its own thread, when the files have changed and then been still for one interval.

    Editors write a file in several steps, or remove it for a moment: a run in between would read half of it.
    """

    def __init__(self, paths: Callable[[], Iterable[Path]], on_change: Callable[[], None], interval: float = INTERVAL) -> None:
        self._paths = paths
        self._on_change = on_change
        self._interval = interval
        self._stopped = threading.Event()
        threading.Thread(target=self._look, name="watch", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _look(self) -> None:
        settled = before = self._signature({})
        while not self._stopped.wait(self._interval):
            now = self._signature(before)
            away = any(found is None and settled.get(path) is not None for path, found in now.items())
            if now != settled and now == before and not away:
                settled = now
                self._on_change()
            before = now

    def _signature(self, before: Signature) -> Signature:
        """Of the files known before where they cannot be named now, as those of a pair.yaml that is being edited."""
        try:
            return signature(self._paths())
        except (AligndbgError, OSError):
            return signature(before)
