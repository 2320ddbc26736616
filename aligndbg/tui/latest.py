"""Work that follows a cursor: of what was asked for while the thread was busy, only the last is done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
NOTHING = object()


class Latest(Generic[Asked]):
    """One thread, from the first request until `stop`. `do` must not raise."""

    def __init__(self, do: Callable[[Asked], None], name: str) -> None:
        self._do = do
        self._name = name
        self._changed = threading.Condition()
        self._asked: object = NOTHING
        self._thread: threading.Thread | None = None
        self._stopped = False

    def ask(self, what: Asked) -> None:
        with self._changed:
            self._asked = what
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()

    @property
    def waiting(self) -> bool:
        """Whether something newer is asked for than what is being done, or nothing more at all."""
        with self._changed:
            return self._stopped or self._asked is not NOTHING

    def stop(self) -> None:
        """What is being done comes to its end in its own time; nothing new begins."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._asked is not NOTHING)
                if self._stopped:
                    return
                asked, self._asked = self._asked, NOTHING
            self._do(asked)  # type: ignore[arg-type]
