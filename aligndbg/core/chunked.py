"""The diff kernel in numpy, for what is not compiled: other dtypes than float32, NaN, Inf and extreme magnitudes, or no numba."""

from __future__ import annotations

from typing import Any

import numpy as np

from aligndbg.core import tally
from aligndbg.core.tally import Array, Layout, Limits, Share

CHUNK = 1 << 15
"""Elements whose temporaries fit a core's cache."""

# As in the compiled kernel: squares of these magnitudes are normal float32 numbers.
_LARGE, _SMALL, _SMALL_DIFF = 1e15, 1e-12, 1e-15

_LARGEST = np.finfo(np.float64).max

_EXPONENT_64 = 1023 + tally.FIRST_EXPONENT
"""What a float64's exponent bits are above the histogram bin."""


def measure(a: Array, b: Array, start: int, stop: int, limits: Limits, layout: Layout, share: Share, row: Array) -> None:
    """Tally elements start..stop of two flat float32 or float64 arrays, in cache-sized chunks."""
    chunks = _Chunks(min(CHUNK, stop - start), limits, layout, share, row)
    with np.errstate(all="ignore"):
        for low in range(start, stop, CHUNK):
            high = min(low + CHUNK, stop)
            chunks.add(a[low:high], b[low:high], low)


class _Chunks:
    """Adds chunks of at most `size` elements to a share and a row of sums."""

    def __init__(self, size: int, limits: Limits, layout: Layout, share: Share, row: Array) -> None:
        self._atol, self._rtol = limits
        self._dtype = share.worst.dtype
        self._most = float(np.finfo(self._dtype).max)
        self._layout = layout
        self._share = share
        self._row = row
        # Arrays of this size that come and go cost a page fault for each page.
        self._space = np.empty((4, size))

    def add(self, a: Array, b: Array, first: int) -> None:
        """`first` is the flat index of the chunk's first element."""
        d = np.subtract(a, b, out=self._spare(0, a))
        np.abs(d, out=d)
        ends = [(float(x.min()), float(x.max())) for x in (a, b)]
        top = float(d.max())
        if not self._is_tame(ends, top):
            self._add_wild(a, b, d, first)
            return
        squares = [self._moments(*side) for side in zip((tally.TORCH, tally.PADDLE), (a, b), ends, strict=True)]
        self._difference(a, b, d, top, squares, first)
        if top > 0.0:
            self._map(d, first)

    def _spare(self, number: int, like: Array, dtype: np.dtype[Any] | None = None) -> Array:
        """An array as long as `like`, from the space that all chunks share."""
        spare: Array = self._space[number].view(dtype or like.dtype)[: like.size]
        return spare

    def _dot(self, x: Array, y: Array) -> float:
        """Summed in pairs. BLAS would use all cores, in an order that depends on their number, and lose what is small in a row."""
        return float(np.add.reduce(np.multiply(x, y, out=self._spare(3, x))))

    def _is_tame(self, ends: list[tuple[float, float]], top: float) -> bool:
        """Whether all is finite and float32 squares and their sums stay in range."""
        tops = [max(high, -low) for low, high in ends]
        if self._dtype == np.float64:
            return bool(np.isfinite([*tops, top]).all())
        return all(largest == 0.0 or _SMALL <= largest < _LARGE for largest in tops) and not 0.0 < top < _SMALL_DIFF

    def _add_wild(self, a: Array, b: Array, d: Array, first: int) -> None:
        """In float64, with |d| as its own dtype rounds it, and by masks."""
        a, b = a.astype(np.float64), b.astype(np.float64)
        finite = [np.isfinite(x) for x in (a, b)]
        both = finite[0] & finite[1]
        d = np.where(both, np.where(np.isfinite(d), d, np.abs(a - b).clip(max=_LARGEST)), 0.0)
        for side, x, mask in zip((tally.TORCH, tally.PADDLE), (a, b), finite, strict=True):
            if mask.any():
                self._moments(side, x[mask], (float(x[mask].min()), float(x[mask].max())))
        broken = self._count_broken(a, b, both)
        share = self._share
        share.broken = sorted([*share.broken, *(first + np.flatnonzero(broken)[: tally.WORST]).tolist()])[: tally.WORST]
        self._map(np.where(broken, np.inf, d.clip(max=self._most)), first)
        if both.any():
            a, b, d = a[both], b[both], d[both]
            self._difference(a, b, d, float(d.max()), [self._dot(a, a), self._dot(b, b)], first + np.flatnonzero(both))

    def _count_broken(self, a: Array, b: Array, both: Array) -> Array:
        """Count what is not finite; where it does not agree with the other side."""
        row, nans, infs = self._row, [np.isnan(x) for x in (a, b)], [np.isinf(x) for x in (a, b)]
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

    def _moments(self, side: int, x: Array, ends: tuple[float, float]) -> float:
        """Add finite elements to one side's moments (Chan, Golub, LeVeque 1979); returns the sum of their squares."""
        row, mean = self._row, float(np.add.reduce(x)) / x.size
        centred = np.subtract(x, x.dtype.type(mean), out=self._spare(1, x))
        spread, count, shift = self._dot(centred, centred), row[side + tally.FINITE], mean - row[side + tally.MEAN]
        row[side + tally.FINITE] = count + x.size
        row[side + tally.MEAN] += shift * x.size / (count + x.size)
        row[side + tally.SPREAD] += spread + shift * shift * count * x.size / (count + x.size)
        row[side + tally.LOW] = min(row[side + tally.LOW], ends[0])
        row[side + tally.HIGH] = max(row[side + tally.HIGH], ends[1])
        row[side + tally.ZEROS] += np.count_nonzero(x == 0)
        return spread + x.size * mean * mean

    def _difference(self, a: Array, b: Array, d: Array, top: float, squares: list[float], places: Array | int) -> None:
        """Add elements that are finite on both sides. `places` are their flat indices, or the first one's of neighbours."""
        row, share = self._row, self._share
        row[tally.BOTH] += d.size
        row[tally.TORCH_SQUARE] += squares[0]
        row[tally.PADDLE_SQUARE] += squares[1]
        if top == 0.0:
            row[tally.DOT] += squares[0]
            share.histogram[0, 0] += d.size
            return
        one, other = self._spare(1, d), self._spare(2, d)
        row[tally.ABSOLUTE] += float(np.add.reduce(d))
        row[tally.SQUARE] += self._dot(d, d)
        row[tally.DOT] += self._dot(a, b)
        row[tally.CROSS] += self._dot(np.subtract(a, b, out=one), np.add(a, b, out=other))
        np.abs(a, out=one)
        np.abs(b, out=other)
        limit = np.multiply(one.astype(self._dtype, copy=False), self._rtol, out=self._spare(3, d, self._dtype))
        limit += self._atol
        row[tally.OVER] += np.count_nonzero(d > limit)
        np.maximum(one, other, out=one)
        np.maximum(one, limit, out=one)
        np.maximum(one, np.finfo(self._dtype).tiny, out=one)
        row[tally.RELATIVE] = max(row[tally.RELATIVE], float(np.divide(d, one, out=one).max()))
        share.histogram[0] += np.bincount(_exponents(d), minlength=tally.BINS)
        if top >= share.worst[-1]:
            self._keep_worst(d, places)

    def _keep_worst(self, d: Array, places: Array | int) -> None:
        """Of equal elements the one with the lower index stays."""
        share = self._share
        first = places if isinstance(places, int) else places[0]
        # A wild block comes after its neighbours, and may hold an equal of a later element.
        d = d.clip(max=self._most)
        found = np.flatnonzero(d >= share.worst[-1] if first < share.places[-1] else d > share.worst[-1])
        if found.size > tally.WORST:
            least = np.partition(d[found], found.size - tally.WORST)[found.size - tally.WORST]
            found = found[d[found] >= least]
        values = np.concatenate([share.worst, d[found].astype(self._dtype)])
        indices = np.concatenate([share.places, places + found if isinstance(places, int) else places[found]])
        order = np.lexsort((indices, -values))[: tally.WORST]
        share.worst, share.places = values[order], indices[order]

    def _map(self, d: Array, first: int) -> None:
        """Largest |d| by cell of the plane and by channel."""
        plane = self._layout.plane
        head = min(-first % plane, d.size)
        planes = (d.size - head) // plane
        tail = head + planes * plane
        for part, start, count in ((d[:head], 0, 1), (d[head:tail], head, planes), (d[tail:], tail, 1)):
            if part.size:
                self._map_planes(part.reshape(count, -1), first + start)

    def _map_planes(self, stacked: Array, first: int) -> None:
        """`stacked` are whole planes, or a part of one."""
        layout, share, outer = self._layout, self._share, first // self._layout.plane
        _raise_cells(share.grid, stacked.max(axis=0), first % layout.plane, layout)
        if layout.channels == 1:
            share.channels[0] = max(share.channels[0], stacked.max())
        else:
            channels = np.arange(outer, outer + len(stacked)) // layout.inner % layout.channels
            np.maximum.at(share.channels, channels, stacked.max(axis=1).astype(share.channels.dtype))


