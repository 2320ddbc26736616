"""Compare two tensors: every statistic of core.stats from one pass over them."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.core import kernel, tally
from aligndbg.core.kernel import warm
from aligndbg.core.stats import Diff, DiffDetail, DiffStats, Heatmap, TensorStats, WorstElement
from aligndbg.core.tally import Array, Layout, Share

__all__ = ["diff", "warm"]

HEATMAP_CELLS = 64
"""Along each axis of the heatmap."""

CHANNELS = 256

_LARGEST = float(np.finfo(np.float64).max)


def diff(torch: NDArray[Any], paddle: NDArray[Any], atol: float, rtol: float) -> Diff:
    """Statistics of both tensors and of torch - paddle; an element agrees where |torch - paddle| <= atol + rtol * |torch|.

    The comparison is made in float32 where both dtypes fit in it, else in float64. NaN agrees with NaN, an infinity with the
    same one. Complex tensors are compared as real ones with a last axis (real, imaginary). Heatmap and worst elements show a
    disagreement of NaN or Inf as infinite. Raises ValueError where the shapes differ or a dtype is not numeric.
    """
    torch, paddle = np.asarray(torch), np.asarray(paddle)
    if torch.shape != paddle.shape:
        raise ValueError(f"tensors of shapes {list(torch.shape)} and {list(paddle.shape)} cannot be compared element by element")
    one, other, shape = _flat(torch, paddle)
    if not one.size:
        return _nothing(len(shape))
    layout = tally.layout_of(shape)
    share = kernel.measure(one, other, atol, rtol, layout)
    row = np.nan_to_num(tally.total(share.rows), nan=_LARGEST).tolist()
    return Diff(
        _tensor_stats(row, tally.TORCH, one.size),
        _tensor_stats(row, tally.PADDLE, one.size),
        _diff_stats(row, share, shape, one.size),
        _detail(row, share, layout, shape, one, other),
    )


def _flat(torch: Array, paddle: Array) -> tuple[Array, Array, tuple[int, ...]]:
    """Both in one float dtype, flat, contiguous and aligned, and the shape of what is compared."""
    if torch.dtype == np.float32 == paddle.dtype:
        dtype: type[np.floating[Any]] = np.float32
    else:
        if not all(x.dtype.kind in "biufc" for x in (torch, paddle)):
            raise ValueError(f"tensors of dtypes {torch.dtype} and {paddle.dtype} cannot be compared as numbers")
        together = np.result_type(torch.dtype, paddle.dtype)
        dtype = np.float32 if np.can_cast(together, np.complex64) and together != np.float64 else np.float64
        if together.kind == "c":
            torch, paddle = (_parts(x, np.complex64 if dtype is np.float32 else np.complex128) for x in (torch, paddle))
    one, other = (np.require(x, dtype, ("C", "A")).reshape(-1) for x in (torch, paddle))
    return one, other, torch.shape


def _parts(x: Array, dtype: type[np.complexfloating[Any, Any]]) -> Array:
    x = np.asarray(x, dtype)
    return np.stack([x.real, x.imag], axis=-1)


def _tensor_stats(row: list[float], side: int, count: int) -> TensorStats:
    finite = row[side + tally.FINITE]
    return TensorStats(
        count,
        row[side + tally.LOW] if finite else 0.0,
        row[side + tally.HIGH] if finite else 0.0,
        row[side + tally.MEAN],
        sqrt(row[side + tally.SPREAD] / finite) if finite else 0.0,
        int(row[side + tally.ZEROS]),
        int(row[side + tally.NAN]),
        int(row[side + tally.INF]),
    )


def _diff_stats(row: list[float], share: Share, shape: tuple[int, ...], count: int) -> DiffStats:
    both = row[tally.BOTH] or 1.0
    max_abs = float(share.worst[0])
    place = np.unravel_index(int(share.places[0]), shape) if max_abs else (0,) * len(shape)
    return DiffStats(
        max_abs,
        row[tally.ABSOLUTE] / both,
        sqrt(row[tally.SQUARE] / both),
        row[tally.RELATIVE],
        _cosine(row),
        row[tally.OVER] / count,
        int(row[tally.DIFF_NAN]),
        int(row[tally.DIFF_INF]),
        tuple(int(index) for index in place),
    )


def _cosine(row: list[float]) -> float | None:
    torch, paddle = sqrt(row[tally.TORCH_SQUARE]), sqrt(row[tally.PADDLE_SQUARE])
    if not torch or not paddle or _LARGEST in (row[tally.TORCH_SQUARE], row[tally.PADDLE_SQUARE]):
        return None
    if 0.5 < torch / paddle < 2.0:
        # |d|^2 = (|a| - |b|)^2 + 2 |a| |b| (1 - cos): keeps the digits of 1 - cos that the quotient loses.
        apart = row[tally.CROSS] / (torch + paddle)
        cosine = 1.0 - max(row[tally.SQUARE] - apart * apart, 0.0) / (2.0 * torch * paddle)
    else:
        cosine = row[tally.DOT] / torch / paddle
    return min(max(cosine, -1.0), 1.0)


def _detail(row: list[float], share: Share, layout: Layout, shape: tuple[int, ...], one: Array, other: Array) -> DiffDetail:
    counts = share.histogram.sum(axis=0)
    exact, counts[0] = int(counts[0]) + int(row[tally.AGREED]), 0
    used = np.flatnonzero(counts)
    first, last = (int(used[0]), int(used[-1])) if used.size else (-tally.FIRST_EXPONENT, -tally.FIRST_EXPONENT - 1)
    grid = share.grid.reshape(layout.cells)
    by_channel = share.channels if layout.along is None else grid.max(axis=1 - layout.along)
    return DiffDetail(
        first + tally.FIRST_EXPONENT,
        tuple(counts[first : last + 1].tolist()),
        exact,
        tuple(_pooled(by_channel, 0, CHANNELS).tolist()),
        _heatmap(grid, layout) if layout.axes else None,
        _worst(share, shape, one, other),
    )


def _heatmap(grid: Array, layout: Layout) -> Heatmap:
    pooled = _pooled(_pooled(grid, 0, HEATMAP_CELLS), 1, HEATMAP_CELLS)
    rows, columns = pooled.shape
    return Heatmap(layout.axes, (layout.rows, layout.columns), rows, columns, tuple(pooled.reshape(-1).tolist()))


def _pooled(values: Array, axis: int, most: int) -> Array:
    """Largest of each run along `axis`, of equal length but for the last one, so that at most `most` remain."""
    length = values.shape[axis]
    if length <= most:
        return values
    pooled: Array = np.maximum.reduceat(values, np.arange(0, length, -(-length // most)), axis=axis)
    return pooled


def _worst(share: Share, shape: tuple[int, ...], one: Array, other: Array) -> tuple[WorstElement, ...]:
    places = [*share.broken, *share.places[share.worst > 0].tolist()][: tally.WORST]
    if not places:
        return ()
    indices = zip(*(axis.tolist() for axis in np.unravel_index(places, shape)), strict=True) if shape else [()]
    return tuple(map(WorstElement, indices, one[places].tolist(), other[places].tolist()))


def _nothing(axes: int) -> Diff:
    """The diff of two empty tensors."""
    tensor = TensorStats(0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0)
    stats = DiffStats(0.0, 0.0, 0.0, 0.0, None, 0.0, 0, 0, (0,) * axes)
    return Diff(tensor, tensor, stats, DiffDetail(0, (), 0, (), None, ()))
