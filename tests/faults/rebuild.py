"""A layer of paddle.nn built anew with another constructor argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from paddle import nn

Arguments = dict[str, Any]


def _attr(parameter: Any) -> bool | None:
    return None if parameter is not None else False


def _conv(layer: Any) -> Arguments:
    return {
        "in_channels": layer._in_channels,
        "out_channels": layer._out_channels,
        "kernel_size": layer._kernel_size,
        "stride": layer._stride,
        "padding": layer._padding,
        "dilation": layer._dilation,
        "groups": layer._groups,
        "bias_attr": _attr(layer.bias),
    }


def _affine(layer: Any) -> Arguments:
    return {"weight_attr": _attr(layer.weight), "bias_attr": _attr(layer.bias)}


_READ: Mapping[type, Callable[[Any], Arguments]] = {
    nn.Conv2D: lambda layer: {**_conv(layer), "padding_mode": layer._padding_mode},
    nn.Conv2DTranspose: _conv,
    nn.Linear: lambda layer: {
        "in_features": layer.weight.shape[0],
        "out_features": layer.weight.shape[1],
        "bias_attr": _attr(layer.bias),
    },
    nn.MaxPool2D: lambda layer: {
        "kernel_size": layer.ksize,
        "stride": layer.stride,
        "padding": layer.padding,
        "ceil_mode": layer.ceil_mode,
    },
    nn.AvgPool2D: lambda layer: {
        "kernel_size": layer.ksize,
        "stride": layer.stride,
        "padding": layer.padding,
        "ceil_mode": layer.ceil_mode,
        "exclusive": layer.exclusive,
    },
    nn.AdaptiveAvgPool2D: lambda layer: {"output_size": layer._output_size},
    nn.BatchNorm2D: lambda layer: {
        "num_features": layer._num_features,
        "momentum": layer._momentum,
        "epsilon": layer._epsilon,
        "use_global_stats": layer._use_global_stats,
        **_affine(layer),
    },
    nn.BatchNorm: lambda layer: {
        "num_channels": layer._mean.shape[0],
        "act": layer._act,
        "momentum": layer._momentum,
        "epsilon": layer._epsilon,
    },
    nn.LayerNorm: lambda layer: {"normalized_shape": layer._normalized_shape, "epsilon": layer._epsilon, **_affine(layer)},
    nn.GroupNorm: lambda layer: {
        "num_groups": layer._num_groups,
        "num_channels": layer._num_channels,
        "epsilon": layer._epsilon,
        **_affine(layer),
    },
    nn.LocalResponseNorm: lambda layer: {"size": layer.size, "alpha": layer.alpha, "beta": layer.beta, "k": layer.k},
    nn.Dropout: lambda layer: {"p": layer.p, "mode": layer.mode},
    nn.LeakyReLU: lambda layer: {"negative_slope": layer._negative_slope},
    nn.GELU: lambda layer: {"approximate": layer._approximate},
    nn.PReLU: lambda layer: {"num_parameters": layer._num_parameters},
    nn.Softmax: lambda layer: {"axis": layer._axis},
    nn.Flatten: lambda layer: {"start_axis": layer.start_axis, "stop_axis": layer.stop_axis},
    nn.Upsample: lambda layer: {
        "size": layer.size,
        "scale_factor": layer.scale_factor,
        "mode": layer.mode,
        "align_corners": layer.align_corners,
    },
}


def arguments(layer: nn.Layer) -> Arguments:
    """The constructor arguments of `layer`; none where its class is not known here, or is a subclass."""
    read = _READ.get(type(layer))
    return read(layer) if read else {}


def rebuilt(layer: nn.Layer, **changes: Any) -> nn.Layer:
    """A layer of the same class with other arguments; the parameters that both have keep their values."""
    made = type(layer)(**{**arguments(layer), **changes})
    for name, parameter in layer._parameters.items():
        fresh = made._parameters.get(name)
        if parameter is not None and fresh is not None and tuple(fresh.shape) == tuple(parameter.shape):
            fresh.set_value(parameter)
    return made


def both(value: Any) -> tuple[int, int]:
    """A size, stride or padding of two axes, however it was given."""
    if isinstance(value, int):
        return value, value
    items = [item for item in value if isinstance(item, int)]
    return (items[0], items[-1]) if items else (0, 0)
