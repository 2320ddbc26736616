"""Faults of one constructor argument: the layer is what it was but for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
from edits import Edits
from kinds import Kind, Mark, leaves, pick
from paddle import nn
from rebuild import Arguments, arguments, both, rebuilt

Choices = Callable[[Any, Arguments], list[Arguments]]
"""The wrong arguments that a layer can be given, from the layer and its right ones."""

_CONVS = (nn.Conv2D, nn.Conv2DTranspose)
_POOLS = (nn.MaxPool2D, nn.AvgPool2D)
_BATCH_NORMS = (nn.BatchNorm2D, nn.BatchNorm)
_NORMS = (*_BATCH_NORMS, nn.LayerNorm, nn.GroupNorm)


def _kernel_size(layer: Any, now: Arguments) -> list[Arguments]:
    size = both(now["kernel_size"])[0]
    return [{"kernel_size": other, "stride": now["stride"] or size} for other in (size - 1, size + 1) if other > 0]


def _stride(layer: Any, now: Arguments) -> list[Arguments]:
    stride = both(now["stride"] or now["kernel_size"])[0]
    return [{"stride": other} for other in ((2, 3) if stride == 1 else (1, stride + 1))]


def _padding(layer: Any, now: Arguments) -> list[Arguments]:
    if isinstance(now["padding"], str):
        return []
    padding, size = both(now["padding"])[0], both(now["kernel_size"])[0]
    return [{"padding": other} for other in (padding - 1, padding + 1) if 0 <= other <= size // 2 + isinstance(layer, _CONVS)]


def _padding_mode(layer: Any, now: Arguments) -> list[Arguments]:
    if not isinstance(now["padding"], int | list | tuple) or not any(both(now["padding"])):
        return []
    return [{"padding_mode": mode} for mode in ("zeros", "reflect", "replicate", "circular") if mode != now["padding_mode"]]


def _dilation(layer: Any, now: Arguments) -> list[Arguments]:
    dilation = both(now["dilation"])[0]
    return [{"dilation": other} for other in (1, 2, 3) if other != dilation] if both(now["kernel_size"])[0] > 1 else []


def _groups(layer: Any, now: Arguments) -> list[Arguments]:
    groups, channels = now["num_groups"], now["num_channels"]
    return [{"num_groups": other} for other in (groups // 2, groups * 2, 1) if 0 < other != groups and channels % other == 0]


def _output_size(layer: Any, now: Arguments) -> list[Arguments]:
    size = both(now["output_size"])[0]
    return [{"output_size": other} for other in (size - 1, size + 1, 2 * size) if other > 0]


def _epsilon(layer: Any, now: Arguments) -> list[Arguments]:
    return [{"epsilon": other} for other in (1e-1, 1e-2, 3e-2, 1e-12) if other != now["epsilon"]]


def _bias_extra(layer: Any, now: Arguments) -> list[Arguments]:
    spread = paddle.ParamAttr(initializer=nn.initializer.Uniform(-0.5, 0.5))
    return [{"bias_attr": attr} for attr in (None, spread, spread)] if now["bias_attr"] is False else []


def _normalized_shape(layer: Any, now: Arguments) -> list[Arguments]:
    shape = list(now["normalized_shape"])
    return [{"normalized_shape": shape[cut:]} for cut in range(1, len(shape))] if now["weight_attr"] is False else []


def _other(name: str, *values: Any) -> Choices:
    return lambda layer, now: [{name: value} for value in values if value != now[name]]


def _upsampling(name: str, *values: Any) -> Choices:
    def choices(layer: Any, now: Arguments) -> list[Arguments]:
        smooth = {"align_corners": False} if name == "mode" else {}
        return [{name: value, **(smooth if value == "nearest" else {})} for value in values if value != now[name]]

    return choices


_TABLE: tuple[tuple[str, tuple[type, ...], Choices, bool], ...] = (
    ("kernel-size", _POOLS, _kernel_size, False),
    ("stride", (*_CONVS, *_POOLS), _stride, False),
    ("padding", (*_CONVS, *_POOLS), _padding, False),
    ("padding-mode", (nn.Conv2D,), _padding_mode, False),
    ("dilation", (nn.Conv2D,), _dilation, False),
    ("groups", (nn.GroupNorm,), _groups, False),
    ("ceil-mode", _POOLS, lambda layer, now: [{"ceil_mode": not now["ceil_mode"]}], False),
    ("count-include-pad", (nn.AvgPool2D,), lambda layer, now: [{"exclusive": not now["exclusive"]}], False),
    ("output-size", (nn.AdaptiveAvgPool2D,), _output_size, False),
    ("epsilon", _NORMS, _epsilon, True),
    ("momentum", _BATCH_NORMS, _other("momentum", 0.1, 0.99, 0.997), True),
    ("affine", (nn.BatchNorm2D, nn.LayerNorm, nn.GroupNorm), _other("weight_attr", False), False),
    ("running-stats", (nn.BatchNorm2D,), _other("use_global_stats", False), False),
    ("running-stats", (nn.BatchNorm,), lambda layer, now: [{"trainable_statistics": True}], False),
    ("bias-missing", (*_CONVS, nn.Linear), _other("bias_attr", False), False),
    ("bias-extra", (*_CONVS, nn.Linear), _bias_extra, True),
    ("activation-param", (nn.LeakyReLU,), _other("negative_slope", 0.01, 0.2, 0.3), False),
    ("activation-param", (nn.GELU,), lambda layer, now: [{"approximate": not now["approximate"]}], False),
    ("dropout-mode", (nn.Dropout,), _other("mode", "downscale_in_infer"), False),
    ("dropout-p", (nn.Dropout,), _other("p", 0.1, 0.25, 0.6), True),
    ("align-corners", (nn.Upsample,), lambda layer, now: [{"align_corners": not now["align_corners"]}], False),
    ("interpolation", (nn.Upsample,), _upsampling("mode", "nearest", "bicubic"), False),
    ("axis", (nn.Softmax,), _other("axis", -1, -2, 1, 2, 0), False),
    ("normalized-shape", (nn.LayerNorm,), _normalized_shape, False),
)


def _kind(id_: str, classes: tuple[type, ...], choices: Choices, hidden: bool) -> Kind:
    def applicable(model: nn.Layer) -> list[str]:
        return [path for path, layer in leaves(model) if type(layer) in classes and choices(layer, arguments(layer))]

    def plant(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
        layer = edits.at(place)
        now = arguments(layer)
        changes = pick(rng, choices(layer, now))
        if id_ == "affine" and "bias_attr" in now:
            changes = {**changes, "bias_attr": False}
        edits.swap(place, rebuilt(layer, **changes))
        said = ", ".join(f"{name}={_said(value)} for {_said(now.get(name))}" for name, value in changes.items())
        return Mark((place,), place, f"{type(layer).__name__}: {said}")

    return Kind(id_, applicable, plant, hidden)


def _said(value: Any) -> str:
    return "ParamAttr(...)" if isinstance(value, paddle.ParamAttr) else repr(value)


def _other_pool(edits: Edits, place: str, rng: np.random.Generator) -> Mark:
    layer = edits.at(place)
    now = arguments(layer)
    now.pop("exclusive", None)
    after = {nn.MaxPool2D: nn.AvgPool2D, nn.AvgPool2D: nn.MaxPool2D, nn.AdaptiveAvgPool2D: nn.AdaptiveMaxPool2D}[type(layer)]
    edits.swap(place, after(**now))
    return Mark((place,), place, f"{after.__name__} for {type(layer).__name__}")


def _pools(model: nn.Layer) -> list[str]:
    return [path for path, layer in leaves(model) if type(layer) in (*_POOLS, nn.AdaptiveAvgPool2D)]


ATTRIBUTE_KINDS = (*(_kind(*row) for row in _TABLE), Kind("pool-kind", _pools, _other_pool))
