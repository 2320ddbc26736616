"""Interpolation as torch computes it: one axis after the other, by the elements that each result takes and their weights.

Source: torch, aten/src/ATen/native/UpSample.h. Positions are float32 there, and so are they here: which of two neighbours is
the nearest one may hang on it.
"""

from __future__ import annotations

import math

import numpy as np
import paddle
from numpy.typing import NDArray

from aligndbg.frameworks.paddle_perform_operation import Operation
from aligndbg.frameworks.paddle_perform_window import ADAPTIVE_AVG, adaptive_pool

_LINEAR = frozenset({"linear", "bilinear", "trilinear"})
_CUBIC = -0.75
"""The parameter of the cubic convolution."""

Taps = tuple[NDArray[np.int64], NDArray[np.float64]]
"""For each result along an axis, [results, taps]: the elements that it takes, and their weights."""


def interpolate(operation: Operation) -> paddle.Tensor:
    """`size` or `scale_factor`; Paddle's `align_mode` 1 has pixels at whole positions where `align_corners` is off."""
    x, mode = operation.x, operation.get("mode", default="nearest")
    axes = len(x.shape) - 2
    if operation.get("antialias", default=False):
        raise operation.refuse("is not performed with antialias")
    factors = _factors(operation, axes)
    if operation.get("size") is not None:
        sizes = operation.per_axis("size", axes, None)
        factors = [None] * axes
    elif factors[0] is not None:
        sizes = [math.floor(length * factor) for length, factor in zip(x.shape[2:], factors, strict=True)]
    else:
        raise operation.refuse("cannot be performed: its attributes have neither 'size' nor 'scale_factor'")
    if operation.get("recompute_scale_factor", default=False):
        factors = [None] * axes
    if mode == "area":
        return area(operation, sizes)
    corners = bool(operation.get("align_corners", default=False))
    whole = operation.get("align_mode", default=0) == 1 and mode in _LINEAR
    for axis, (size, factor) in enumerate(zip(sizes, factors, strict=True), start=2):
        x = _applied(x, axis, _taps(operation, mode, x.shape[axis], size, factor, corners, whole))
    return x


def area(operation: Operation, sizes: list[int]) -> paddle.Tensor:
    inner = Operation(operation.kind, [operation.x], {"output_size": [*sizes]}, {})
    return adaptive_pool(inner, len(sizes), ADAPTIVE_AVG)


def _factors(operation: Operation, axes: int) -> list[float | None]:
    value = operation.get("scale_factor")
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return values * axes if len(values) == 1 else values


def _taps(operation: Operation, mode: str, length: int, size: int, factor: float | None, corners: bool, whole: bool) -> Taps:
    places = np.arange(size, dtype=np.float32)
    if corners and (mode in _LINEAR or mode == "bicubic"):
        positions = places * np.float32((length - 1) / (size - 1) if size > 1 else 0.0)
    else:
        scale = np.float32(1.0 / factor if factor else length / size)
        half = np.float32(0.0 if mode == "nearest" or whole else 0.5)
        shift = np.float32(0.0) if mode.startswith("nearest") else half
        # The product and the difference are rounded once: torch's code is compiled to do both in one instruction.
        positions = (np.float64(scale) * (places + half) - shift).astype(np.float32)
    if mode in ("nearest", "nearest-exact"):
        return np.minimum(np.floor(positions).astype(np.int64), length - 1)[:, None], np.ones((size, 1))
    if mode in _LINEAR:
        positions = np.maximum(positions, 0)
        first = np.minimum(positions.astype(np.int64), length - 1)
        share = positions.astype(np.float64) - first
        return np.stack([first, np.minimum(first + 1, length - 1)], 1), np.stack([1 - share, share], 1)
    if mode == "bicubic":
        first = np.floor(positions).astype(np.int64)
        share = positions.astype(np.float64) - first
        elements = np.clip(first[:, None] + np.arange(-1, 3), 0, length - 1)
        return elements, np.stack([_cubic(np.abs(share - tap)) for tap in range(-1, 3)], 1)
    raise operation.refuse(f"has a mode {mode!r} that is not known")


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    a = _CUBIC
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, far)


def _applied(x: paddle.Tensor, axis: int, taps: Taps) -> paddle.Tensor:
    elements, weights = taps
    result = None
    for tap in range(elements.shape[1]):
        part = paddle.index_select(x, paddle.to_tensor(elements[:, tap]), axis)
        if elements.shape[1] > 1:
            shape = [-1 if place == axis else 1 for place in range(len(x.shape))]
            part = part * paddle.to_tensor(weights[:, tap].reshape(shape)).astype(x.dtype)
        result = part if result is None else result + part
    return result
