"""Faults of whole layers: another one, none, one too many, or one with something before or after it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import paddle
from edits import WAYS, Edits, Forward
from kinds import Kind, Mark, leaves, of_class, pick
from paddle import nn
from paddle.nn import functional as F
from rebuild import rebuilt

Op = Callable[[paddle.Tensor], paddle.Tensor]

_ACTIVATIONS: Mapping[type, tuple[type, ...]] = {
    nn.ReLU: (nn.ReLU6, nn.GELU, nn.LeakyReLU, nn.Silu, nn.Hardswish, nn.ELU, nn.Sigmoid),
    nn.ReLU6: (nn.ReLU, nn.Hardswish, nn.Silu, nn.GELU),
    nn.Hardswish: (nn.Silu, nn.ReLU, nn.ReLU6, nn.Mish),
    nn.Hardsigmoid: (nn.Sigmoid, nn.Tanh),
    nn.Sigmoid: (nn.Hardsigmoid, nn.Tanh),
    nn.GELU: (nn.ReLU, nn.Silu, nn.Hardswish),
    nn.LeakyReLU: (nn.ReLU, nn.ELU),
    nn.Softmax: (nn.Sigmoid, nn.LogSoftmax),
}
_ACTIVATION_CLASSES = tuple(_ACTIVATIONS)


def _other_activation(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
    before = type(edits.at(place))
    after = pick(rng, list(_ACTIVATIONS[before]))
    edits.swap(place, after())
    return Mark((place,), place, f"{after.__name__} for {before.__name__}")


def _fused(model: nn.Layer) -> list[str]:
    return [path for path, layer in leaves(model) if type(layer) is nn.BatchNorm and layer._act]


def _fused_activation(act: str | None) -> Callable[[Edits, str, np.random.Generator], Mark]:
    def plant(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
        named = act and pick(rng, ["sigmoid", "tanh", "leaky_relu", "gelu"])
        edits.swap(place, rebuilt(edits.at(place), act=named))
        return Mark((place,), place, f"BatchNorm: act={named!r} for 'relu'")

    return plant


def _no_activation(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
    before = type(edits.at(place)).__name__
    if rng.integers(2):
        edits.swap(place, nn.Identity())
    else:
        edits.forward(place, lambda self, x: x, "instance")
    return Mark((place,), place, f"no {before}", "missing")


def _steep_sigmoid(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
    edits.forward(place, lambda self, x: F.hardsigmoid(x, slope=0.2, offset=0.5), "subclass")
    return Mark((place,), place, "hardsigmoid with slope 0.2 for 1/6")


def _always_dropping(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
    edits.forward(place, lambda self, x: F.dropout(x, p=self.p), pick(rng, list(WAYS)))
    return Mark((place,), place, "dropout is active in eval")


def _skipped(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
    name = type(edits.at(place)).__name__
    if rng.integers(2):
        edits.swap(place, nn.Identity())
        return Mark((place,), place, f"nn.Identity for {name}", "missing")
    edits.forward(place, lambda self, x: x, "instance")
    return Mark((place,), place, f"{name} does not run", "missing")


def _steps(model: nn.Layer) -> list[str]:
    """Blocks of a Sequential: one repetition too few of a stage."""
    found = []
    for path, layer in model.named_sublayers():
        if type(layer) is nn.Sequential:
            found += [f"{path}.{name}" for name, child in layer._sub_layers.items() if child._sub_layers and len(layer) > 2]
    return found


_ACTIVATION_OPS: Mapping[str, Op] = {"relu": F.relu, "relu6": F.relu6, "hardswish": F.hardswish, "gelu": F.gelu}
_EXTRA_OPS: Mapping[str, Op] = {
    "3x3 average pooling": lambda x: F.avg_pool2d(x, 3, 1, 1),
    "3x3 max pooling": lambda x: F.max_pool2d(x, 3, 1, 1),
    "layer norm over the last axis": lambda x: F.layer_norm(x, x.shape[-1:]),
    "L2 normalisation": lambda x: F.normalize(x, axis=1),
    "softmax": lambda x: F.softmax(x, axis=-1),
    "flip": lambda x: paddle.flip(x, [x.ndim - 1]),
    "clip": lambda x: paddle.clip(x, -1.0, 1.0),
    "absolute value": paddle.abs,
}
_DTYPE_OPS: Mapping[str, Op] = {
    "bfloat16": lambda x: x.astype("bfloat16").astype("float32"),
    "float16": lambda x: x.astype("float16").astype("float32"),
    "int32": lambda x: x.astype("int32").astype("float32"),
    "int8": lambda x: (x * 16.0).astype("int8").astype("float32") / 16.0,
}
_SCALES: Mapping[str, Op] = {
    "times 0.5": lambda x: x * 0.5,
    "times 2": lambda x: x * 2.0,
    "divided by 1.1": lambda x: x / 1.1,
    "divided by 255": lambda x: x / 255.0,
}


def _then(edits: Edits, place: str, op: Op, rng: np.random.Generator) -> None:
    """The layer's output goes through `op`: its class does that, its object, or a hook."""
    forward: Forward = type(edits.at(place)).forward
    way = pick(rng, [*WAYS, "hook"])
    if way == "hook":
        edits.hook_after(place, lambda layer, inputs, output: op(output))
    else:
        edits.forward(place, lambda self, *inputs: op(forward(self, *inputs)), way)


