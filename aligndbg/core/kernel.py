"""One pass over two tensors, by the compiled kernel where there is one, on all cores where that pays."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Literal

import numpy as np

from aligndbg.core import chunked, tally
from aligndbg.core.tally import BLOCK, Array, Layout, Share

Compiled = Callable[..., None]

RANGE = 1 << 18
"""Elements that a thread takes at a time. The sums of a range do not depend on who took it: results repeat to the last bit."""

_PARALLEL = 1 << 19
"""Fewer elements are done before a second thread has started."""

_loading = threading.Lock()


def warm() -> None:
    """Load the kernel, or compile it at its first use on a machine: seconds, to be spent in a thread while the models load."""
    with _loading:
        _load()


def name() -> Literal["numba", "numpy"]:
    """Which kernel float32 tensors go through."""
    with _loading:
        return "numba" if _load() else "numpy"


@cache
def _load() -> Compiled | None:
    if os.environ.get("ALIGNDBG_KERNEL") == "numpy":
        return None
    try:
        import numba

        if getattr(numba.config, "DISABLE_JIT", False):
            return None
        from aligndbg.core.compiled import measure
    except Exception:  # An absent, broken or foreign numba: the results are the same without it, only later.
        return None
    return measure


def measure(a: Array, b: Array, atol: float, rtol: float, layout: Layout) -> Share:
    """Tally two flat, contiguous, non-empty float32 or float64 arrays of the same length and dtype."""
    compiled = None
    if a.dtype == np.float32:
        with _loading:
            compiled = _load()
    ranges = iter([(start, min(start + RANGE, a.size)) for start in range(0, a.size, RANGE)])
    # numpy holds the interpreter between its short steps: a second thread would slow the first one.
    threads = _threads() if compiled and a.size >= _PARALLEL else 1
    arguments = (a, b, atol, rtol, layout, ranges, compiled)
    others = [_pool().submit(_share, *arguments) for _ in range(threads - 1)]
    mine = _share(*arguments)
    return tally.join([mine, *(other.result() for other in others)])


def _share(
    a: Array, b: Array, atol: float, rtol: float, layout: Layout, ranges: Iterator[tuple[int, int]], compiled: Compiled | None
) -> Share:
    """Take ranges until none is left."""
    share = Share.of(layout, a.dtype)
    for start, stop in ranges:
        row = tally.empty_row()
        if compiled is None:
            chunked.measure(a, b, start, stop, atol, rtol, layout, share, row)
        else:
            _run_compiled(compiled, a, b, start, stop, atol, rtol, layout, share, row)
        share.rows.append((start, row))
    return share


def _run_compiled(
    compiled: Compiled,
    a: Array,
    b: Array,
    start: int,
    stop: int,
    atol: float,
    rtol: float,
    layout: Layout,
    share: Share,
    row: Array,
) -> None:
    hard = np.zeros(-(-(stop - start) // BLOCK), np.uint8)
    maps = share.grid.view(np.int32), share.channels.view(np.int32)
    worst = share.worst.view(np.int32), share.places
    compiled(a, b, start, stop, _not_above(atol), rtol, layout.numbers, row, share.histogram, *worst, *maps, hard)
    if hard.any():
        # Neighbouring blocks go together: numpy's overhead is by the call.
        edges = np.flatnonzero(np.diff(hard, prepend=0, append=0)).reshape(-1, 2)
        for first, last in edges.tolist():
            chunked.measure(a, b, start + first * BLOCK, min(start + last * BLOCK, stop), atol, rtol, layout, share, row)


def _not_above(atol: float) -> np.float32:
    """The largest float32 that is not above `atol`: a float32 difference exceeds one where it exceeds the other."""
    nearest = np.float32(min(atol, float(np.finfo(np.float32).max)))
    return nearest if float(nearest) <= atol else np.nextafter(nearest, np.float32(0.0))


@cache
def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, _threads() - 1), thread_name_prefix="aligndbg-diff")
