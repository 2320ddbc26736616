"""Layers that slide a window over spatial axes, as torch computes them: padding, convolutions, pools."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import paddle
from paddle.nn import functional as F

from aligndbg.frameworks.paddle_perform_operation import Operation, along, product

_NUMPY_MODE = {"reflect": "reflect", "replicate": "edge", "edge": "edge", "circular": "wrap"}
_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_CONV_TRANSPOSE = {1: F.conv1d_transpose, 2: F.conv2d_transpose, 3: F.conv3d_transpose}
_AVG_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
_ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}

Pairs = list[tuple[int, int]]
"""(before, after) of each spatial axis, the first one first."""


def padded(x: paddle.Tensor, pairs: Mapping[int, tuple[int, int]], mode: str = "constant", value: float = 0.0) -> paddle.Tensor:
    """`x` with (before, after) elements more on each named axis; negative numbers take elements away."""
    for axis, (before, after) in pairs.items():
        size = x.shape[axis]
        if before < 0 or after < 0:
            x = x.slice([axis], [max(-before, 0)], [size - max(-after, 0)])
            before, after, size = max(before, 0), max(after, 0), x.shape[axis]
        if not before and not after:
            continue
        if mode in ("constant", "zeros"):
            shapes = [[count if place == axis else length for place, length in enumerate(x.shape)] for count in (before, after)]
            first, last = (paddle.full(shape, value, x.dtype) for shape in shapes)
            x = paddle.concat(([first] if before else []) + [x] + ([last] if after else []), axis)
        else:
            order = np.pad(np.arange(size), (before, after), mode=_NUMPY_MODE[mode])
            x = paddle.index_select(x, paddle.to_tensor(order), axis)
    return x


def spatially(pairs: Pairs) -> dict[int, tuple[int, int]]:
    return {axis + 2: pair for axis, pair in enumerate(pairs)}


def padding_of(operation: Operation, axes: int, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Pairs:
    """The padding before and after each spatial axis, from any of the forms that the frameworks take.

    `same` keeps ceil(size / stride) elements, the odd one of the padding behind (paddle/phi/kernels/cpu/conv_util.h); with
    stride 1 this is torch's.
    """
    value = operation.get("padding", default=0)
    if isinstance(value, str):
        if value.lower() == "valid":
            return [(0, 0)] * axes
        if value.lower() != "same":
            raise operation.refuse(f"has a padding {value!r} that is not known")
        sizes = operation.x.shape[-axes:]
        extents = [step * (length - 1) + 1 for step, length in zip(dilation, kernel, strict=True)]
        totals = [
            max((-(-size // step) - 1) * step + extent - size, 0) for size, step, extent in zip(sizes, stride, extents, strict=True)
        ]
        return [(total // 2, total - total // 2) for total in totals]
    values = list(value) if isinstance(value, (list, tuple)) else [value] * axes
    if len(values) == 1:
        values *= axes
    if len(values) == axes:
        return [(item, item) for item in values]
    if len(values) == 2 * axes:
        return list(zip(values[::2], values[1::2], strict=True))
    raise operation.refuse(f"has {axes} spatial axes, which padding = {value!r} does not fit")


def batched(x: paddle.Tensor, axes: int, compute: Callable[[paddle.Tensor], paddle.Tensor]) -> paddle.Tensor:
    """`compute(x)`; torch takes one sample without its batch axis too."""
    return compute(x.unsqueeze(0)).squeeze(0) if len(x.shape) == axes + 1 else compute(x)


def pad(operation: Operation) -> paddle.Tensor:
    """`pad` lists (before, after) from the last axis on (torch documentation, `torch.nn.functional.pad`)."""
    x, amounts = operation.x, operation.need("pad")
    if isinstance(amounts, int):
        amounts = [amounts] * (2 * (len(x.shape) - 2))
    if len(amounts) % 2 or len(amounts) > 2 * len(x.shape):
        raise operation.refuse(f"has an input of {len(x.shape)} axes, which pad = {amounts!r} does not fit")
    mode = operation.get("mode", default="constant")
    if mode not in ("constant", *_NUMPY_MODE):
        raise operation.refuse(f"has a mode {mode!r} that is not known")
    pairs = {len(x.shape) - 1 - place: (amounts[2 * place], amounts[2 * place + 1]) for place in range(len(amounts) // 2)}
    return padded(x, pairs, mode, operation.get("value", default=0.0))


def convolution(operation: Operation, axes: int) -> paddle.Tensor:
    weight = operation.weight("oi*")
    stride, dilation = (operation.per_axis(name, axes, 1) for name in ("stride", "dilation"))
    pairs = padding_of(operation, axes, weight.shape[2:], stride, dilation)
    mode = operation.get("padding_mode", default="zeros")
    bias, groups = operation.vector("bias"), operation.get("groups", default=1)
    for size, (before, after), kernel, step in zip(operation.x.shape[-axes:], pairs, weight.shape[2:], dilation, strict=True):
        # Paddle does not look: it reads beyond the picture, and may die of it.
        if size + before + after < step * (kernel - 1) + 1:
            raise ValueError(
                f"a kernel of {kernel} with dilation {step} does not fit into {size} with padding {before} and {after}"
            )
    if operation.x.shape[-axes - 1] != weight.shape[1] * groups:
        raise ValueError(f"{operation.x.shape[-axes - 1]} channels do not fit a weight of {weight.shape} in {groups} groups")

    def compute(x: paddle.Tensor) -> paddle.Tensor:
        amounts = [before for before, _ in pairs]
        if mode != "zeros" or any(before != after for before, after in pairs):
            x, amounts = padded(x, spatially(pairs), mode), [0] * axes
        return _CONV[axes](x, weight, bias, stride=stride, padding=amounts, dilation=dilation, groups=groups)

    return batched(operation.x, axes, compute)


def transposed_convolution(operation: Operation, axes: int) -> paddle.Tensor:
    """The padding takes elements off the result of the whole convolution, `output_padding` leaves some of those behind."""
    weight = operation.weight("io*")
    stride, dilation = (operation.per_axis(name, axes, 1) for name in ("stride", "dilation"))
    pairs = padding_of(operation, axes, weight.shape[2:], stride, dilation)
    extra = operation.per_axis("output_padding", axes, 0)
    bias, groups = operation.vector("bias"), operation.get("groups", default=1)

    def compute(x: paddle.Tensor) -> paddle.Tensor:
        whole = _CONV_TRANSPOSE[axes](x, weight, None, stride=stride, dilation=dilation, groups=groups)
        kept = [(-before, more - after) for (before, after), more in zip(pairs, extra, strict=True)]
        result = padded(whole, spatially(kept))
        return result if bias is None else result + along(bias, axes + 2)

    return batched(operation.x, axes, compute)


def windows(operation: Operation, axes: int) -> tuple[list[int], list[int], list[int], Pairs, list[int]]:
    """Kernel, stride, dilation, padding and output size of a pool.

    A last window that would start in the padding behind is dropped (torch, aten/src/ATen/native/Pool.h,
    `pooling_output_shape_pad_lr`).
    """
    kernel = operation.per_axis("kernel_size", axes, operation.need("kernel_size"))
    stride = operation.per_axis("stride", axes, kernel)
    dilation = operation.per_axis("dilation", axes, 1)
    pairs = padding_of(operation, axes, kernel, stride, dilation)
    counts = []
    for place, size in enumerate(operation.x.shape[-axes:]):
        (before, after), step = pairs[place], stride[place]
        room = size + before + after - dilation[place] * (kernel[place] - 1) - 1
        count = (-(-room // step) if operation.get("ceil_mode", default=False) else room // step) + 1
        counts.append(count - ((count - 1) * step >= size + before and bool(operation.get("ceil_mode"))))
        if counts[-1] < 1:
            raise ValueError(f"a kernel of {kernel[place]} does not fit into {size} with padding {before} and {after}")
    return kernel, stride, dilation, pairs, counts


def fitted(
    x: paddle.Tensor, kernel: list[int], stride: list[int], dilation: list[int], pairs: Pairs, counts: list[int], value: float
) -> paddle.Tensor:
    """`x` filled up or cut so that exactly `counts` windows fit."""
    amounts = {}
    for place, (before, _) in enumerate(pairs):
        length = (counts[place] - 1) * stride[place] + dilation[place] * (kernel[place] - 1) + 1
        amounts[place + 2] = (before, length - before - x.shape[place + 2])
    return padded(x, amounts, value=value)


def max_pool(operation: Operation, axes: int) -> paddle.Tensor:
    """One axis after the other; Paddle's own pools know no dilation and pass over NaN."""
    kernel, stride, dilation, pairs, counts = windows(operation, axes)

    def compute(x: paddle.Tensor) -> paddle.Tensor:
        x = fitted(x, kernel, stride, dilation, pairs, counts, -math.inf)
        for place, (count, step) in enumerate(zip(counts, stride, strict=True)):
            starts = [dilation[place] * tap for tap in range(kernel[place])]
            taps = [paddle.strided_slice(x, [place + 2], [start], [start + (count - 1) * step + 1], [step]) for start in starts]
            x = functools.reduce(paddle.maximum, taps)
        return x

    return batched(operation.x, axes, compute)