def _first(edits: Edits, place: str, op: Op, rng: np.random.Generator) -> None:
    forward: Forward = type(edits.at(place)).forward
    way = pick(rng, [*WAYS, "hook"])
    if way == "hook":
        edits.hook_before(place, lambda layer, inputs: (op(inputs[0]), *inputs[1:]))
    else:
        edits.forward(place, lambda self, x, *rest: forward(self, op(x), *rest), way)


def _after(ops: Mapping[str, Op], *also: str) -> Callable[[Edits, str, np.random.Generator], Mark]:
    def plant(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
        name = pick(rng, list(ops))
        _then(edits, place, ops[name], rng)
        return Mark((place,), place, f"{name} after it", "after", also=also)

    return plant


def _narrow(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
    name = pick(rng, list(_DTYPE_OPS))
    inside = bool(rng.integers(2))
    (_first if inside else _then)(edits, place, _DTYPE_OPS[name], rng)
    return Mark((place,), place, f"its {'input' if inside else 'output'} passes through {name}", also=("extra-layer",))


def _normalised_apart(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
    """LayerNorm over tokens and channels together, as `nn.LayerNorm(x.shape[1:])` would."""
    edits.forward(
        place,
        lambda self, x: F.layer_norm(x, x.shape[1:], epsilon=self._epsilon) * self.weight + self.bias,
        pick(rng, list(WAYS)),
    )
    return Mark((place,), place, "the statistics are those of all tokens")


def _units(model: nn.Layer) -> list[str]:
    """Convolution, normalisation and activation in a row of their own."""
    kinds: Sequence[tuple[type, ...]] = ((nn.Conv2D,), (nn.BatchNorm2D,), _ACTIVATION_CLASSES)
    return [
        path
        for path, layer in model.named_sublayers()
        if isinstance(layer, nn.Sequential)
        and len(layer) == 3
        and all(type(child) in classes for child, classes in zip(layer, kinds, strict=True))
    ]


def _activation_first(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
    edits.forward(place, lambda self, x: self[1](self[2](self[0](x))), pick(rng, list(WAYS)))
    return Mark((f"{place}.1", f"{place}.2"), place, "the activation runs before the normalisation")


def _rows(model: nn.Layer) -> list[str]:
    """BatchNorm and activation side by side in a longer Sequential, by the path of the first."""
    found = []
    for path, layer in model.named_sublayers():
        if type(layer) is nn.Sequential:
            names = list(layer._sub_layers)
            found += [
                f"{path}.{one}"
                for one, two in itertools.pairwise(names)
                if type(layer._sub_layers[one]) is nn.BatchNorm2D and type(layer._sub_layers[two]) in _ACTIVATION_CLASSES
            ]
    return found


def _exchanged_in_row(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
    parent, _, first = place.rpartition(".")
    names = list(edits.at(parent)._sub_layers)
    at = names.index(first)
    order = [*names[:at], names[at + 1], first, *names[at + 2 :]]

    def forward(self: Any, x: paddle.Tensor) -> paddle.Tensor:
        for name in order:
            x = self._sub_layers[name](x)
        return x

    edits.forward(parent, forward, "instance")
    return Mark((place, f"{parent}.{names[at + 1]}"), parent, "the activation runs before the normalisation")


_COMPUTING = of_class(nn.Conv2D, nn.Linear, nn.BatchNorm2D, nn.LayerNorm, nn.GroupNorm, nn.Conv2DTranspose)
_ANY = of_class(nn.Conv2D, nn.Linear, nn.BatchNorm2D, nn.BatchNorm, nn.LayerNorm, nn.MaxPool2D, nn.AvgPool2D, nn.ReLU)
_OMITTED = of_class(
    nn.Conv2D, nn.Linear, nn.BatchNorm2D, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm, nn.Dropout, nn.MaxPool2D, nn.AvgPool2D
)

LAYER_KINDS = (
    Kind("activation", of_class(*_ACTIVATION_CLASSES), _other_activation),
    Kind("activation", _fused, _fused_activation("other")),
    Kind("activation-missing", of_class(*_ACTIVATION_CLASSES), _no_activation),
    Kind("activation-missing", _fused, _fused_activation(None)),
    Kind("activation-extra", _COMPUTING, _after(_ACTIVATION_OPS)),
    Kind("activation-param", of_class(nn.Hardsigmoid), _steep_sigmoid),
    Kind("dropout-active", of_class(nn.Dropout), _always_dropping),
    Kind("missing-layer", _OMITTED, _skipped, hidden=True),
    Kind("missing-layer", _steps, _skipped),
    Kind("extra-layer", _ANY, _after(_EXTRA_OPS)),
    Kind("scale", _ANY, _after(_SCALES, "extra-layer")),
    Kind("dtype", _ANY, _narrow),
    Kind("normalized-shape", of_class(nn.LayerNorm), _normalised_apart),
    Kind("op-order", _units, _activation_first),
    Kind("op-order", _rows, _exchanged_in_row),
)
