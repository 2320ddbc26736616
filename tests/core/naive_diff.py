"""`aligndbg.core.diff.diff` once more, as plain whole-array numpy."""

from __future__ import annotations

import math
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from aligndbg.core.stats import Diff, DiffDetail, DiffStats, Heatmap, TensorStats, WorstElement
from aligndbg.core.tally import layout_of

Array = NDArray[Any]

NARROW = ("float32", "float16", "int16", "int8", "uint16", "uint8", "bool", "complex64")
"""Dtypes that are compared in float32."""


def naive(torch: Array, paddle: Array, atol: float, rtol: float) -> Diff:
    """The expected result for tensors of at least one element: |d| as the dtype of the comparison rounds it, sums in float64."""
    dtype = np.float32 if torch.dtype in NARROW and paddle.dtype in NARROW else np.float64
    pairs = "c" in torch.dtype.kind + paddle.dtype.kind
    a, b = ((np.stack([x.real, x.imag], -1) if pairs else x).astype(dtype) for x in (torch, paddle))
    with np.errstate(all="ignore"):
        finite = np.isfinite(a) & np.isfinite(b)
        broken = ~finite & ~((a == b) | (np.isnan(a) & np.isnan(b)))
        d = np.abs(a - b)
        exact = np.minimum(np.abs(a.astype(np.float64) - b), np.finfo(np.float64).max)
        wide = np.where(finite, np.where(np.isfinite(d), d, exact), 0.0)
        d = np.minimum(wide, np.finfo(dtype).max)
        limit = not_above(atol, dtype) + dtype(rtol) * np.abs(a)
        one, other = (np.where(finite, x, 0.0).astype(np.float64) for x in (a, b))
        divisor = np.maximum.reduce([np.abs(one), np.abs(other), limit, np.full(a.shape, np.finfo(dtype).tiny, np.float64)])
        relative = np.where(finite, wide / divisor, 0.0)
    both = max(np.count_nonzero(finite), 1)
    stats = DiffStats(
        float(d.max()),
        float(wide.sum()) / both,
        float(np.sqrt((wide**2).sum() / both)),
        float(relative.max()),
        cosine(one, other),
        (np.count_nonzero(finite & (d > limit)) + np.count_nonzero(broken)) / d.size,
        np.count_nonzero(broken & (np.isnan(a) | np.isnan(b))),
        np.count_nonzero(broken & (np.isinf(a) | np.isinf(b))),
        _index(int(d.argmax()), d.shape),
    )
    return Diff(_side(a), _side(b), stats, _detail(a, b, d, wide, broken))


def not_above(atol: float, dtype: type[np.floating[Any]]) -> np.floating[Any]:
    near = dtype(atol)
    return near if float(near) <= atol else np.nextafter(near, dtype(0))


def cosine(a: Array, b: Array) -> float | None:
    """From |a/|a| - b/|b||^2 = 2 (1 - cos), which has the digits that the quotient loses."""
    scale = max(np.abs(a).max(), np.abs(b).max()) or 1.0
    one, other = (float(np.linalg.norm(x.reshape(-1) / scale)) * scale for x in (a, b))
    return float(1.0 - ((a / one - b / other) ** 2).sum() / 2) if one and other else None


def assert_agree(one: Diff, other: Diff) -> None:
    """Sums of float32 terms may differ by as little as their rounding explains, all else not at all."""
    for mine, its in ((one.torch, other.torch), (one.paddle, other.paddle)):
        assert _exact(mine, "mean std") == _exact(its, "mean std")
        assert mine.mean == pytest.approx(its.mean, 1e-6, 1e-6 * its.max_abs)
        assert mine.std == pytest.approx(its.std, 2e-5, 1e-6 * its.max_abs)
    rounded = "mean_abs rms max_rel cosine"
    assert _exact(one.stats, rounded) == _exact(other.stats, rounded)
    for name in rounded.split()[:3]:
        assert getattr(one.stats, name) == pytest.approx(getattr(other.stats, name), 1e-5, 0.0), name
    if one.stats.cosine is None or other.stats.cosine is None:
        assert one.stats.cosine is other.stats.cosine
    else:
        # The digits of 1 - cos are those of |d|^2 / (|a| |b|), which is at least twice that.
        norms = [math.hypot(side.mean, side.std) for side in (other.torch, other.paddle)]
        digits = max(other.stats.rms**2 / math.prod(norms), 1.0 - other.stats.cosine)
        assert abs(one.stats.cosine - other.stats.cosine) <= 1e-5 * digits + 1e-15
    np.testing.assert_equal(astuple(one.detail), astuple(other.detail))


def _exact(stats: TensorStats | DiffStats, rounded: str) -> dict[str, object]:
    return {name: getattr(stats, name) for name in stats.__slots__ if name not in rounded.split()}


def _side(x: Array) -> TensorStats:
    finite = x[np.isfinite(x)].astype(np.float64)
    known = (finite.min(), finite.max(), finite.mean(), finite.std()) if finite.size else (0.0,) * 4
    return TensorStats(x.size, *map(float, known), *map(np.count_nonzero, (x == 0, np.isnan(x), np.isinf(x))))


def _detail(a: Array, b: Array, d: Array, wide: Array, broken: Array) -> DiffDetail:
    counted = wide[wide >= 2.0**-126]
    exponents = np.minimum(np.frexp(counted)[1] - 1, 128)
    first = int(exponents.min()) if counted.size else 0
    order = np.argsort(-d, None, kind="stable")[:16]
    worst = [*np.flatnonzero(broken)[:16], *order[d.reshape(-1)[order] > 0]][:16]
    shown = np.where(broken, np.inf, d)
    return DiffDetail(
        first,
        tuple(np.bincount(exponents - first).tolist()),
        int(d.size - counted.size - np.count_nonzero(broken)),
        tuple(_channels(shown).tolist()),
        _heatmap(shown),
        tuple(WorstElement(_index(place, d.shape), float(a.flat[place]), float(b.flat[place])) for place in worst),
    )


def _index(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(int, np.unravel_index(place, shape)))


def _channels(d: Array) -> Array:
    d = d.reshape(1, -1) if d.ndim < 2 else d
    along = np.moveaxis(d, 1, 0).reshape(d.shape[1], -1).max(1)
    return _pooled(along, 0, -(-along.size // 256))


def _heatmap(d: Array) -> Heatmap | None:
    while d.ndim > 2 and d.shape[-1] == 1:
        d = d[..., 0]
    if d.ndim < 2:
        return None
    cells = plane = d.reshape(-1, *d.shape[-2:]).max(0)
    layout = layout_of(d.shape)
    for axis, length in ((0, layout.high), (1, layout.wide)):
        cells = _pooled(cells, axis, length)
        cells = _pooled(cells, axis, -(-cells.shape[axis] // 64))
    axes = ("batch x channel", "position x channel", "height x width")[min(d.ndim, 4) - 2]
    return Heatmap(axes, plane.shape, *cells.shape, tuple(cells.reshape(-1).tolist()))


def _pooled(d: Array, axis: int, length: int) -> Array:
    """Maxima of runs of `length`."""
    size = d.shape[axis]
    return np.stack([d.take(range(at, min(at + length, size)), axis).max(axis) for at in range(0, size, length)], axis)
