"""The layer classes of torch.nn. Source: torch 2.13, `torch/nn/modules/*.py`, constructors and `extra_repr`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aligndbg.frameworks.catalogue import LayerClass, Read
from aligndbg.frameworks.ops import sizes

CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "Module"})
COMPOSITES = frozenset({"MultiheadAttention"})
"""Classes with children that are one call all the same."""

_AFFINE = {"weight": ("weight", "c"), "bias": ("bias", "c")}
_NORM_STATE = _AFFINE | {
    "running_mean": ("mean", "c"),
    "running_var": ("variance", "c"),
    "num_batches_tracked": ("count", ""),
}


def _has_bias(layer: Any) -> bool:
    return layer.bias is not None


def _conv(kind: str, weight: str) -> LayerClass:
    attributes: dict[str, Read] = {
        "in_channels": "in_channels",
        "out_channels": "out_channels",
        "kernel_size": "kernel_size",
        "stride": "stride",
        "padding": "padding",
        "padding_mode": "padding_mode",
        "dilation": "dilation",
        "groups": "groups",
        "bias": _has_bias,
    }
    if "transpose" in kind:
        attributes["output_padding"] = "output_padding"
    return LayerClass(kind, attributes, {"weight": ("weight", weight), "bias": ("bias", "c")})


def _batch_stats(layer: Any) -> bool:
    return layer.training or (layer.running_mean is None and layer.running_var is None)


def _norm(kind: str, shape: Mapping[str, Read]) -> LayerClass:
    affine: dict[str, Read] = {"affine": lambda layer: layer.weight is not None, "bias": _has_bias}
    return LayerClass(kind, {**shape, "epsilon": "eps", **affine}, _AFFINE)


def _adaptive(kind: str) -> LayerClass:
    return LayerClass(kind, {"output_size": lambda layer: sizes(layer.output_size)})


def _batch_norm() -> LayerClass:
    return LayerClass(
        "batch_norm",
        {
            "num_features": "num_features",
            "epsilon": "eps",
            "momentum": "momentum",
            "affine": "affine",
            "bias": _has_bias,
            "track_running_stats": "track_running_stats",
            "batch_stats": _batch_stats,
        },
        _NORM_STATE,
    )


def _max_pool(kind: str) -> LayerClass:
    return LayerClass(
        kind,
        {"kernel_size": "kernel_size", "stride": "stride", "padding": "padding", "dilation": "dilation", "ceil_mode": "ceil_mode"},
    )


def _avg_pool(kind: str) -> LayerClass:
    return LayerClass(
        kind,
        {
            "kernel_size": "kernel_size",
            "stride": "stride",
            "padding": "padding",
            "ceil_mode": "ceil_mode",
            "count_include_pad": "count_include_pad",
            "divisor_override": lambda layer: getattr(layer, "divisor_override", None),
        },
    )


def _dropout() -> LayerClass:
    return LayerClass("dropout", {"p": "p", "mode": lambda _: "upscale_in_train", "training": "training"})


def _pad(mode: str) -> LayerClass:
    return LayerClass("pad", {"pad": "padding", "mode": lambda _: mode, "value": lambda layer: getattr(layer, "value", 0.0)})


def _recurrent(kind: str) -> LayerClass:
    return LayerClass(
        kind,
        {"input_size": "input_size", "hidden_size": "hidden_size", "num_layers": "num_layers", "bidirectional": "bidirectional"},
        {
            f"{what}_{part}_l{level}{direction}": (f"{what}_{part}_l{level}{direction}", "gi" if what == "weight" else "c")
            for what in ("weight", "bias")
            for part in ("ih", "hh")
            for level in range(8)
            for direction in ("", "_reverse")
        },
    )


def _interpolation(layer: Any) -> str:
    return str(layer.mode)


TORCH_LAYERS: Mapping[str, LayerClass] = {
    **{f"Conv{n}d": _conv(f"conv{n}d", "oi*") for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": _conv(f"conv_transpose{n}d", "io*") for n in (1, 2, 3)},
    **{f"BatchNorm{n}d": _batch_norm() for n in (1, 2, 3)},
    "SyncBatchNorm": _batch_norm(),
    **{
        f"InstanceNorm{n}d": LayerClass(
            "instance_norm",
            {
                "num_features": "num_features",
                "epsilon": "eps",
                "affine": "affine",
                "bias": _has_bias,
                "batch_stats": lambda layer: layer.training or not layer.track_running_stats,
            },
            _NORM_STATE,
        )
        for n in (1, 2, 3)
    },
    **{f"MaxPool{n}d": _max_pool(f"max_pool{n}d") for n in (1, 2, 3)},
    **{f"AvgPool{n}d": _avg_pool(f"avg_pool{n}d") for n in (1, 2, 3)},
    **{f"AdaptiveAvgPool{n}d": _adaptive(f"adaptive_avg_pool{n}d") for n in (1, 2, 3)},
    **{f"AdaptiveMaxPool{n}d": _adaptive(f"adaptive_max_pool{n}d") for n in (1, 2, 3)},
    **{name: _dropout() for name in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout")},
    **{f"ZeroPad{n}d": _pad("constant") for n in (1, 2, 3)},
    **{f"ConstantPad{n}d": _pad("constant") for n in (1, 2, 3)},
    **{f"ReflectionPad{n}d": _pad("reflect") for n in (1, 2, 3)},
    **{f"ReplicationPad{n}d": _pad("replicate") for n in (1, 2, 3)},
    **{f"CircularPad{n}d": _pad("circular") for n in (1, 2, 3)},
    "Linear": LayerClass(
        "linear",
        {"in_features": "in_features", "out_features": "out_features", "bias": _has_bias},
        {"weight": ("weight", "oi"), "bias": ("bias", "c")},
    ),
    "Bilinear": LayerClass("bilinear", {}, {"weight": ("weight", "oij"), "bias": ("bias", "c")}),
    "Embedding": LayerClass(
        "embedding",
        {"num_embeddings": "num_embeddings", "embedding_dim": "embedding_dim", "padding_idx": "padding_idx"},
        {"weight": ("weight", "ve")},
    ),
    "LayerNorm": _norm("layer_norm", {"normalized_shape": "normalized_shape"}),
    "RMSNorm": LayerClass("rms_norm", {"normalized_shape": "normalized_shape", "epsilon": "eps"}, _AFFINE),
    "GroupNorm": _norm("group_norm", {"groups": "num_groups", "num_channels": "num_channels"}),
    "LocalResponseNorm": LayerClass("local_response_norm", {"size": "size", "alpha": "alpha", "beta": "beta", "k": "k"}),
    "MultiheadAttention": LayerClass(
        "multihead_attention",
        {"embed_dim": "embed_dim", "num_heads": "num_heads", "dropout": "dropout", "batch_first": "batch_first"},
        {
            "in_proj_weight": ("qkv.weight", "oi"),
            "in_proj_bias": ("qkv.bias", "c"),
            "q_proj_weight": ("q.weight", "oi"),
            "k_proj_weight": ("k.weight", "oi"),
            "v_proj_weight": ("v.weight", "oi"),
            "out_proj.weight": ("out.weight", "oi"),
            "out_proj.bias": ("out.bias", "c"),
        },
    ),
    "LSTM": _recurrent("lstm"),
    "GRU": _recurrent("gru"),
    "RNN": _recurrent("rnn"),
    "ReLU": LayerClass("relu"),
    "ReLU6": LayerClass("relu6"),
    "GELU": LayerClass("gelu", {"approximate": "approximate"}),
    "SiLU": LayerClass("silu"),
    "Mish": LayerClass("mish"),
    "Sigmoid": LayerClass("sigmoid"),
    "Tanh": LayerClass("tanh"),
    "Hardswish": LayerClass("hardswish"),
    "Hardsigmoid": LayerClass("hardsigmoid"),
    "Hardtanh": LayerClass("hardtanh", {"min": "min_val", "max": "max_val"}),
    "LeakyReLU": LayerClass("leaky_relu", {"negative_slope": "negative_slope"}),
    "PReLU": LayerClass("prelu", {"num_parameters": "num_parameters"}, {"weight": ("weight", "c")}),
    "ELU": LayerClass("elu", {"alpha": "alpha"}),
    "CELU": LayerClass("celu", {"alpha": "alpha"}),
    "SELU": LayerClass("selu"),
    "Softplus": LayerClass("softplus", {"beta": "beta", "threshold": "threshold"}),
    "Softsign": LayerClass("softsign"),
    "Threshold": LayerClass("threshold", {"threshold": "threshold", "value": "value"}),
    "RReLU": LayerClass("rrelu", {"lower": "lower", "upper": "upper", "training": "training"}),
    "Hardshrink": LayerClass("hardshrink", {"threshold": "lambd"}),
    "Softshrink": LayerClass("softshrink", {"threshold": "lambd"}),
    "Softmax": LayerClass("softmax", {"axis": "dim"}),
    "Softmax2d": LayerClass("softmax", {"axis": lambda _: -3}),
    "LogSoftmax": LayerClass("log_softmax", {"axis": "dim"}),
    "LogSigmoid": LayerClass("log_sigmoid"),
    "GLU": LayerClass("glu", {"axis": "dim"}),
    "Identity": LayerClass("identity"),
    "Flatten": LayerClass("flatten", {"start_axis": "start_dim", "stop_axis": "end_dim"}),
    "Unflatten": LayerClass("reshape", {"axis": "dim", "shape": "unflattened_size"}),
    "PixelShuffle": LayerClass("pixel_shuffle", {"upscale_factor": "upscale_factor"}),
    "PixelUnshuffle": LayerClass("pixel_unshuffle", {"downscale_factor": "downscale_factor"}),
    "ChannelShuffle": LayerClass("channel_shuffle", {"groups": "groups"}),
    "Upsample": LayerClass(
        "interpolate",
        {"size": "size", "scale_factor": "scale_factor", "mode": _interpolation, "align_corners": lambda x: bool(x.align_corners)},
    ),
}
