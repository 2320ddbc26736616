"""Ops without weights as torch computes them: activations, arithmetic, reductions, and what only moves elements."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import paddle
from paddle.nn import functional as F

from aligndbg.frameworks.paddle_perform_operation import Operation, is_float, product

Compute = Callable[[Operation], paddle.Tensor]


def relu6(operation: Operation) -> paddle.Tensor:
    return paddle.clip(operation.x, operation.get("min", default=0.0), operation.get("max", default=6.0))


def hardsigmoid(operation: Operation) -> paddle.Tensor:
    """Paddle's own slope is 0.1666667."""
    slope, offset = operation.get("slope", default=1 / 6), operation.get("offset", default=0.5)
    return paddle.clip(operation.x * slope + offset, 0.0, 1.0)


def selu(operation: Operation) -> paddle.Tensor:
    """The constants are those that keep mean 0 and variance 1 (Klambauer et al. 2017)."""
    x, alpha = operation.x, operation.get("alpha", default=1.6732632423543772)
    return operation.get("scale", default=1.0507009873554805) * paddle.where(x > 0, x, alpha * paddle.expm1(x))


def threshold(operation: Operation) -> paddle.Tensor:
    x = operation.x
    return paddle.where(x > operation.need("threshold"), x, paddle.full_like(x, operation.need("value")))


def rrelu(operation: Operation) -> paddle.Tensor:
    """Outside training the slope is the middle of its range."""
    if operation.get("training", default=False):
        raise operation.refuse("draws random numbers while training")
    return F.leaky_relu(operation.x, (operation.get("lower", default=1 / 8) + operation.get("upper", default=1 / 3)) / 2)


def gelu(operation: Operation) -> paddle.Tensor:
    return F.gelu(operation.x, approximate=operation.get("approximate", default="none") in ("tanh", True))


def hardtanh(operation: Operation) -> paddle.Tensor:
    low, high = operation.get("min", "min_val", default=-1.0), operation.get("max", "max_val", default=1.0)
    return paddle.clip(operation.x, low, high)


def clamp(operation: Operation) -> paddle.Tensor:
    low, high = operation.get("min"), operation.get("max")
    if low is None and high is None:
        raise operation.refuse("cannot be performed: its attributes have neither 'min' nor 'max'")
    x = operation.x
    if is_float(x.dtype):
        # Paddle's own bounds, where none are given, are the largest finite numbers.
        low, high = -math.inf if low is None else low, math.inf if high is None else high
    return paddle.clip(x, low, high)


def leaky_relu(operation: Operation) -> paddle.Tensor:
    return F.leaky_relu(operation.x, operation.get("negative_slope", default=0.01))


def elu(operation: Operation) -> paddle.Tensor:
    x = operation.x
    return paddle.where(x > 0, x, operation.get("alpha", default=1.0) * paddle.expm1(x))


def celu(operation: Operation) -> paddle.Tensor:
    x, alpha = operation.x, operation.get("alpha", default=1.0)
    return paddle.where(x > 0, x, alpha * paddle.expm1(x / alpha))


def softplus(operation: Operation) -> paddle.Tensor:
    return F.softplus(operation.x, operation.get("beta", default=1.0), operation.get("threshold", default=20.0))


def hardshrink(operation: Operation) -> paddle.Tensor:
    return F.hardshrink(operation.x, operation.get("threshold", "lambd", default=0.5))


def softshrink(operation: Operation) -> paddle.Tensor:
    return F.softshrink(operation.x, operation.get("threshold", "lambd", default=0.5))


def glu(operation: Operation) -> paddle.Tensor:
    return F.glu(operation.x, operation.get("axis", default=-1))


def _function(function: Callable[[paddle.Tensor], paddle.Tensor]) -> Compute:
    return lambda operation: function(operation.x)


