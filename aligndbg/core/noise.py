"""What float32 rounding alone explains."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FACTOR = 8.0
"""Two correct float32 implementations may be this many times further apart than torch's is from float64: both round, and in
another order of sums."""

LEAST_ULPS = 16
"""In units of the last place at the layer's largest magnitude: torch's own rounding may be zero by chance."""

_CHUNK = 1 << 16


def noise_floor(gap: float, scale: float) -> float:
    """Largest |torch - Paddle| that is not evidence of a fault.

    `gap` is the largest |torch in float32 - torch in float64| of a layer's output, `scale` its largest magnitude.
    """
    return max(FACTOR * gap, LEAST_ULPS * float(np.finfo(np.float32).eps) * scale)


def largest_gap(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Largest |one - other| of two arrays of one shape, over the elements that are finite in both; 0 where there are none."""
    first, second = one.reshape(-1), other.reshape(-1)
    top = 0.0
    with np.errstate(all="ignore"):
        for start in range(0, first.size, _CHUNK):
            a, b = (np.asarray(part[start : start + _CHUNK], np.float32) for part in (first, second))
            gaps = np.abs(a - b)
            largest = float(gaps.max())
            if not np.isfinite(largest):
                finite = gaps[np.isfinite(gaps)]
                largest = float(finite.max()) if finite.size else 0.0
            top = max(top, largest)
    return top