def _exponents(d: Array) -> Array:
    """Histogram bin of each finite |d|."""
    bins: Array
    if d.dtype == np.float32:
        bins = d.view(np.int32) >> 23
        return bins
    bins = np.clip((d.view(np.int64) >> 52) - _EXPONENT_64, 0, tally.BINS - 1)
    return bins


def _raise_cells(grid: Array, flat: Array, place: int, layout: Layout) -> None:
    """Raise the cells under `flat`, consecutive elements of the plane from `place` on."""
    if layout.high == layout.wide == 1:
        cells = grid[place : place + flat.size]
        np.maximum(cells, flat, out=cells)
        return
    row, column = divmod(place, layout.columns)
    head = min(-place % layout.columns, flat.size)
    tail = head + (flat.size - head) // layout.columns * layout.columns
    table = grid.reshape(layout.cells)
    _raise_rows(table, flat[:head].reshape(1, -1), row, column, layout)
    _raise_rows(table, flat[head:tail].reshape(-1, layout.columns), row + (head > 0), 0, layout)
    _raise_rows(table, flat[tail:].reshape(1, -1), (place + tail) // layout.columns, 0, layout)


def _raise_rows(table: Array, part: Array, row: int, column: int, layout: Layout) -> None:
    """Raise the cells under a rectangle of the plane that begins at `row`, `column`."""
    if not part.size:
        return
    for axis, start, length in ((1, column, layout.wide), (0, row, layout.high)):
        if length > 1:
            starts = np.arange(-(start % length), part.shape[axis], length).clip(0)
            part = np.maximum.reduceat(part, starts, axis=axis)
    cells = table[row // layout.high :, column // layout.wide :][: part.shape[0], : part.shape[1]]
    np.maximum(cells, part, out=cells)
