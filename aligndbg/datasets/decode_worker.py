"""A process that turns pictures into tensors, one after the other, into memory that it shares with whoever started it.

It ends when the line to its parent closes, however the parent ended.
"""

from __future__ import annotations

import contextlib
import importlib.util
import mmap
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from aligndbg.datasets.pipeline import Pipeline
from aligndbg.errors import AligndbgError, EnvironmentFault, InputError, named


@dataclass(frozen=True, slots=True)
class Setting:
    """What holds for all pictures: every one goes through each of `pipelines`, whose results must have `shape`."""

    pipelines: tuple[Pipeline, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One picture, and for each pipeline the byte that its tensor begins at."""

    path: Path
    offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """`problem` says why there is no tensor; `fatal` where no other picture will have one either. `seconds` of work."""

    seconds: float
    problem: str = ""
    hint: str = ""
    fatal: bool = False


def main(argv: Sequence[str]) -> None:
    connection, memory = Connection(int(argv[0])), mmap.mmap(int(argv[1]), 0)
    # ctrl+c in the terminal goes to the whole group; the parent decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, ConnectionError):
        setting: Setting = connection.recv()
        _one_thread()
        connection.send(Answer(0.0))
        while True:
            connection.send(_answer(setting, connection.recv(), memory))


def _answer(setting: Setting, order: Order, memory: mmap.mmap) -> Answer:
    start = time.perf_counter()
    try:
        for pipeline, offset in zip(setting.pipelines, order.offsets, strict=True):
            value = pipeline.apply(order.path)
            if value.shape != setting.shape:
                found, wanted = ("x".join(map(str, shape)) for shape in (value.shape, setting.shape))
                raise InputError(f"{named(order.path)} gives {found} after preprocessing, the model's input is {wanted}")
            np.frombuffer(memory, np.float32, value.size, offset).reshape(value.shape)[...] = value
    except AligndbgError as error:
        fatal = isinstance(error, EnvironmentFault)
        return Answer(time.perf_counter() - start, error.message, error.hint, fatal)
    return Answer(time.perf_counter() - start)


def _one_thread() -> None:
    """There are as many workers as is wanted; OpenCV would start a thread for each core in each of them."""
    if importlib.util.find_spec("cv2") is not None:
        import cv2

        cv2.setNumThreads(1)
