"""What is known of a tensor, and of the difference of two, after one streaming pass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TensorStats:
    """Statistics of one tensor over its finite elements; NaN and Inf are counted apart."""

    count: int
    min: float
    max: float
    mean: float
    std: float
    zeros: int
    nan: int
    inf: int

    @property
    def max_abs(self) -> float:
        return max(abs(self.min), abs(self.max))


@dataclass(frozen=True, slots=True)
class DiffStats:
    """Statistics of torch minus Paddle over the elements that are finite on both sides.

    `max_rel` divides each |d| by the larger of the two magnitudes, taking the tolerance as the smallest divisor, so that
    rounding around zero does not read as 100 %. `cosine` is None where one side is all zero, or its squares overflow.
    `over_tolerance` is the share of elements over the tolerance, 0..1; an element that is NaN or infinite on one side only is
    over it. `nan` and `inf` count elements that are NaN (infinite) on either side and do not agree with the other. `argmax` is
    the index of `max_abs`.
    """

    max_abs: float
    mean_abs: float
    rms: float
    max_rel: float
    cosine: float | None
    over_tolerance: float
    nan: int
    inf: int
    argmax: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WorstElement:
    """One of the elements with the largest |torch - paddle|."""

    index: tuple[int, ...]
    torch: float
    paddle: float


@dataclass(frozen=True, slots=True)
class Heatmap:
    """Largest |d| over a plane of the tensor, pooled to at most 64 x 64 cells, row by row.

    `axes` names the two axes that remain (`height x width`, `channel x position`); `shape` is the plane before pooling.
    """

    axes: str
    shape: tuple[int, int]
    rows: int
    columns: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DiffDetail:
    """What the detail pane draws: small, whatever the tensor's size, so that every layer's can be kept.

    `exponents` counts |d| by binary exponent: `exponents[k]` elements have 2**(first_exponent + k) <= |d| < twice that;
    `exact` elements agree bit for bit (or differ by less than the smallest counted power).
    `channels` is the largest |d| of each index of axis 1, pooled to at most 256 values.
    """

    first_exponent: int
    exponents: tuple[int, ...]
    exact: int
    channels: tuple[float, ...]
    heatmap: Heatmap | None
    worst: tuple[WorstElement, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """All results of comparing two tensors of one shape."""

    torch: TensorStats
    paddle: TensorStats
    stats: DiffStats
    detail: DiffDetail

    @property
    def relative(self) -> float:
        """`max_abs` over the largest magnitude of torch's tensor; 0 where both are zero, inf where only torch's is."""
        if self.stats.max_abs == 0.0:
            return 0.0
        scale = self.torch.max_abs
        return self.stats.max_abs / scale if scale else float("inf")
