"""Batches of pictures decoded ahead by worker processes, each straight into its place in shared memory."""

from __future__ import annotations

import math
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

import aligndbg
from aligndbg.datasets.decode_worker import Answer, Order, Setting
from aligndbg.datasets.pipeline import Pipeline
from aligndbg.errors import EnvironmentFault

BUFFERS = 2
"""Batches in shared memory: one is filled while another waits to be fetched."""

_AHEAD = 2
"""Pictures that a worker has in hand, so that it never waits for the next."""

_BOOT = """
import importlib.util, sys
package = sys.argv[1]
sys.path[:] = [folder for folder in sys.path if folder]
spec = importlib.util.spec_from_file_location("aligndbg", package + "/__init__.py", submodule_search_locations=[package])
module = sys.modules["aligndbg"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from aligndbg.datasets.decode_worker import main
main(sys.argv[2:])
"""
"""Makes this very aligndbg importable, and nothing beside it: the interpreter may be one that aligndbg is not installed in."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A batch. `tensors` has one [n, *shape] for each pipeline, views that are good until `Decoders.release`; their n rows are the
    pictures at `places` of what was asked for. `problems` maps the other places to the reason. `seconds` of workers' time."""

    number: int
    tensors: tuple[NDArray[np.float32], ...]
    places: tuple[int, ...]
    problems: Mapping[int, str]
    seconds: float


@dataclass(slots=True)
class _Filling:
    number: int
    buffer: int
    paths: tuple[Path, ...]
    left: int
    problems: dict[int, str] = field(default_factory=dict)
    deadly: set[int] = field(default_factory=set)
    """Places of pictures that a worker had in its hands when it died."""
    seconds: float = 0.0


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    hands: deque[tuple[_Filling, int]] = field(default_factory=deque)
    ready: bool = False


