"""One pass over two tensors, by the compiled kernel where there is one, on all cores where that pays."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Literal

import numpy as np

from aligndbg.core import chunked, tally
from aligndbg.core.tally import BLOCK, Array, Layout, Limits, Share

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
    """Tally two flat, contiguous, aligned, non-empty float32 or float64 arrays of the same length and dtype."""
    compiled = None
    if a.dtype == np.float32:
        with _loading:
            compiled = _load()
    ranges = iter([(start, min(start + RANGE, a.size)) for start in range(0, a.size, RANGE)])
    # numpy holds the interpreter between its short steps: a second thread would slow the first one.
    threads = min(_threads(), a.size // RANGE) if compiled and a.size >= _PARALLEL else 1
    arguments = (a, b, (_not_above(atol, a.dtype), a.dtype.type(rtol)), layout, ranges, compiled)
    others = [_pool().submit(_share, *arguments) for _ in range(threads - 1)]
    mine = _share(*arguments)
    return tally.join([mine, *(other.result() for other in others)])


def _share(
    a: Array, b: Array, limits: Limits, layout: Layout, ranges: Iterator[tuple[int, int]], compiled: Compiled | None
) -> Share:
    """Take ranges until none is left."""
    share = Share.of(layout, a.dtype)
    for start, stop in ranges:
        row = tally.empty_row()
        if compiled is None:
            chunked.measure(a, b, start, stop, limits, layout, share, row)
        else:
            _run_compiled(compiled, a, b, start, stop, limits, layout, share, row)
        share.rows.append((start, row))
    return share


def _run_compiled(
    compiled: Compiled, a: Array, b: Array, start: int, stop: int, limits: Limits, layout: Layout, share: Share, row: Array
) -> None:
    hard = np.zeros(-(-(stop - start) // BLOCK), np.uint8)
    maps = share.grid.view(np.int32), share.channels.view(np.int32)
    worst = share.worst.view(np.int32), share.places
    compiled(a, b, start, stop, *limits, layout.numbers, row, share.histogram, *worst, *maps, hard)
    if hard.any():
        # Neighbouring blocks go together: numpy's overhead is by the call.
        edges = np.flatnonzero(np.diff(hard, prepend=0, append=0)).reshape(-1, 2)
        for first, last in edges.tolist():
            chunked.measure(a, b, start + first * BLOCK, min(start + last * BLOCK, stop), limits, layout, share, row)


def _not_above(atol: float, dtype: np.dtype[Any]) -> np.floating[Any]:
    """The largest number of `dtype` that is not above `atol`: what exceeds one in this dtype exceeds the other."""
    nearest: np.floating[Any] = dtype.type(min(atol, float(np.finfo(dtype).max)))
    return nearest if float(nearest) <= atol else np.nextafter(nearest, dtype.type(0.0))


@cache
def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, _threads() - 1), thread_name_prefix="aligndbg-diff")
