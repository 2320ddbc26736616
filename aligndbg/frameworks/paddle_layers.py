"""The layer classes of paddle.nn. Source: paddlepaddle 3.3, `paddle/nn/layer/*.py`, constructors and `extra_repr`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aligndbg.frameworks.catalogue import LayerClass, Read

CONTAINERS = frozenset({"Sequential", "LayerList", "LayerDict", "ParameterList", "ParameterDict", "Layer"})
COMPOSITES = frozenset({"MultiHeadAttention", "LSTM", "GRU", "SimpleRNN"})
"""Classes with children that are one call all the same."""

_AFFINE = {"weight": ("weight", "c"), "bias": ("bias", "c")}
_NORM_STATE = _AFFINE | {"_mean": ("mean", "c"), "_variance": ("variance", "c")}


def _torch_momentum(layer: Any) -> float:
    # paddle keeps the share of the old value, torch that of the new one.
    return round(1.0 - float(layer._momentum), 12)


def _conv(kind: str, weight: str) -> LayerClass:
    attributes: dict[str, Read] = {
        "in_channels": "_in_channels",
        "out_channels": "_out_channels",
        "kernel_size": "_kernel_size",
        "stride": "_stride",
        "padding": "_padding",
        "padding_mode": "_padding_mode",
        "dilation": "_dilation",
        "groups": "_groups",
        "bias": lambda layer: layer.bias is not None,
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
            "affine": lambda layer: layer.weight is not None and not layer.weight.stop_gradient,
            "track_running_stats": lambda layer: not (getattr(layer, "_use_global_stats", None) is False and layer.training),
        },
        _NORM_STATE,
    )


def _legacy_batch_norm() -> LayerClass:
    plain = _batch_norm()
    return LayerClass(plain.kind, {**plain.attributes, "activation": "_act"}, plain.params)


def _max_pool(kind: str) -> LayerClass:
    return LayerClass(
        kind,
        {
            "kernel_size": "ksize",
            "stride": "stride",
            "padding": "padding",
            "dilation": lambda _: 1,
            "ceil_mode": "ceil_mode",
        },
    )


def _avg_pool(kind: str) -> LayerClass:
    return LayerClass(
        kind,
        {
            "kernel_size": "ksize",
            "stride": "stride",
            "padding": "padding",
            "ceil_mode": "ceil_mode",
            "count_include_pad": lambda layer: not layer.exclusive,
            "divisor_override": lambda layer: getattr(layer, "divisor", None),
        },
    )


def _dropout() -> LayerClass:
    return LayerClass("dropout", {"p": "p", "mode": lambda layer: getattr(layer, "mode", "upscale_in_train")})


def _pad() -> LayerClass:
    return LayerClass("pad", {"pad": "padding", "mode": "_mode", "value": "value"})


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
            "bias": lambda layer: layer.bias is not None,
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
            {"num_features": "_num_features", "epsilon": "_epsilon"},
            {"scale": ("weight", "c"), "bias": ("bias", "c")},
        )
        for n in (1, 2, 3)
    },
    **{f"MaxPool{n}D": _max_pool(f"max_pool{n}d") for n in (1, 2, 3)},
    **{f"AvgPool{n}D": _avg_pool(f"avg_pool{n}d") for n in (1, 2, 3)},
    **{f"AdaptiveAvgPool{n}D": LayerClass(f"adaptive_avg_pool{n}d", {"output_size": "_output_size"}) for n in (1, 2, 3)},
    **{f"AdaptiveMaxPool{n}D": LayerClass(f"adaptive_max_pool{n}d", {"output_size": "_output_size"}) for n in (1, 2, 3)},
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
    "LayerNorm": LayerClass("layer_norm", {"normalized_shape": "_normalized_shape", "epsilon": "_epsilon"}, _AFFINE),
    "GroupNorm": LayerClass(
        "group_norm", {"groups": "_num_groups", "num_channels": "_num_channels", "epsilon": "_epsilon"}, _AFFINE
    ),
    "LocalResponseNorm": LayerClass("local_response_norm", {"size": "size", "alpha": "alpha", "beta": "beta", "k": "k"}),
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
    "Hardsigmoid": LayerClass("hardsigmoid"),
    "Hardtanh": LayerClass("hardtanh", {"min": "_min", "max": "_max"}),
    "LeakyReLU": LayerClass("leaky_relu", {"negative_slope": "_negative_slope"}),
    "PReLU": LayerClass("prelu", {"num_parameters": "_num_parameters"}, {"_weight": ("weight", "c")}),
    "ELU": LayerClass("elu", {"alpha": "_alpha"}),
    "CELU": LayerClass("celu", {"alpha": "_alpha"}),
    "SELU": LayerClass("selu"),
    "Softplus": LayerClass("softplus", {"beta": "_beta", "threshold": "_threshold"}),
    "Softsign": LayerClass("softsign"),
    "Softmax": LayerClass("softmax", {"axis": "_axis"}),
    "Softmax2D": LayerClass("softmax", {"axis": lambda _: -3}),
    "LogSoftmax": LayerClass("log_softmax", {"axis": "_axis"}),
    "LogSigmoid": LayerClass("log_sigmoid"),
    "GLU": LayerClass("glu", {"axis": "_axis"}),
    "Identity": LayerClass("identity"),
    "Flatten": LayerClass("flatten", {"start_axis": "start_axis", "stop_axis": "stop_axis"}),
    "Unflatten": LayerClass("reshape", {"axis": "axis", "shape": "shape"}),
    "PixelShuffle": LayerClass("pixel_shuffle", {"upscale_factor": "_upscale_factor"}),
    "PixelUnshuffle": LayerClass("pixel_unshuffle", {"downscale_factor": "_downscale_factor"}),
    "ChannelShuffle": LayerClass("channel_shuffle", {"groups": "_groups"}),
    "Upsample": LayerClass(
        "interpolate",
        {"size": "size", "scale_factor": "scale_factor", "mode": "mode", "align_corners": lambda layer: bool(layer.align_corners)},
    ),
}

COMPAT_LAYERS: Mapping[str, LayerClass] = {**PADDLE_LAYERS, "Linear": _linear("oi")}
"""paddle.compat.nn: torch's conventions. Its Linear stores [out, in] under the same class name."""
