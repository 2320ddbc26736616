"""What every layer of a healthy model gets and gives, so that a fault's effect can be measured on its own layer."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle import nn
from rebuild import both

_BATCH_NORMS = (nn.BatchNorm, nn.BatchNorm1D, nn.BatchNorm2D, nn.BatchNorm3D)


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a layer: its inputs, its output, and the numbers of the first and last leaf that ran inside it."""

    inputs: tuple[Any, ...]
    output: np.ndarray[Any, Any] | None
    first: int
    last: int


class Ground:
    """One forward of a healthy model with random weights, which it leaves in the model."""

    def __init__(self, model: nn.Layer, shape: tuple[int, ...], seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.paths = {id(layer): path for path, layer in model.named_sublayers(include_self=True)}
        self.seen: dict[str, list[Execution]] = {}
        self.input = paddle.to_tensor(rng.standard_normal(shape).astype("float32"))
        model.eval()
        fill(model, rng)
        self._watch(model, rng)

    def effect(self, layer: nn.Layer, path: str) -> float:
        """Largest change of the output of `layer` on the inputs that `path` has, in parts of the output's largest value.

        Infinite where the shape or the type of the output is another; NaN where it is not finite.
        """
        found = 0.0
        for execution in self.seen.get(path, []):
            healthy = execution.output
            if healthy is None:
                continue
            with paddle.no_grad(), guarded(layer):
                result = layer(*(value.clone() if paddle.is_tensor(value) else value for value in execution.inputs))
            faulty = result.numpy()
            if faulty.shape != healthy.shape or faulty.dtype != healthy.dtype:
                return math.inf
            found = max(found, float(np.abs(faulty - healthy).max()) / (float(np.abs(healthy).max()) or 1.0))
            if math.isnan(float(faulty.sum())):
                return math.nan
        return found

    def places(self, path: str) -> set[int]:
        """The numbers of all leaves that run inside `path`, in order of execution."""
        return {number for run in self.seen.get(path, []) for number in range(run.first, run.last + 1)}

    def runs(self, model: nn.Layer) -> bool:
        """Whether the model still computes something finite from its input."""
        try:
            with paddle.no_grad(), guarded(model):
                output = model(self.input.clone())
        except (ValueError, RuntimeError, IndexError, TypeError, AssertionError):
            return False
        return bool(paddle.isfinite(output).all())

    def _watch(self, model: nn.Layer, rng: np.random.Generator) -> None:
        handles, count, open_at = [], 0, []

        def before(layer: nn.Layer, inputs: tuple[Any, ...]) -> None:
            nonlocal count
            if isinstance(layer, _BATCH_NORMS):
                settle(layer, inputs[0], rng)
            open_at.append((count, tuple(value.clone() if paddle.is_tensor(value) else value for value in inputs)))
            if not layer._sub_layers:
                count += 1

        def after(layer: nn.Layer, inputs: tuple[Any, ...], output: Any) -> None:
            first, given = open_at.pop()
            value = np.array(output.numpy()) if paddle.is_tensor(output) else None
            self.seen.setdefault(self.paths[id(layer)], []).append(Execution(given, value, first, max(first, count - 1)))

        for layer in model.sublayers(include_self=True):
            handles += [layer.register_forward_pre_hook(before), layer.register_forward_post_hook(after)]
        with paddle.no_grad():
            model(self.input.clone())
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def guarded(model: nn.Layer) -> Iterator[None]:
    """Raises ValueError before a convolution or a pooling gets less than it can take: Paddle has crashed on that."""

    def before(layer: Any, inputs: tuple[Any, ...]) -> None:
        sizes, window = inputs[0].shape[2:], both(getattr(layer, "_kernel_size", None) or layer.ksize)
        padding, dilation = layer._padding if isinstance(layer, nn.Conv2D) else layer.padding, getattr(layer, "_dilation", 1)
        for size, kernel, pad, spread in zip(sizes, window, both(padding), both(dilation), strict=True):
            if size + 2 * pad < spread * (kernel - 1) + 1:
                raise ValueError(f"{size} pixels with a padding of {pad} are too few for a window of {kernel}")
            if getattr(layer, "_padding_mode", "zeros") in ("reflect", "circular") and pad >= size:
                raise ValueError(f"{size} pixels are too few for a padding of {pad}")

    layers = [layer for layer in model.sublayers(include_self=True) if isinstance(layer, nn.Conv2D | nn.MaxPool2D | nn.AvgPool2D)]
    handles = [layer.register_forward_pre_hook(before) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def fill(model: nn.Layer, rng: np.random.Generator) -> None:
    """Weights that keep a signal's size (He et al. 2015, eq. 10); biases and statistics around their neutral values."""
    for layer in model.sublayers(include_self=True):
        for name, parameter in layer._parameters.items():
            if parameter is None:
                continue
            shape = tuple(parameter.shape)
            if len(shape) >= 2:
                fan = shape[0] if isinstance(layer, nn.Linear) else math.prod(shape[1:])
                value = rng.standard_normal(shape) * math.sqrt(2.0 / fan)
            elif name == "_variance":
                value = rng.uniform(0.5, 1.5, shape)
            else:
                value = rng.standard_normal(shape) * 0.1 + (1.0 if name.endswith("weight") else 0.0)
            parameter.set_value(value.astype("float32"))


def settle(norm: nn.Layer, x: paddle.Tensor, rng: np.random.Generator) -> None:
    """Running statistics that suit the input of a BatchNorm, though not exactly, as those of training do."""
    square = np.square(x.numpy(), dtype=np.float64)
    expected = (square.mean(axis=tuple(axis for axis in range(square.ndim) if axis != 1)) + square.mean()) / 2
    norm._mean.set_value((0.1 * np.sqrt(expected) * rng.standard_normal(expected.shape)).astype("float32"))
    norm._variance.set_value((expected * rng.uniform(0.5, 1.5, expected.shape)).astype("float32"))