POINTWISE: Mapping[str, Compute] = {
    # Paddle's makes 0 of NaN.
    "relu": _function(lambda x: paddle.clip(x, 0.0, math.inf)),
    "relu6": relu6,
    "gelu": gelu,
    "silu": _function(lambda x: x * F.sigmoid(x)),
    "swish": _function(lambda x: x * F.sigmoid(x)),
    "hardswish": _function(lambda x: x * paddle.clip(x + 3.0, 0.0, 6.0) / 6.0),
    "hardsigmoid": hardsigmoid,
    "sigmoid": _function(F.sigmoid),
    "tanh": _function(paddle.tanh),
    "leaky_relu": leaky_relu,
    "elu": elu,
    "celu": celu,
    "selu": selu,
    "threshold": threshold,
    "rrelu": rrelu,
    "mish": _function(lambda x: x * paddle.tanh(F.softplus(x))),
    "softplus": softplus,
    "softsign": _function(F.softsign),
    "hardtanh": hardtanh,
    "log_sigmoid": _function(F.log_sigmoid),
    "glu": glu,
    "clamp": clamp,
    "tanhshrink": _function(lambda x: x - paddle.tanh(x)),
    "hardshrink": hardshrink,
    "softshrink": softshrink,
    **{
        name: _function(getattr(paddle, name))
        for name in "sqrt rsqrt exp expm1 log log2 log10 log1p abs sin cos square sign reciprocal floor ceil erf".split()
    },
    "negative": _function(lambda x: -x),
}


def softmax(operation: Operation) -> paddle.Tensor:
    return F.softmax(operation.x, _softmax_axis(operation))


def log_softmax(operation: Operation) -> paddle.Tensor:
    return F.log_softmax(operation.x, _softmax_axis(operation))


def _softmax_axis(operation: Operation) -> int:
    """None is the first axis or the second, by the number of axes (torch/nn/functional.py, `_get_softmax_dim`)."""
    axis = operation.says("axis")
    if axis is None:
        return 0 if len(operation.x.shape) in (0, 1, 3) else 1
    return int(axis)


def dropout(operation: Operation) -> paddle.Tensor:
    """Paddle's mode `downscale_in_infer` scales outside training (Paddle documentation, `paddle.nn.Dropout`)."""
    p = operation.get("p", default=0.5)
    if p and operation.get("training", default=False):
        raise operation.refuse("draws random numbers while training")
    return operation.x * (1.0 - p) if operation.get("mode") == "downscale_in_infer" else operation.x


def _operands(operation: Operation) -> tuple[paddle.Tensor, paddle.Tensor | float]:
    """Both operands of a binary op; the second may be a number, or the bias or weight of a `linear` that is spelled out."""
    tensors = operation.operands()
    if len(tensors) == 2:
        return tensors[0], tensors[1]
    if len(tensors) != 1:
        raise operation.refuse(f"takes two operands, not {len(tensors)}")
    for role, layout in (("weight", "io"), ("bias", "c")):
        if (found := operation.param(role, layout)) is not None:
            return tensors[0], found
    other = operation.need("other", "exponent")
    if isinstance(other, (str, list)):
        raise operation.refuse(f"has an operand {other!r}, which is not a number")
    return tensors[0], other


def _binary(function: Callable[..., paddle.Tensor]) -> Compute:
    return lambda operation: function(*_operands(operation))


def _scaled_sum(sign: float, other_is_first: bool = False) -> Compute:
    """first + sign * alpha * second, with torch's factor `alpha`; `other_is_first` swaps the two."""

    def compute(operation: Operation) -> paddle.Tensor:
        first, second = _operands(operation)
        if other_is_first:
            first, second = second, first
        factor = sign * operation.get("alpha", default=1)
        return first + second if factor == 1 else first - second if factor == -1 else first + factor * second

    return compute


def _extreme(function: Callable[..., paddle.Tensor]) -> Compute:
    """The larger (or smaller) of two operands, tensors or numbers."""

    def compute(operation: Operation) -> paddle.Tensor:
        first, second = _operands(operation)
        return function(first, second if paddle.is_tensor(second) else paddle.full([], second, first.dtype))

    return compute


