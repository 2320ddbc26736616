"""The diff kernel in numpy, for what is not compiled: other dtypes than float32, NaN, Inf and extreme magnitudes, or no numba."""

from __future__ import annotations

import numpy as np

from aligndbg.core import tally
from aligndbg.core.tally import Array, Layout, Share

CHUNK = 1 << 15
"""Elements whose temporaries fit a core's cache."""

# As in the compiled kernel: squares of these magnitudes are normal float32 numbers.
_LARGE, _SMALL, _SMALL_DIFF = 1e15, 1e-12, 1e-15


def measure(a: Array, b: Array, start: int, stop: int, atol: float, rtol: float, layout: Layout, share: Share, row: Array) -> None:
    """Tally elements start..stop of two flat float32 or float64 arrays, in cache-sized chunks."""
    with np.errstate(all="ignore"):
        for low in range(start, stop, CHUNK):
            high = min(low + CHUNK, stop)
            _chunk(a[low:high], b[low:high], low, atol, rtol, layout, share, row)


def _chunk(a: Array, b: Array, first: int, atol: float, rtol: float, layout: Layout, share: Share, row: Array) -> None:
    d = np.abs(a - b)
    if not _is_tame(a, b, d):
        a, b = a.astype(np.float64), b.astype(np.float64)
        finite_a, finite_b = np.isfinite(a), np.isfinite(b)
        both = finite_a & finite_b
        d = np.where(np.isfinite(d), d, np.abs(a - b).clip(max=np.finfo(d.dtype).max))
        d[~both] = 0.0
        if not both.all():
            broken = _count_broken(a, b, both, row)
            d[broken] = np.inf
            share.broken = sorted([*share.broken, *(first + np.flatnonzero(broken)[: tally.WORST]).tolist()])[: tally.WORST]
            _add_moments(row, tally.TORCH, a[finite_a])
            _add_moments(row, tally.PADDLE, b[finite_b])
            _map(d, first, layout, share)
            places = np.flatnonzero(both)
            a, b, d = a[both], b[both], d[both]
            _add_difference(a, b, d, atol, rtol, share, row, first + places)
            return
    _add_moments(row, tally.TORCH, a)
    _add_moments(row, tally.PADDLE, b)
    _add_difference(a, b, d, atol, rtol, share, row, first)
    _map(d, first, layout, share)


def _is_tame(a: Array, b: Array, d: Array) -> bool:
    """Whether squares and their sums stay in the dtype's range; always so in float64, but for NaN and Inf."""
    tops = [max(float(x.max()), -float(x.min())) for x in (a, b)]
    if a.dtype == np.float64:
        return all(np.isfinite(tops))
    return all(top == 0.0 or _SMALL <= top < _LARGE for top in tops) and not 0.0 < float(d.max()) < _SMALL_DIFF


def _count_broken(a: Array, b: Array, both: Array, row: Array) -> Array:
    """Count what is not finite; where it does not agree with the other side."""
    nans, infs = [np.isnan(x) for x in (a, b)], [np.isinf(x) for x in (a, b)]
    agreed = (nans[0] & nans[1]) | (infs[0] & (a == b))
    broken: Array = ~both & ~agreed
    for side, nan, inf in zip((tally.TORCH, tally.PADDLE), nans, infs, strict=True):
        row[side + tally.NAN] += np.count_nonzero(nan)
        row[side + tally.INF] += np.count_nonzero(inf)
    row[tally.AGREED] += np.count_nonzero(agreed)
    row[tally.DIFF_NAN] += np.count_nonzero(broken & (nans[0] | nans[1]))
    row[tally.DIFF_INF] += np.count_nonzero(broken & (infs[0] | infs[1]))
    row[tally.OVER] += np.count_nonzero(broken)
    return broken


def _add_moments(row: Array, side: int, x: Array) -> None:
    if not x.size:
        return
    pivot = x[0]
    centred = x - pivot
    total = float(centred.sum())
    mean, spread = float(pivot) + total / x.size, max(float(centred @ centred) - total * total / x.size, 0.0)
    count, shift = row[side + tally.FINITE], mean - row[side + tally.MEAN]
    row[side + tally.FINITE] = count + x.size
    row[side + tally.MEAN] += shift * x.size / (count + x.size)
    row[side + tally.SPREAD] += spread + shift * shift * count * x.size / (count + x.size)
    row[side + tally.LOW] = min(row[side + tally.LOW], float(x.min()))
    row[side + tally.HIGH] = max(row[side + tally.HIGH], float(x.max()))
    row[side + tally.ZEROS] += np.count_nonzero(x == 0)