def average_pool(operation: Operation, axes: int) -> paddle.Tensor:
    """The divisor of each window counts the padding in, but nothing beyond (torch, aten/src/ATen/native/cpu/AvgPoolKernel.cpp)."""
    kernel, stride, dilation, pairs, counts = windows(operation, axes)
    include = operation.get("count_include_pad", default=True)
    override = operation.get("divisor_override", "divisor")
    divisor = np.ones([1] * (axes + 2))
    for place, size in enumerate(operation.x.shape[-axes:]):
        before, after = pairs[place]
        start = np.arange(counts[place]) * stride[place] - before
        end = np.minimum(start + kernel[place], size + after)
        count = end - start if include else np.minimum(end, size) - np.maximum(start, 0)
        divisor = divisor * count.reshape([-1 if axis == place + 2 else 1 for axis in range(axes + 2)])
    if override:
        divisor = np.full_like(divisor, override)

    def compute(x: paddle.Tensor) -> paddle.Tensor:
        mean = _AVG_POOL[axes](
            fitted(x, kernel, stride, dilation, pairs, counts, 0.0), kernel, stride=stride, padding=0, exclusive=False
        )
        scale = product(kernel) / divisor
        return mean if (scale == 1).all() else mean * paddle.to_tensor(scale).astype(x.dtype)

    return batched(operation.x, axes, compute)