def _rounded_towards(operation: Operation, quotient: paddle.Tensor) -> paddle.Tensor:
    mode = operation.get("rounding_mode")
    return quotient if mode is None else paddle.floor(quotient) if mode == "floor" else paddle.trunc(quotient)


def matmul(operation: Operation) -> paddle.Tensor:
    if operation.params.get("operand1", ("layout",))[0] == "":
        first, second = operation.inputs[0], operation.matrix("operand1", "io")
    else:
        first, second = _operands(operation)
    turned = {name: bool(operation.get(name, default=False)) for name in ("transpose_x", "transpose_y")}
    return paddle.matmul(first, second, **turned)


ARITHMETIC: Mapping[str, Compute] = {
    "add": _scaled_sum(1),
    "subtract": _scaled_sum(-1),
    "rsubtract": _scaled_sum(-1, other_is_first=True),
    "multiply": _binary(lambda a, b: a * b),
    "divide": lambda operation: _rounded_towards(operation, _binary(lambda a, b: a / b)(operation)),
    "rdivide": _binary(lambda a, b: b / a),
    "floor_divide": _binary(lambda a, b: paddle.floor(a / b)),
    "power": _binary(lambda a, b: a**b),
    "maximum": _extreme(paddle.maximum),
    "minimum": _extreme(paddle.minimum),
    "matmul": matmul,
}


def _reduction(function: Callable[..., paddle.Tensor], pairwise: Compute | None = None) -> Compute:
    """Over the axes that `axis` names, None being all; torch's `max` and `min` take a second tensor too."""

    def compute(operation: Operation) -> paddle.Tensor:
        if pairwise is not None and len(operation.operands()) == 2:
            return pairwise(operation)
        axis = operation.says("axis")
        return function(operation.x, axis=axis or (0 if axis == 0 else None), keepdim=bool(operation.get("keepdim", default=False)))

    return compute


def _spread(function: Callable[..., paddle.Tensor]) -> Compute:
    """Variance or standard deviation; `correction` is taken off the number of elements."""

    def compute(operation: Operation) -> paddle.Tensor:
        x, axis = operation.x, operation.says("axis")
        axes = list(range(len(x.shape))) if axis is None else [axis] if isinstance(axis, int) else list(axis)
        centred = x - x.mean(axes, keepdim=True)
        count = product([x.shape[each] for each in axes]) - operation.get("correction", default=1.0)
        return function((centred * centred).sum(axes, keepdim=bool(operation.get("keepdim", default=False))) / count)

    return compute


REDUCTIONS: Mapping[str, Compute] = {
    "mean": _reduction(paddle.mean),
    "sum": _reduction(paddle.sum),
    "prod": _reduction(paddle.prod),
    "max": _reduction(paddle.max, ARITHMETIC["maximum"]),
    "min": _reduction(paddle.min, ARITHMETIC["minimum"]),
    "amax": _reduction(paddle.amax),
    "amin": _reduction(paddle.amin),
    "logsumexp": _reduction(paddle.logsumexp),
    "var": _spread(lambda variance: variance),
    "std": _spread(paddle.sqrt),
}


def flatten(operation: Operation) -> paddle.Tensor:
    return paddle.flatten(operation.x, operation.get("start_axis", default=0), operation.get("stop_axis", default=-1))


