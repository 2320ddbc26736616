"""The compiled diff kernel. Importing this module imports numba and compiles, or loads what an earlier run compiled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import float32, float64, int64, njit, types, uint8

from aligndbg.core import tally
from aligndbg.core.tally import BLOCK

# tally's numbers are compiled in, and numba's cache knows this file's date alone: touch it where they change.

# Outside of these magnitudes a float32 square or sum of squares leaves the range of normal float32 numbers.
_LARGE = int(np.float32(1e15).view(np.int32))
_SMALL = int(np.float32(1e-12).view(np.int32))
_SMALL_DIFF = int(np.float32(1e-15).view(np.int32))
_MAGNITUDE = np.int32(0x7FFFFFFF)
_SIGN_BIT = np.int32(31)
# Two float32 numbers in one word: where the exponents of the lower and the upper one begin. Their signs are 0.
_LOWER, _UPPER, _EXPONENT = np.uint64(23), np.uint64(55), np.uint64(255)
_ZERO, _ONE, _TINY = np.float32(0.0), np.float32(1.0), np.float32(np.finfo(np.float32).tiny)

_STRIP = 128

# The blocks that reach a function with these flags hold finite numbers only.
_FINITE = {"nnan", "ninf", "nsz", "reassoc", "contract"}


@njit(forceinline=True, fastmath={"reassoc", "nsz"})
def _survey(x, bits):
    """Bits of the largest |x|, where NaN and Inf are above every finite number; the sum."""
    top, total = np.int32(0), _ZERO
    for i in range(x.size):
        top = max(top, bits[i] & _MAGNITUDE)
        total += x[i]
    return top, total


@njit(forceinline=True)
def _distance(a, b, d):
    for i in range(d.size):
        d[i] = abs(a[i] - b[i])


@njit(forceinline=True, fastmath=_FINITE)
def _moments(x, bits, pivot):
    """Sum and sum of squares about `pivot`, least, greatest, zeros."""
    total, square, zeros = _ZERO, _ZERO, np.int32(0)
    low, high = _MAGNITUDE, ~_MAGNITUDE
    for i in range(x.size):
        c = x[i] - pivot
        total += c
        square += c * c
        zeros += np.int32(x[i] == _ZERO)
        # Integers in the order of the floats: their minimum is vectorised, that of floats is not.
        key = bits[i] ^ ((bits[i] >> _SIGN_BIT) & _MAGNITUDE)
        low, high = min(low, key), max(high, key)
    return total, square, _unkey(low), _unkey(high), zeros


@njit(forceinline=True)
def _unkey(key):
    return np.int32(key ^ ((key >> _SIGN_BIT) & _MAGNITUDE)).view(np.float32)


@njit(forceinline=True, fastmath=False)
def _limit(atol, rtol, u):
    """Apart from `_sums`, whose flags would make one rounding of these two: numpy has no such instruction."""
    return atol + rtol * u


@njit(forceinline=True, fastmath=_FINITE, error_model="numpy")
def _sums(a, b, d, ratio, atol, rtol):
    """Sums of |d|, its squares, a * b and a^2 - b^2, elements over the tolerance; `ratio` receives the relative differences."""
    total, square, dot, cross, over = _ZERO, _ZERO, _ZERO, _ZERO, np.int32(0)
    for i in range(d.size):
        u, v, w = a[i], b[i], d[i]
        total += w
        square += w * w
        dot += u * v
        cross += (u - v) * (u + v)
        u, v = abs(u), abs(v)
        limit = _limit(atol, rtol, u)
        over += np.int32(w > limit)
        ratio[i] = w / max(max(u, v), max(limit, _TINY))
    return total, square, dot, cross, over


@njit(forceinline=True)
def _count_exponents(bits, histogram):
    """Four tables side by side: neighbours mostly share a bin, and one table would wait for its own last store."""
    pairs = bits.size // 4 * 2
    words = bits[: 2 * pairs].view(np.uint64)
    for i in range(0, pairs, 2):
        one, two = words[np.uint64(i)], words[np.uint64(i + 1)]
        histogram[0, (one >> _LOWER) & _EXPONENT] += 1
        histogram[1, one >> _UPPER] += 1
        histogram[2, (two >> _LOWER) & _EXPONENT] += 1
        histogram[3, two >> _UPPER] += 1
    for i in range(2 * pairs, bits.size):
        histogram[0, bits[i] >> _LOWER] += 1


@njit(forceinline=True)
def _top(bits):
    top = np.int32(0)
    for i in range(bits.size):
        top = max(top, bits[i])
    return top


@njit(forceinline=True)
def _keep_worst(bits, first, worst, places):
    """Put what exceeds the least of `worst` (bits of |d|, largest first) in its place; of equals the first to come stays."""
    last = worst.size - 1
    for low in range(0, bits.size, _STRIP):
        high = min(low + _STRIP, bits.size)
        if _top(bits[low:high]) <= worst[last]:
            continue
        for i in range(low, high):
            value = bits[i]
            if value > worst[last]:
                k = last
                while k > 0 and worst[k - 1] < value:
                    worst[k], places[k] = worst[k - 1], places[k - 1]
                    k -= 1
                worst[k], places[k] = value, first + i


@njit(forceinline=True)
def _raise_each(cells, bits):
    """Raise each cell to the |d| that lies on it; returns the largest |d|."""
    top = np.int32(0)
    for i in range(bits.size):
        v = bits[i]
        cells[i] = max(cells[i], v)
        top = max(top, v)
    return top


@njit(forceinline=True)
def _map(bits, first, layout, grid, channels):
    """Largest |d| by cell of the plane and by channel; `layout` is tally.Layout's numbers."""
    plane, columns, high, wide, inner, count = layout
    across = (columns + wide - 1) // wide
    i, n = 0, bits.size
    channel, place = (first // plane // inner) % count, first % plane
    outer = first // plane
    while i < n:
        if high == 1 and wide == 1:
            length = min(plane - place, n - i)
            top = _raise_each(grid[place : place + length], bits[i : i + length])
        else:
            row, column = place // columns, place % columns
            cell = row // high * across + column // wide
            if wide == 1:
                length = min(columns - column, n - i)
                top = _raise_each(grid[cell : cell + length], bits[i : i + length])
            else:
                length = min(wide - column % wide, columns - column, n - i)
                top = _top(bits[i : i + length])
                grid[cell] = max(grid[cell], top)
        channels[channel] = max(channels[channel], top)
        i += length
        place += length
        if place == plane:
            place = 0
            outer += 1
            channel = outer // inner % count


@njit(forceinline=True)
def _merge(row, side, n, pivot, total, square, low, high, zeros):
    """Add a block's moments to one side's (Chan, Golub, LeVeque 1979)."""
    total, count = float64(total), row[side + tally.FINITE]
    mean = pivot + total / n
    spread = max(float64(square) - total * total / n, 0.0)
    shift = mean - row[side + tally.MEAN]
    row[side + tally.FINITE] = count + n
    row[side + tally.MEAN] += shift * n / (count + n)
    row[side + tally.SPREAD] += spread + shift * shift * count * n / (count + n)
    row[side + tally.LOW] = min(row[side + tally.LOW], float64(low))
    row[side + tally.HIGH] = max(row[side + tally.HIGH], float64(high))
    row[side + tally.ZEROS] += zeros
    return spread + n * mean * mean


def _measure(a, b, start, stop, atol, rtol, layout, row, histogram, worst, places, grid, channels, hard):
    """Tally elements start..stop of two flat arrays; blocks with NaN, Inf or extreme magnitudes are only marked in `hard`."""
    a_bits, b_bits = a.view(np.int32), b.view(np.int32)
    scratch, ratio = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    scratch_bits, ratio_bits = scratch.view(np.int32), ratio.view(np.int32)
    last = worst.size - 1
    for block in range((stop - start + BLOCK - 1) // BLOCK):
        low = start + block * BLOCK
        high = min(low + BLOCK, stop)
        n = high - low
        x, y, d, bits = a[low:high], b[low:high], scratch[:n], scratch_bits[:n]
        (top_a, sum_a), (top_b, sum_b) = _survey(x, a_bits[low:high]), _survey(y, b_bits[low:high])
        _distance(x, y, d)
        top = _top(bits)
        if max(top_a, top_b) >= _LARGE or 0 < top_a < _SMALL or 0 < top_b < _SMALL or 0 < top < _SMALL_DIFF:
            hard[block] = 1
            continue
        pivot = sum_a / np.float32(n)
        moments = _moments(x, a_bits[low:high], pivot)
        torch2 = _merge(row, tally.TORCH, n, float64(pivot), *moments)
        row[tally.BOTH] += n
        row[tally.TORCH_SQUARE] += torch2
        if top == 0:
            _merge(row, tally.PADDLE, n, float64(pivot), *moments)
            row[tally.PADDLE_SQUARE] += torch2
            row[tally.DOT] += torch2
            histogram[0, 0] += n
            continue
        pivot = sum_b / np.float32(n)
        row[tally.PADDLE_SQUARE] += _merge(row, tally.PADDLE, n, float64(pivot), *_moments(y, b_bits[low:high], pivot))
        total, square, dot, cross, over = _sums(x, y, d, ratio[:n], atol, rtol)
        row[tally.ABSOLUTE] += total
        row[tally.SQUARE] += square
        row[tally.DOT] += dot
        row[tally.CROSS] += cross
        row[tally.RELATIVE] = max(row[tally.RELATIVE], float64(np.int32(_top(ratio_bits[:n])).view(np.float32)))
        row[tally.OVER] += over
        _count_exponents(bits, histogram)
        if top > worst[last]:
            _keep_worst(bits, low, worst, places)
        _map(bits, low, layout, grid, channels)


_VIEW = types.Array(float32, 1, "C", readonly=True)
_SIGNATURE = types.void(
    _VIEW, _VIEW, int64, int64, float32, float32, types.UniTuple(int64, 6),
    float64[::1], int64[:, ::1], types.int32[::1], int64[::1], types.int32[::1], types.int32[::1], uint8[::1],
)  # fmt: skip


def _compiled() -> Callable[..., None]:
    kernel: Callable[..., None]
    try:
        kernel = njit(_SIGNATURE, nogil=True, error_model="numpy", cache=True)(_measure)
    except Exception:  # A cache that cannot be written or read must not cost the run; a fault of the kernel shows again below.
        kernel = njit(_SIGNATURE, nogil=True, error_model="numpy")(_measure)
    return kernel


measure = _compiled()
