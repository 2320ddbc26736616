"""What a pass over two tensors adds up: the columns of its sums, and the plane onto which it maps |d|."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

Limits = tuple[np.floating[Any], np.floating[Any]]
"""(atol, rtol) in the dtype of the comparison."""

# A row of sums holds, for each side, the moments of its finite elements ...
TORCH, PADDLE = 0, 8
FINITE, MEAN, SPREAD, LOW, HIGH, ZEROS, NAN, INF = range(8)
"""SPREAD is the sum of (x - mean)^2."""

# ... and, over the elements that are finite on both sides, the sums of the difference.
BOTH, ABSOLUTE, SQUARE, TORCH_SQUARE, PADDLE_SQUARE, DOT, CROSS, RELATIVE, OVER, DIFF_NAN, DIFF_INF, AGREED = range(16, 28)
"""DOT sums torch * paddle, CROSS torch^2 - paddle^2. AGREED counts elements that are NaN, or the same infinity, on both sides."""

COLUMNS = 28

BLOCK = 4096
"""Elements whose float32 partial sums are added in float64: three arrays of them fit a core's first two caches."""

WORST = 16
BINS = 256
"""Binary exponents of |d| as float32 has them: bin k is 2**(k + FIRST_EXPONENT), bin 0 is zero and what is too small to count."""
FIRST_EXPONENT = -127

_FINE_PLANE = 1 << 20
_COARSE = 256
_NARROW = 2048
"""Columns that a large plane keeps: pooling runs of a few elements costs more than it saves."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a flat index falls on the plane of the last two axes, and on axis 1.

    The plane has `rows` x `columns` elements, pooled to cells of `high` x `wide`: single elements, unless the plane is too large
    for a copy. With four axes and more `channels` is the length of axis 1 and `inner` the number of planes in each of its
    indices; with fewer axes the channels are the plane's rows or columns (`along`), and both are 1.
    """

    rows: int
    columns: int
    high: int
    wide: int
    inner: int
    channels: int
    axes: str
    along: int | None

    @property
    def plane(self) -> int:
        return self.rows * self.columns

    @property
    def cells(self) -> tuple[int, int]:
        return -(-self.rows // self.high), -(-self.columns // self.wide)

    @property
    def numbers(self) -> tuple[int, int, int, int, int, int]:
        return self.plane, self.columns, self.high, self.wide, self.inner, self.channels


def layout_of(shape: tuple[int, ...]) -> Layout:
    """The layout of a non-empty tensor. Trailing axes of length 1 count as absent: [N, C, 1, 1] is drawn as [N, C]."""
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    rows, columns = (1, *shape)[-2:] if shape else (1, 1)
    fine = rows * columns <= _FINE_PLANE
    high, wide = (1, 1) if fine else (-(-rows // _COARSE), 1 if columns <= _NARROW else -(-columns // _COARSE))
    match len(shape):
        case 0 | 1:
            return Layout(rows, columns, high, wide, 1, 1, "", 1)
        case 2:
            return Layout(rows, columns, high, wide, 1, 1, "batch x channel", 1)
        case 3:
            return Layout(rows, columns, high, wide, 1, 1, "position x channel", 0)
        case _:
            return Layout(rows, columns, high, wide, prod(shape[2:-2]), shape[1], "height x width", None)


def empty_row() -> Array:
    """A row of sums before the first element."""
    row = np.zeros(COLUMNS)
    for side in (TORCH, PADDLE):
        row[side + LOW], row[side + HIGH] = np.inf, -np.inf
    return row


@dataclass(slots=True)
class Share:
    """What one thread has seen of two tensors.

    `rows` are sums by the flat index that they start at, so that the total does not depend on which thread did what. `worst` and
    `places` are |d|, largest first, and the flat indices of the worst finite elements; 0 is an empty place. `broken` are the lowest
    indices of elements that are NaN or infinite and do not agree. `grid` (cells of the layout) and `channels` hold the largest |d|.
    """

    grid: Array
    channels: Array
    rows: list[tuple[int, Array]] = field(default_factory=list)
    histogram: NDArray[np.int64] = field(default_factory=lambda: np.zeros((4, BINS), np.int64))
    worst: Array = field(default_factory=lambda: np.zeros(WORST, np.float32))
    places: NDArray[np.int64] = field(default_factory=lambda: np.zeros(WORST, np.int64))
    broken: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, layout: Layout, dtype: np.dtype[Any]) -> Share:
        high, wide = layout.cells
        return cls(np.zeros(high * wide, dtype), np.zeros(layout.channels, dtype), worst=np.zeros(WORST, dtype))


def join(shares: list[Share]) -> Share:
    """All threads' shares as one, the same whatever thread saw which elements; at least one of them has seen some."""
    shares = [share for share in shares if share.rows]
    if len(shares) == 1:
        return shares[0]
    values, places = np.concatenate([share.worst for share in shares]), np.concatenate([share.places for share in shares])
    order = np.lexsort((places, -values))[:WORST]
    return Share(
        np.maximum.reduce([share.grid for share in shares]),
        np.maximum.reduce([share.channels for share in shares]),
        sorted((row for share in shares for row in share.rows), key=lambda row: row[0]),
        np.add.reduce([share.histogram for share in shares]),
        values[order],
        places[order],
        sorted(place for share in shares for place in share.broken)[:WORST],
    )


def total(rows: list[tuple[int, Array]]) -> Array:
    """One row for all of them, in the order given."""
    if len(rows) == 1:
        return rows[0][1]
    table = np.stack([row for _, row in rows])
    row: Array = table.sum(axis=0)
    row[RELATIVE] = table[:, RELATIVE].max()
    for side in (TORCH, PADDLE):
        counts, means = table[:, side + FINITE], table[:, side + MEAN]
        row[side + MEAN] = mean = float(counts @ means) / max(float(row[side + FINITE]), 1.0)
        row[side + SPREAD] += float(counts @ (means - mean) ** 2)
        row[side + LOW], row[side + HIGH] = table[:, side + LOW].min(), table[:, side + HIGH].max()
    return row
