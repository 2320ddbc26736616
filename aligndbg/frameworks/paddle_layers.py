"""The layer classes of paddle.nn. Source: paddlepaddle 3.3, `paddle/nn/layer/*.py`, constructors and `extra_repr`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aligndbg.frameworks.catalogue import LayerClass, Read
from aligndbg.frameworks.ops import flat, global_stats, sizes

CONTAINERS = frozenset({"Sequential", "LayerList", "LayerDict", "ParameterList", "ParameterDict", "Layer"})
COMPOSITES = frozenset({"MultiHeadAttention", "LSTM", "GRU", "SimpleRNN"})
"""Classes with children that are one call all the same."""

_AFFINE = {"weight": ("weight", "c"), "bias": ("bias", "c")}
_NORM_STATE = _AFFINE | {"_mean": ("mean", "c"), "_variance": ("variance", "c")}


def _torch_momentum(layer: Any) -> float:
    # paddle keeps the share of the old value, torch that of the new one.
    return round(1.0 - float(layer._momentum), 12)


def _has_bias(layer: Any) -> bool:
    return layer.bias is not None


def _dilation(layer: Any) -> Any:
    # With padding "SAME" Paddle convolves without dilation, whatever the layer says (phi, UpdatePaddingAndDilation).
    same = isinstance(layer._padding, str) and layer._padding.upper() == "SAME"
    return 1 if same else layer._dilation


def _batch_stats(layer: Any) -> bool:
    return not global_stats(layer._use_global_stats, layer.training)


def _legacy_batch_stats(layer: Any) -> bool:
    # paddle.nn.BatchNorm: `use_global_stats` is False by default and means what None does elsewhere.
    return not layer._use_global_stats and (layer.training or layer._trainable_statistics)


def _conv(kind: str, weight: str) -> LayerClass:
    attributes: dict[str, Read] = {
        "in_channels": "_in_channels",
        "out_channels": "_out_channels",
        "kernel_size": "_kernel_size",
        "stride": "_stride",
        "padding": lambda layer: flat(layer._padding),
        "padding_mode": "_padding_mode",
        "dilation": _dilation,
        "groups": "_groups",
        "bias": _has_bias,
        "data_format": "_data_format",
    }
    if "transpose" in kind:
        attributes["output_padding"] = "output_padding"
    return LayerClass(kind, attributes, {"weight": ("weight", weight), "bias": ("bias", "c")})


def _batch_norm() -> LayerClass:
    return LayerClass(
        "batch_norm",
        {
            "num_features": lambda layer: int(layer._mean.shape[0]),
            "epsilon": "_epsilon",
            "momentum": _torch_momentum,
            "affine": lambda layer: layer.weight is not None and layer._weight_attr is not False,
            "bias": lambda layer: layer.bias is not None and layer._bias_attr is not False,
            "batch_stats": _batch_stats,
            "data_format": "_data_format",
            "track_running_stats": lambda layer: not (getattr(layer, "_use_global_stats", None) is False and layer.training),
        },
        _NORM_STATE,
    )


def _legacy_batch_norm() -> LayerClass:
    plain = _batch_norm()
    own: dict[str, Read] = {
        "affine": lambda layer: layer._param_attr is not False,
        "batch_stats": _legacy_batch_stats,
        "data_format": "_data_layout",
        "activation": "_act",
    }
    return LayerClass(plain.kind, {**plain.attributes, **own}, plain.params)


def _max_pool(kind: str) -> LayerClass:
    return LayerClass(
        kind,
        {
            "kernel_size": "kernel_size" if kind.endswith("1d") else "ksize",
            "stride": "stride",
            "padding": lambda layer: flat(layer.padding),
            "dilation": lambda _: 1,
            "ceil_mode": "ceil_mode",
            "data_format": "data_format",
        },
    )


def _avg_pool(kind: str) -> LayerClass:
    return LayerClass(
        kind,
        {
            "kernel_size": "kernel_size" if kind.endswith("1d") else "ksize",
            "stride": "stride",
            "padding": lambda layer: flat(layer.padding),
            "ceil_mode": "ceil_mode",
            "count_include_pad": lambda layer: not layer.exclusive,
            "divisor_override": lambda layer: getattr(layer, "divisor", None),
            "data_format": "data_format",
        },
    )


def _dropout() -> LayerClass:
    return LayerClass(
        "dropout", {"p": "p", "mode": lambda layer: getattr(layer, "mode", "upscale_in_train"), "training": "training"}
    )


def _pad() -> LayerClass:
    return LayerClass("pad", {"pad": _pads, "mode": "_mode", "value": "value"})


def _pads(layer: Any) -> list[int]:
    # In the order of torch's `pad`, which begins with the last axis: with the channels, where they are that.
    pads = [int(pad) for pad in layer.padding]
    return [0, 0, *pads] if layer._data_format.endswith("C") else pads


def _norm(kind: str, shape: Mapping[str, Read]) -> LayerClass:
    affine: dict[str, Read] = {"affine": lambda layer: layer.weight is not None, "bias": _has_bias}
    return LayerClass(kind, {**shape, "epsilon": "_epsilon", **affine, "data_format": "_data_format"}, _AFFINE)


def _adaptive(kind: str) -> LayerClass:
    name = "output_size" if kind.endswith("1d") else "_output_size"
    return LayerClass(kind, {"output_size": lambda layer: sizes(getattr(layer, name)), "data_format": "_data_format"})


def _interpolation(mode: str) -> LayerClass:
    corners = mode == "bilinear"
    return LayerClass(
        "interpolate",
        {
            "size": "size",
            "scale_factor": "scale_factor",
            "mode": lambda _: mode,
            "align_corners": lambda _: corners,
            "data_format": "data_format",
        },
    )


def _recurrent(kind: str) -> LayerClass:
    return LayerClass(
        kind,
        {
            "input_size": "input_size",
            "hidden_size": "hidden_size",
            "num_layers": "num_layers",
            "bidirectional": lambda layer: layer.num_directions == 2,
        },
        {
            f"{what}_{part}_l{level}{direction}": (f"{what}_{part}_l{level}{direction}", "gi" if what == "weight" else "c")
            for what in ("weight", "bias")
            for part in ("ih", "hh")
            for level in range(8)
            for direction in ("", "_reverse")
        },
    )


def _linear(weight: str) -> LayerClass:
    input_axis = weight.index("i")
    return LayerClass(
        "linear",
        {
            "in_features": lambda layer: int(layer.weight.shape[input_axis]),
            "out_features": lambda layer: int(layer.weight.shape[1 - input_axis]),
            "bias": _has_bias,
        },
        {"weight": ("weight", weight), "bias": ("bias", "c")},
    )


def _approximate(layer: Any) -> str:
    value = layer._approximate
    return value if isinstance(value, str) else "tanh" if value else "none"


PADDLE_LAYERS: Mapping[str, LayerClass] = {
    **{f"Conv{n}D": _conv(f"conv{n}d", "oi*") for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": _conv(f"conv_transpose{n}d", "io*") for n in (1, 2, 3)},
    **{f"BatchNorm{n}D": _batch_norm() for n in (1, 2, 3)},
    "SyncBatchNorm": _batch_norm(),
    "BatchNorm": _legacy_batch_norm(),
    **{
        f"InstanceNorm{n}D": LayerClass(
            "instance_norm",
            {
                "num_features": "_num_features",
                "epsilon": "_epsilon",
                "affine": lambda layer: layer.scale is not None,
                "bias": _has_bias,
                "data_format": "_data_format",
            },
            {"scale": ("weight", "c"), "bias": ("bias", "c")},
        )
        for n in (1, 2, 3)
    },
    **{f"MaxPool{n}D": _max_pool(f"max_pool{n}d") for n in (1, 2, 3)},
    **{f"AvgPool{n}D": _avg_pool(f"avg_pool{n}d") for n in (1, 2, 3)},
    **{f"AdaptiveAvgPool{n}D": _adaptive(f"adaptive_avg_pool{n}d") for n in (1, 2, 3)},
    **{f"AdaptiveMaxPool{n}D": _adaptive(f"adaptive_max_pool{n}d") for n in (1, 2, 3)},
    **{name: _dropout() for name in ("Dropout", "Dropout2D", "Dropout3D", "AlphaDropout", "FeatureAlphaDropout")},
    **{
        f"{name}{n}D": _pad()
        for name in ("Pad", "ZeroPad", "ConstantPad", "ReflectionPad", "ReplicationPad", "CircularPad")
        for n in (1, 2, 3)
    },
    "Linear": _linear("io"),
    "Bilinear": LayerClass("bilinear", {}, {"weight": ("weight", "oij"), "bias": ("bias", "?c")}),
    "Embedding": LayerClass(
        "embedding",
        {"num_embeddings": "_num_embeddings", "embedding_dim": "_embedding_dim", "padding_idx": "_padding_idx"},
        {"weight": ("weight", "ve")},
    ),
    "LayerNorm": _norm("layer_norm", {"normalized_shape": "_normalized_shape"}),
    "GroupNorm": _norm("group_norm", {"groups": "_num_groups", "num_channels": "_num_channels"}),
    "LocalResponseNorm": LayerClass(
        "local_response_norm", {"size": "size", "alpha": "alpha", "beta": "beta", "k": "k", "data_format": "data_format"}
    ),
    "MultiHeadAttention": LayerClass(
        "multihead_attention",
        {"embed_dim": "embed_dim", "num_heads": "num_heads", "dropout": "dropout"},
        {
            f"{name}.{what}": (f"{role}.{what}", "io" if what == "weight" else "c")
            for name, role in (("q_proj", "q"), ("k_proj", "k"), ("v_proj", "v"), ("out_proj", "out"))
            for what in ("weight", "bias")
        },
    ),
    "LSTM": _recurrent("lstm"),
    "GRU": _recurrent("gru"),
    "SimpleRNN": _recurrent("rnn"),
    "ReLU": LayerClass("relu"),
    "ReLU6": LayerClass("relu6"),
    "GELU": LayerClass("gelu", {"approximate": _approximate}),
    "Silu": LayerClass("silu"),
    "SiLU": LayerClass("silu"),
    "Swish": LayerClass("silu"),
    "Mish": LayerClass("mish"),
    "Sigmoid": LayerClass("sigmoid"),
    "Tanh": LayerClass("tanh"),
    "Hardswish": LayerClass("hardswish"),
    # The layer has no arguments of its own and takes the function's defaults.
    "Hardsigmoid": LayerClass("hardsigmoid", {"slope": lambda _: 0.1666667, "offset": lambda _: 0.5}),
    "Hardtanh": LayerClass("hardtanh", {"min": "_min", "max": "_max"}),
    "LeakyReLU": LayerClass("leaky_relu", {"negative_slope": "_negative_slope"}),
    "PReLU": LayerClass("prelu", {"num_parameters": "_num_parameters"}, {"_weight": ("weight", "c")}),
    "ELU": LayerClass("elu", {"alpha": "_alpha"}),
    "CELU": LayerClass("celu", {"alpha": "_alpha"}),
    "SELU": LayerClass("selu", {"scale": "_scale", "alpha": "_alpha"}),
    "Softplus": LayerClass("softplus", {"beta": "_beta", "threshold": "_threshold"}),
    "Softsign": LayerClass("softsign"),
    "ThresholdedReLU": LayerClass("threshold", {"threshold": "_threshold", "value": "_value"}),
    "RReLU": LayerClass("rrelu", {"lower": "_lower", "upper": "_upper", "training": "training"}),
    "Hardshrink": LayerClass("hardshrink", {"threshold": "_threshold"}),
    "Softshrink": LayerClass("softshrink", {"threshold": "_threshold"}),
    "Softmax": LayerClass("softmax", {"axis": "_axis"}),
    "Softmax2D": LayerClass("softmax", {"axis": lambda _: -3}),
    "LogSoftmax": LayerClass("log_softmax", {"axis": "_axis"}),
    "LogSigmoid": LayerClass("log_sigmoid"),
    "GLU": LayerClass("glu", {"axis": "_axis"}),
    "Identity": LayerClass("identity"),
    "Flatten": LayerClass("flatten", {"start_axis": "start_axis", "stop_axis": "stop_axis"}),
    "Unflatten": LayerClass("reshape", {"axis": "axis", "shape": "shape"}),
    "PixelShuffle": LayerClass("pixel_shuffle", {"upscale_factor": "_upscale_factor", "data_format": "_data_format"}),
    "PixelUnshuffle": LayerClass("pixel_unshuffle", {"downscale_factor": "_downscale_factor", "data_format": "_data_format"}),
    "ChannelShuffle": LayerClass("channel_shuffle", {"groups": "_groups", "data_format": "_data_format"}),
    "Upsample": LayerClass(
        "interpolate",
        {
            "size": "size",
            "scale_factor": "scale_factor",
            "mode": "mode",
            "align_corners": lambda layer: bool(layer.align_corners),
            "align_mode": "align_mode",
            "data_format": "data_format",
        },
    ),
    "UpsamplingNearest2D": _interpolation("nearest"),
    "UpsamplingBilinear2D": _interpolation("bilinear"),
}

COMPAT_LAYERS: Mapping[str, LayerClass] = {**PADDLE_LAYERS, "Linear": _linear("oi")}
"""paddle.compat.nn: torch's conventions. Its Linear stores [out, in] under the same class name."""
