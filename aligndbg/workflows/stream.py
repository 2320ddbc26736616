"""Work that tells as it goes, as a stream of events that can be left at any moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from aligndbg.errors import AligndbgError
from aligndbg.workflows.events import Event, RunFailed
from aligndbg.workflows.stop import Stop

Tell = Callable[[Event], None]
Work = Callable[[Tell], None]


def stream(work: Work, stop: Stop) -> Iterator[Event]:
    """What `work` tells, in a thread of its own; its AligndbgError ends the stream as a RunFailed, a defect is raised here.

    A reader that leaves before the end asks `stop` for the end of the work, and waits for it.
    """
    told: SimpleQueue[Event | BaseException | None] = SimpleQueue()

    def run() -> None:
        try:
            work(told.put)
        except AligndbgError as error:
            told.put(RunFailed(error))
        except BaseException as error:
            told.put(error)
        finally:
            told.put(None)

    thread = threading.Thread(target=run, name="work", daemon=True)
    thread.start()
    try:
        while (event := told.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event
    finally:
        stop.request()
        thread.join()