def adaptive_pool(operation: Operation, axes: int, pools: Mapping[int, Callable[..., paddle.Tensor]]) -> paddle.Tensor:
    wanted, own = operation.per_axis("output_size", axes, operation.need("output_size")), operation.x.shape[-axes:]
    size = [mine if count == -1 else count for count, mine in zip(wanted, own, strict=True)]
    return batched(operation.x, axes, lambda x: pools[axes](x, size[0] if axes == 1 else size))


def _of(compute: Callable[..., paddle.Tensor], *more: object) -> Callable[[Operation], paddle.Tensor]:
    return lambda operation: compute(operation, *more)


WINDOWED: Mapping[str, Callable[[Operation], paddle.Tensor]] = {
    "pad": pad,
    **{f"conv{n}d": _of(convolution, n) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _of(transposed_convolution, n) for n in (1, 2, 3)},
    **{f"max_pool{n}d": _of(max_pool, n) for n in (1, 2, 3)},
    **{f"avg_pool{n}d": _of(average_pool, n) for n in (1, 2, 3)},
    **{f"adaptive_avg_pool{n}d": _of(adaptive_pool, n, ADAPTIVE_AVG) for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d": _of(adaptive_pool, n, _ADAPTIVE_MAX) for n in (1, 2, 3)},
}