class Decoders:
    """Worker processes and the memory that they fill.

    The caller submits batches while there is `room`, waits on `connections` together with whatever else it waits for, calls
    `serve`, takes what is `finished`, in the order of submission, and releases each when its tensors are copied. A picture
    that kills two workers is left out, and others go on. EnvironmentFault where no worker can be started.
    """

    def __init__(
        self, pipelines: Sequence[Pipeline], shape: tuple[int, ...], batch_size: int, workers: int, log: Path | None = None
    ) -> None:
        self._setting = Setting(tuple(pipelines), shape)
        self._batch_size = batch_size
        self._log = log
        self._size = 4 * math.prod(shape)
        self._descriptor = _memory(BUFFERS * len(pipelines) * batch_size * self._size)
        self._map = mmap.mmap(self._descriptor, 0)
        self._free = list(range(BUFFERS))
        self._orders: deque[tuple[_Filling, int]] = deque()
        self._filling: deque[_Filling] = deque()
        self._taken: dict[int, int] = {}
        self._workers: list[_Worker] = []
        try:
            for _ in range(workers):
                self._start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Decoders:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def room(self) -> bool:
        return bool(self._free)

    @property
    def connections(self) -> list[Connection]:
        return [worker.connection for worker in self._workers]

    @property
    def pids(self) -> list[int]:
        return [worker.process.pid for worker in self._workers]

    @property
    def busy(self) -> bool:
        """Whether a batch is being decoded, or waits to be taken."""
        return bool(self._filling)

    @property
    def has_finished(self) -> bool:
        """Whether `finished` would give a batch."""
        return bool(self._filling) and not self._filling[0].left

    def submit(self, number: int, paths: Sequence[Path]) -> None:
        """At most `batch_size` pictures, once there is room."""
        filling = _Filling(number, self._free.pop(), tuple(paths), len(paths))
        self._filling.append(filling)
        self._orders.extend((filling, place) for place in range(len(paths)))
        for worker in list(self._workers):
            self._give(worker)

    def serve(self, ready: Sequence[Any]) -> None:
        """Hear the workers whose connections are among `ready`."""
        for worker in [worker for worker in self._workers if worker.connection in ready]:
            try:
                while worker.connection.poll():
                    self._take(worker, worker.connection.recv())
            except (EOFError, OSError):
                self._bury(worker)
            else:
                self._give(worker)

    def finished(self) -> Decoded | None:
        """The next batch in order, once it is whole."""
        if not self.has_finished:
            return None
        filling = self._filling.popleft()
        self._taken[filling.number] = filling.buffer
        places = [place for place in range(len(filling.paths)) if place not in filling.problems]
        tensors = []
        for index in range(len(self._setting.pipelines)):
            rows = self._rows(index, filling.buffer)
            for row, place in enumerate(places):
                if row != place:
                    rows[row] = rows[place]
            tensors.append(rows[: len(places)])
        return Decoded(filling.number, tuple(tensors), tuple(places), filling.problems, filling.seconds)

    def release(self, decoded: Decoded) -> None:
        self._free.append(self._taken.pop(decoded.number))

    def close(self) -> None:
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            # It has nothing to save, and may be at a large picture.
            worker.process.kill()
            worker.process.wait()
        self._workers = []
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        package = str(Path(aligndbg.__file__).parent)
        argv = [sys.executable, "-c", _BOOT, package, str(theirs.fileno()), str(self._descriptor)]
        # A worker computes on one core; libraries that it loads are not to start threads for all of them.
        environ = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        try:
            with Path(self._log or os.devnull).open("ab") as log:
                process = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(theirs.fileno(), self._descriptor),
                    env=environ,
                )
        except OSError as error:
            ours.close()
            raise EnvironmentFault(f"no worker to decode pictures can be started: {error.strerror}") from None
        finally:
            theirs.close()
        worker = _Worker(process, Connection(ours.detach()))
        worker.connection.send(self._setting)
        self._workers.append(worker)

    def _give(self, worker: _Worker) -> None:
        try:
            while self._orders and len(worker.hands) < _AHEAD:
                filling, place = self._orders[0]
                worker.connection.send(Order(filling.paths[place], self._offsets(filling.buffer, place)))
                worker.hands.append(self._orders.popleft())
        except OSError:
            self._bury(worker)

    def _take(self, worker: _Worker, answer: Answer) -> None:
        if not worker.ready:
            worker.ready = True
            return
        if answer.fatal:
            raise EnvironmentFault(answer.problem, answer.hint)
        filling, place = worker.hands.popleft()
        self._settle(filling, place, answer.problem, answer.seconds)

    def _settle(self, filling: _Filling, place: int, problem: str, seconds: float) -> None:
        filling.left -= 1
        filling.seconds += seconds
        if problem:
            filling.problems[place] = problem

    def _bury(self, worker: _Worker) -> None:
        """Others go on with what a worker had in its hands when it died, also with the picture that it was at: it need not be that
        picture's fault before it happens again."""
        self._workers.remove(worker)
        worker.connection.close()
        code = worker.process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if not worker.ready:
            raise EnvironmentFault(f"a worker that decodes pictures {how} before it could begin", self._last_words())
        if worker.hands:
            filling, place = worker.hands[0]
            if place in filling.deadly:
                self._settle(filling, place, f"the process that decoded it {how}, twice", 0.0)
                worker.hands.popleft()
            filling.deadly.add(place)
            self._orders.extendleft(reversed(worker.hands))
        self._start()
        self._give(self._workers[-1])

    def _last_words(self) -> str:
        if self._log is None or not self._log.is_file():
            return ""
        lines = self._log.read_text("utf-8", "replace").splitlines()
        return lines[-1] if lines else ""

    def _offsets(self, buffer: int, place: int) -> tuple[int, ...]:
        return tuple(
            ((index * BUFFERS + buffer) * self._batch_size + place) * self._size for index in range(len(self._setting.pipelines))
        )

    def _rows(self, index: int, buffer: int) -> NDArray[np.float32]:
        start = (index * BUFFERS + buffer) * self._batch_size * self._size
        count = self._batch_size * self._size // 4
        return np.frombuffer(self._map, np.float32, count, start).reshape(self._batch_size, *self._setting.shape)


def _memory(size: int) -> int:
    """A descriptor of anonymous memory; its pages are taken as they are touched, and freed with the last process."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("aligndbg-pictures")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, max(size, 1))
    return descriptor