def reshape(operation: Operation) -> paddle.Tensor:
    """To `shape`; with `axis`, only that axis is given the shape."""
    x, shape = operation.x, operation.need("shape")
    shape = [shape] if isinstance(shape, int) else list(shape)
    axis = operation.get("axis")
    if axis is not None:
        axis %= len(x.shape)
        length = x.shape[axis]
        shape = [length // -product(shape) if size == -1 else size for size in shape]
        shape = [*x.shape[:axis], *shape, *x.shape[axis + 1 :]]
    return x.reshape(shape)


def transpose(operation: Operation) -> paddle.Tensor:
    """By the order of all axes, or by the two that `swap` names."""
    swap = operation.get("swap")
    if swap is not None:
        return paddle.moveaxis(operation.x, list(swap), list(reversed(swap)))
    axes, count = operation.need("axis"), len(operation.x.shape)
    if not isinstance(axes, (list, tuple)) or sorted(axis % count for axis in axes) != list(range(count)):
        raise operation.refuse(f"needs the order of {count} axes, not {axes!r}")
    return operation.x.transpose([axis % count for axis in axes])


def squeeze(operation: Operation) -> paddle.Tensor:
    return paddle.squeeze(operation.x, operation.says("axis"))


def unsqueeze(operation: Operation) -> paddle.Tensor:
    return paddle.unsqueeze(operation.x, operation.need("axis"))


def expand(operation: Operation) -> paddle.Tensor:
    return paddle.expand(operation.x, operation.need("shape"))


def tile(operation: Operation) -> paddle.Tensor:
    return paddle.tile(operation.x, operation.need("repeat_times", "repeats"))


def cast(operation: Operation) -> paddle.Tensor:
    return operation.x.astype(operation.need("dtype"))


def roll(operation: Operation) -> paddle.Tensor:
    return paddle.roll(operation.x, operation.need("shifts"), operation.says("axis"))


def slice_(operation: Operation) -> paddle.Tensor:
    """By the axes, starts and ends of Paddle's `slice`, or the axis, start and length of torch's `narrow`."""
    axes = operation.need("axes", "axis")
    starts = operation.need("starts", "start")
    axes, starts = ([value] if isinstance(value, int) else list(value) for value in (axes, starts))
    ends = operation.get("ends", "end")
    if ends is None:
        ends = [starts[0] % operation.x.shape[axes[0]] + operation.need("length")]
    ends = [ends] if isinstance(ends, int) else list(ends)
    strides = operation.get("strides", default=[1] * len(axes))
    return paddle.strided_slice(operation.x, axes, starts, ends, strides)


def split(operation: Operation) -> list[paddle.Tensor]:
    """By `split_size`, elements a part or a list of them, or by `sections`, the number of parts or a list of sizes.

    The last part is the smaller one (torch documentation, `torch.chunk` and `torch.split`).
    """
    x, axis = operation.x, operation.get("axis", default=0)
    length = x.shape[axis]
    size = operation.get("split_size")
    if size is None:
        sections = operation.need("sections")
        size = math.ceil(length / sections) if isinstance(sections, int) else sections
    sizes = [min(size, length - start) for start in range(0, length, size)] if isinstance(size, int) else list(size)
    return list(paddle.split(x, sizes, axis))


def concat(operation: Operation) -> paddle.Tensor:
    return paddle.concat(operation.operands(), operation.get("axis", default=0))


def stack(operation: Operation) -> paddle.Tensor:
    return paddle.stack(operation.operands(), operation.get("axis", default=0))


OPS: Mapping[str, Callable[[Operation], paddle.Tensor | list[paddle.Tensor]]] = {
    **POINTWISE,
    **ARITHMETIC,
    **REDUCTIONS,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "dropout": dropout,
    "identity": _function(lambda x: x),
    "clone": _function(lambda x: x.clone()),
    "flatten": flatten,
    "reshape": reshape,
    "transpose": transpose,
    "squeeze": squeeze,
    "unsqueeze": unsqueeze,
    "expand": expand,
    "tile": tile,
    "cast": cast,
    "roll": roll,
    "flip": lambda operation: paddle.flip(operation.x, operation.need("axis")),
    "cumsum": lambda operation: paddle.cumsum(operation.x, operation.need("axis")),
    "slice": slice_,
    "split": split,
    "concat": concat,
    "stack": stack,
}
