"""The catalogue's rows for what moves a window over an image: convolutions, poolings, paddings, resizing."""

from __future__ import annotations

from aligndbg.diagnosis.catalogue_row import Row, kinds, paddle_layer, paddle_op, torch_layer, torch_op

CONVOLUTIONS = kinds("conv*d conv_transpose*d")
POOLINGS = kinds("max_pool*d avg_pool*d")
_AVERAGES = kinds("avg_pool*d")
_ADAPTIVE = kinds("adaptive_avg_pool*d adaptive_max_pool*d")
_TRANSPOSED = kinds("conv_transpose*d")

_TORCH_CONVS, _PADDLE_CONVS = "Conv*d ConvTranspose*d", "Conv*D Conv*DTranspose"
_TORCH_POOLS, _PADDLE_POOLS = "MaxPool*d AvgPool*d", "MaxPool*D AvgPool*D"
_SAME = 'Paddle\'s "SAME" allows strides and convolves without dilation; 2n numbers are before and after each axis'
_CORNERS = "paddle.nn.UpsamplingBilinear2D and torch's fix it to True"

WINDOWS: tuple[Row, ...] = (
    *(
        Row(
            name,
            CONVOLUTIONS,
            cause,
            torch_layer(name, _TORCH_CONVS, "conv"),
            paddle_layer(name, _PADDLE_CONVS, "conv"),
            spelling="per-axis",
            alternatives=values,
        )
        for name, cause, values in (
            ("kernel_size", "kernel-size", ()),
            ("stride", "stride", (1, 2)),
            ("dilation", "dilation", (1, 2)),
        )
    ),
    Row(
        "padding",
        CONVOLUTIONS,
        "padding",
        torch_layer("padding", _TORCH_CONVS, "conv"),
        paddle_layer("padding", _PADDLE_CONVS, "conv"),
        spelling="padding",
        alternatives=(0, 1, 2, 3, "same"),
        note=_SAME,
    ),
    Row(
        "padding_mode",
        CONVOLUTIONS - _TRANSPOSED,
        "padding-mode",
        torch_layer("padding_mode", "Conv*d", "conv"),
        paddle_layer("padding_mode", "Conv*D", "conv"),
        alternatives=("zeros", "reflect", "replicate", "circular"),
    ),
    Row(
        "groups",
        CONVOLUTIONS,
        "groups",
        torch_layer("groups", _TORCH_CONVS, "conv"),
        paddle_layer("groups", _PADDLE_CONVS, "conv"),
    ),
    Row(
        "output_padding",
        _TRANSPOSED,
        "output-size",
        torch_layer("output_padding", "ConvTranspose*d", "conv"),
        paddle_layer("output_padding", "Conv*DTranspose", "conv"),
        spelling="per-axis",
        alternatives=(0, 1),
    ),
    Row(
        "bias",
        CONVOLUTIONS,
        "bias-missing",
        torch_layer("bias", _TORCH_CONVS, "conv"),
        paddle_layer("bias_attr", _PADDLE_CONVS, "conv"),
        spelling="bias",
        extra="bias-extra",
    ),
    *(
        Row(
            name,
            CONVOLUTIONS,
            "channels",
            torch_layer(name, _TORCH_CONVS, "conv"),
            paddle_layer(name, _PADDLE_CONVS, "conv"),
        )
        for name in ("in_channels", "out_channels")
    ),
    *(
        Row(
            name,
            POOLINGS,
            cause,
            torch_layer(name, _TORCH_POOLS, "pooling"),
            paddle_layer(name, _PADDLE_POOLS, "pooling"),
            spelling="per-axis",
            alternatives=values,
        )
        for name, cause, values in (("kernel_size", "kernel-size", (2, 3)), ("stride", "stride", (1, 2)))
    ),
    Row(
        "padding",
        POOLINGS,
        "padding",
        torch_layer("padding", _TORCH_POOLS, "pooling"),
        paddle_layer("padding", _PADDLE_POOLS, "pooling"),
        spelling="padding",
        alternatives=(0, 1, "same"),
        note="paddle.nn.functional takes SAME and VALID too",
    ),
    Row(
        "dilation",
        kinds("max_pool*d"),
        "dilation",
        torch_layer("dilation", "MaxPool*d", "pooling"),
        None,
        note="Paddle's poolings take neighbours",
    ),
    Row(
        "ceil_mode",
        POOLINGS,
        "ceil-mode",
        torch_layer("ceil_mode", _TORCH_POOLS, "pooling"),
        paddle_layer("ceil_mode", _PADDLE_POOLS, "pooling"),
        alternatives=(False, True),
    ),
    Row(
        "count_include_pad",
        _AVERAGES,
        "count-include-pad",
        torch_layer("count_include_pad", "AvgPool*d", "pooling"),
        paddle_layer("exclusive", "AvgPool*D", "pooling"),
        spelling="not",
        alternatives=(False, True),
        note="torch counts the padding unless told not to, Paddle only if told to",
    ),
    Row(
        "divisor_override",
        kinds("avg_pool2d avg_pool3d"),
        "scale",
        torch_layer("divisor_override", "AvgPool2d AvgPool3d", "pooling"),
        paddle_layer("divisor_override", "AvgPool2D AvgPool3D", "pooling"),
    ),
    Row(
        "output_size",
        _ADAPTIVE,
        "output-size",
        torch_layer("output_size", "AdaptiveAvgPool*d AdaptiveMaxPool*d", "pooling"),
        paddle_layer("output_size", "AdaptiveAvgPool*D AdaptiveMaxPool*D", "pooling"),
        spelling="per-axis",
        note="None keeps the input's size",
    ),
    Row(
        "pad",
        kinds("pad"),
        "padding",
        torch_layer("padding", "ZeroPad*d ConstantPad*d ReflectionPad*d ReplicationPad*d CircularPad*d", "padding"),
        paddle_layer("padding", "Pad*D ZeroPad*D ConstantPad*D ReflectionPad*D ReplicationPad*D CircularPad*D", "common"),
        spelling="pad",
        note="the last axis first; paddle.nn.functional.pad begins with the first where the list is of all axes",
    ),
    Row(
        "mode",
        kinds("pad"),
        "padding-mode",
        torch_op("mode", "nn.functional.pad", "torch/nn/functional.py"),
        paddle_layer("mode", "Pad*D", "common"),
        alternatives=("constant", "reflect", "replicate", "circular"),
    ),
    Row(
        "value",
        kinds("pad"),
        "padding",
        torch_layer("value", "ConstantPad*d", "padding"),
        paddle_layer("value", "Pad*D ConstantPad*D", "common"),
        alternatives=(0.0,),
    ),
    *(
        Row(
            name,
            kinds("interpolate"),
            cause,
            torch_layer(name, "Upsample", "upsampling"),
            paddle_layer(name, "Upsample", "common"),
            spelling="per-axis" if name in ("size", "scale_factor") else "plain",
            alternatives=values,
            note=note,
        )
        for name, cause, values, note in (
            ("size", "interpolation", (), ""),
            ("scale_factor", "interpolation", (), ""),
            ("mode", "interpolation", ("nearest", "bilinear", "bicubic"), "`linear` for three axes, `trilinear` for five"),
            ("align_corners", "align-corners", (False, True), _CORNERS),
        )
    ),
    Row(
        "align_mode",
        kinds("interpolate"),
        "interpolation",
        None,
        paddle_layer("align_mode", "Upsample", "common"),
        alternatives=(0, 1),
        note="0 is what torch does: a pixel is where its centre is; with 1 it is where its corner is",
    ),
    Row(
        "antialias",
        kinds("interpolate"),
        "interpolation",
        torch_op("antialias", "nn.functional.interpolate", "torch/nn/functional.py"),
        paddle_op("antialias", "nn.functional.interpolate", "nn/functional/common"),
        alternatives=(False, True),
    ),
    Row(
        "upscale_factor",
        kinds("pixel_shuffle"),
        "scale",
        torch_layer("upscale_factor", "PixelShuffle", "pixelshuffle"),
        paddle_layer("upscale_factor", "PixelShuffle", "vision"),
    ),
    Row(
        "downscale_factor",
        kinds("pixel_unshuffle"),
        "scale",
        torch_layer("downscale_factor", "PixelUnshuffle", "pixelshuffle"),
        paddle_layer("downscale_factor", "PixelUnshuffle", "vision"),
    ),
    Row(
        "groups",
        kinds("channel_shuffle"),
        "groups",
        torch_layer("groups", "ChannelShuffle", "channelshuffle"),
        paddle_layer("groups", "ChannelShuffle", "vision"),
        alternatives=(2, 3, 4, 8),
    ),
)