def _add_difference(a: Array, b: Array, d: Array, atol: float, rtol: float, share: Share, row: Array, places: Array | int) -> None:
    """`places` are the elements' flat indices, or the first one's where they follow each other."""
    if not d.size:
        return
    row[tally.BOTH] += d.size
    row[tally.TORCH_SQUARE] += float(a @ a)
    row[tally.PADDLE_SQUARE] += float(b @ b)
    top = d.max()
    if top == 0:
        row[tally.DOT] += float(a @ a)
        share.histogram[0, 0] += d.size
        return
    row[tally.ABSOLUTE] += float(d.sum())
    row[tally.SQUARE] += float(d @ d)
    row[tally.DOT] += float(a @ b)
    row[tally.CROSS] += float((a - b) @ (a + b))
    a, b = np.abs(a), np.abs(b)
    dtype = a.dtype.type
    limit = dtype(atol) + dtype(rtol) * a
    row[tally.OVER] += np.count_nonzero(d > limit)
    divisor = np.maximum(np.maximum(a, b), np.maximum(limit, np.finfo(dtype).tiny))
    row[tally.RELATIVE] = max(row[tally.RELATIVE], float((d / divisor).max()))
    share.histogram[0] += np.bincount(_exponents(d), minlength=tally.BINS)
    if top > share.worst[-1]:
        _keep_worst(d, places, share)


def _exponents(d: Array) -> Array:
    """Histogram bin of each |d|."""
    if d.dtype == np.float32:
        return d.view(np.int32) >> 23
    _, exponent = np.frexp(d)
    return np.where(d > 0, np.clip(exponent - 1 - tally.FIRST_EXPONENT, 0, tally.BINS - 1), 0)


def _keep_worst(d: Array, places: Array | int, share: Share) -> None:
    """Of equal elements the one with the lower index stays."""
    found = np.flatnonzero(d > share.worst[-1])
    if found.size > tally.WORST:
        least = np.partition(d[found], found.size - tally.WORST)[found.size - tally.WORST]
        found = found[d[found] >= least]
    values = np.concatenate([share.worst, d[found].astype(share.worst.dtype)])
    indices = np.concatenate([share.places, places + found if isinstance(places, int) else places[found]])
    order = np.lexsort((indices, -values))[: tally.WORST]
    share.worst, share.places = values[order], indices[order]


def _map(d: Array, first: int, layout: Layout, share: Share) -> None:
    """Largest |d| by cell of the plane and by channel."""
    if not d.any():
        return
    plane = layout.plane
    head = min(-first % plane, d.size)
    planes = (d.size - head) // plane
    tail = head + planes * plane
    _map_planes(d[:head], first, 1, layout, share)
    _map_planes(d[head:tail], first + head, planes, layout, share)
    _map_planes(d[tail:], first + tail, 1, layout, share)


def _map_planes(d: Array, first: int, planes: int, layout: Layout, share: Share) -> None:
    """`d` lies within one plane, or is `planes` whole ones."""
    if not d.size:
        return
    place, stacked = first % layout.plane, d.reshape(planes, -1)
    flat = stacked.max(axis=0)
    if layout.high == layout.wide == 1:
        cells = share.grid[place : place + flat.size]
        np.maximum(cells, flat, out=cells)
    else:
        rows, columns = np.divmod(np.arange(place, place + flat.size), layout.columns)
        np.maximum.at(share.grid, rows // layout.high * layout.cells[1] + columns // layout.wide, flat.astype(share.grid.dtype))
    if layout.channels == 1:
        share.channels[0] = max(share.channels[0], flat.max())
    else:
        outer = np.arange(first // layout.plane, first // layout.plane + planes)
        np.maximum.at(share.channels, outer // layout.inner % layout.channels, stacked.max(axis=1).astype(share.channels.dtype))
