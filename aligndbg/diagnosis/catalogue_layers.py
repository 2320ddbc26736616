"""The catalogue's rows for layers that work on channels and features: normalisation, activation, dropout, linear, attention."""

from __future__ import annotations

from aligndbg.diagnosis.catalogue_row import Row, Spelling, kinds, paddle_layer, paddle_op, torch_layer, torch_op

_CLIPS = kinds("hardtanh relu6 clamp")
_EPSILONS = (1e-3, 1e-5, 1e-6, 1e-12)
_ATTENTION = kinds("attention flash_attention")
_SDPA = "nn.functional.scaled_dot_product_attention"

NORMALISATION: tuple[Row, ...] = (
    *(
        Row(
            "epsilon",
            kinds(kind),
            "epsilon",
            torch_layer("eps", torch, module),
            paddle_layer("epsilon", paddle, "norm"),
            alternatives=_EPSILONS,
        )
        for kind, torch, paddle, module in (
            ("batch_norm", "BatchNorm*d", "BatchNorm*D", "batchnorm"),
            ("instance_norm", "InstanceNorm*d", "InstanceNorm*D", "instancenorm"),
            ("layer_norm", "LayerNorm", "LayerNorm", "normalization"),
            ("group_norm", "GroupNorm", "GroupNorm", "normalization"),
        )
    ),
    Row(
        "epsilon",
        kinds("rms_norm"),
        "epsilon",
        torch_layer("eps", "RMSNorm", "normalization"),
        paddle_op("eps", "nn.functional.rms_norm", "nn/functional/norm"),
        alternatives=_EPSILONS,
    ),
    Row(
        "epsilon",
        kinds("normalize"),
        "epsilon",
        torch_op("eps", "nn.functional.normalize", "torch/nn/functional.py"),
        paddle_op("epsilon", "nn.functional.normalize", "nn/functional/norm"),
        alternatives=_EPSILONS,
    ),
    Row(
        "p",
        kinds("normalize"),
        "scale",
        torch_op("p", "nn.functional.normalize", "torch/nn/functional.py"),
        paddle_op("p", "nn.functional.normalize", "nn/functional/norm"),
        alternatives=(1.0, 2.0),
    ),
    Row(
        "momentum",
        kinds("batch_norm"),
        "momentum",
        torch_layer("momentum", "BatchNorm*d", "batchnorm"),
        paddle_layer("momentum", "BatchNorm*D", "norm"),
        shows=False,
        spelling="complement",
        note="the share of the new value in torch, of the old one in Paddle",
    ),
    Row(
        "batch_stats",
        kinds("batch_norm"),
        "running-stats",
        torch_layer("track_running_stats", "BatchNorm*d", "batchnorm"),
        paddle_layer("use_global_stats", "BatchNorm*D", "norm"),
        spelling="statistics",
        alternatives=(False, True),
        note="whether this forward normalises with the batch's own statistics; with use_global_stats=False Paddle does in eval too",
    ),
    Row(
        "batch_stats",
        kinds("instance_norm"),
        "running-stats",
        torch_layer("track_running_stats", "InstanceNorm*d", "instancenorm"),
        None,
        note="Paddle's InstanceNorm always normalises with the image's own statistics",
    ),
    *(
        Row(
            "affine",
            kinds(kind),
            "affine",
            torch_layer(name, torch, module),
            paddle_layer("weight_attr", paddle, "norm"),
            spelling="affine",
        )
        for kind, name, torch, paddle, module in (
            ("batch_norm", "affine", "BatchNorm*d", "BatchNorm*D", "batchnorm"),
            ("instance_norm", "affine", "InstanceNorm*d", "InstanceNorm*D", "instancenorm"),
            ("layer_norm", "elementwise_affine", "LayerNorm", "LayerNorm", "normalization"),
            ("group_norm", "affine", "GroupNorm", "GroupNorm", "normalization"),
        )
    ),
    Row(
        "bias",
        kinds("layer_norm"),
        "bias-missing",
        torch_layer("bias", "LayerNorm", "normalization"),
        paddle_layer("bias_attr", "LayerNorm", "norm"),
        spelling="bias",
        extra="bias-extra",
    ),
    *(
        Row(
            "num_features",
            kinds(kind),
            "channels",
            torch_layer("num_features", torch, module),
            paddle_layer("num_features", paddle, "norm"),
        )
        for kind, torch, paddle, module in (
            ("batch_norm", "BatchNorm*d", "BatchNorm*D", "batchnorm"),
            ("instance_norm", "InstanceNorm*d", "InstanceNorm*D", "instancenorm"),
        )
    ),
    Row(
        "activation",
        kinds("batch_norm"),
        "activation-extra",
        None,
        paddle_layer("act", "BatchNorm", "norm"),
        note="paddle.nn.BatchNorm applies an activation if told to",
    ),
    Row(
        "normalized_shape",
        kinds("layer_norm"),
        "normalized-shape",
        torch_layer("normalized_shape", "LayerNorm", "normalization"),
        paddle_layer("normalized_shape", "LayerNorm", "norm"),
    ),
    Row(
        "groups",
        kinds("group_norm"),
        "groups",
        torch_layer("num_groups", "GroupNorm", "normalization"),
        paddle_layer("num_groups", "GroupNorm", "norm"),
        alternatives=(1, 8, 16, 32),
    ),
    Row(
        "num_channels",
        kinds("group_norm"),
        "channels",
        torch_layer("num_channels", "GroupNorm", "normalization"),
        paddle_layer("num_channels", "GroupNorm", "norm"),
    ),
    *(
        Row(
            name,
            kinds("local_response_norm"),
            cause,
            torch_layer(name, "LocalResponseNorm", "normalization"),
            paddle_layer(name, "LocalResponseNorm", "norm"),
            alternatives=values,
            note="torch and Paddle both take the mean over `size`, not the sum: one alpha means the same",
        )
        for name, cause, values in (
            ("size", "kernel-size", (3, 5)),
            ("alpha", "scale", (1e-4, 2e-5, 5e-4)),
            ("beta", "scale", (0.5, 0.75)),
            ("k", "scale", (1.0, 2.0)),
        )
    ),
)

ACTIVATIONS: tuple[Row, ...] = (
    Row(
        "approximate",
        kinds("gelu"),
        "activation-param",
        torch_layer("approximate", "GELU", "activation"),
        paddle_layer("approximate", "GELU", "activation"),
        spelling="approximate",
        alternatives=("none", "tanh"),
        note="'none' and 'tanh' in torch, a bool in Paddle",
    ),
    *(
        Row(
            name,
            kinds(kind),
            "activation-param",
            torch_layer(torch_name, torch, module),
            paddle_layer(name, paddle, "activation"),
            alternatives=values,
        )
        for name, kind, torch_name, torch, paddle, values, module in (
            ("negative_slope", "leaky_relu", "negative_slope", "LeakyReLU", "LeakyReLU", (0.01, 0.1, 0.2), "activation"),
            ("alpha", "elu", "alpha", "ELU", "ELU", (1.0, 0.2), "activation"),
            ("alpha", "celu", "alpha", "CELU", "CELU", (1.0, 0.2), "activation"),
            ("beta", "softplus", "beta", "Softplus", "Softplus", (1.0,), "activation"),
            ("threshold", "softplus", "threshold", "Softplus", "Softplus", (20.0,), "activation"),
            ("threshold", "hardshrink", "lambd", "Hardshrink", "Hardshrink", (0.5,), "activation"),
            ("threshold", "softshrink", "lambd", "Softshrink", "Softshrink", (0.5,), "activation"),
            ("threshold", "threshold", "threshold", "Threshold", "ThresholdedReLU", (0.0, 1.0), "activation"),
            ("value", "threshold", "value", "Threshold", "ThresholdedReLU", (0.0,), "activation"),
            ("lower", "rrelu", "lower", "RReLU", "RReLU", (0.125,), "activation"),
            ("upper", "rrelu", "upper", "RReLU", "RReLU", (1 / 3,), "activation"),
        )
    ),
    *(
        Row(
            name,
            _CLIPS,
            "activation-param",
            torch_layer(f"{name}_val", "Hardtanh", "activation"),
            paddle_layer(name, "Hardtanh", "activation"),
            alternatives=values,
            note="torch.clamp and paddle.clip: min and max",
        )
        for name, values in (("min", (-1.0, 0.0)), ("max", (1.0, 6.0)))
    ),
    *(
        Row(
            name,
            kinds("hardsigmoid"),
            "activation-param",
            None,
            paddle_op(name, "nn.functional.hardsigmoid", "nn/functional/activation"),
            alternatives=values,
            note="torch: x / 6 + 0.5; paddle.nn.Hardsigmoid is that; old Paddle code has slope=0.2",
        )
        for name, values in (("slope", (1 / 6, 0.2)), ("offset", (0.5,)))
    ),
    *(
        Row(name, kinds("selu"), "activation-param", None, paddle_layer(name, "SELU", "activation"), note="constants in torch")
        for name in ("scale", "alpha")
    ),
    Row(
        "num_parameters",
        kinds("prelu"),
        "channels",
        torch_layer("num_parameters", "PReLU", "activation"),
        paddle_layer("num_parameters", "PReLU", "activation"),
    ),
    Row(
        "axis",
        kinds("glu"),
        "axis",
        torch_layer("dim", "GLU", "activation"),
        paddle_layer("axis", "GLU", "activation"),
    ),
)

FEATURES: tuple[Row, ...] = (
    Row(
        "p",
        kinds("dropout"),
        "dropout-p",
        torch_layer("p", "Dropout Dropout2d Dropout3d AlphaDropout", "dropout"),
        paddle_layer("p", "Dropout Dropout2D Dropout3D AlphaDropout", "common"),
        shows=False,
    ),
    Row(
        "mode",
        kinds("dropout"),
        "dropout-mode",
        None,
        paddle_layer("mode", "Dropout", "common"),
        alternatives=("upscale_in_train", "downscale_in_infer"),
        note="torch scales in training; with downscale_in_infer Paddle scales in eval instead",
    ),
    *(
        Row(
            "training",
            kinds(kind),
            "dropout-active",
            torch_op("training", f"nn.functional.{kind}", "torch/nn/functional.py"),
            paddle_op("training", f"nn.functional.{kind}", f"nn/functional/{file}"),
        )
        for kind, file in (("dropout", "common"), ("rrelu", "activation"))
    ),
    *(
        Row(
            name,
            kinds("linear"),
            "channels",
            torch_layer(name, "Linear", "linear"),
            paddle_layer(name, "Linear", "common"),
        )
        for name in ("in_features", "out_features")
    ),
    Row(
        "bias",
        kinds("linear"),
        "bias-missing",
        torch_layer("bias", "Linear", "linear"),
        paddle_layer("bias_attr", "Linear", "common"),
        spelling="bias",
        extra="bias-extra",
    ),
    *(
        Row(name, kinds("embedding"), cause, torch_layer(name, "Embedding", "sparse"), paddle_layer(name, "Embedding", "common"))
        for name, cause in (("num_embeddings", "channels"), ("embedding_dim", "channels"))
    ),
    Row(
        "padding_idx",
        kinds("embedding"),
        "padding",
        torch_layer("padding_idx", "Embedding", "sparse"),
        paddle_layer("padding_idx", "Embedding", "common"),
        note="torch only keeps that row from learning; Paddle gives zeros for it",
    ),
    *(
        Row(
            name,
            kinds("multihead_attention"),
            cause,
            torch_layer(name, "MultiheadAttention", "activation"),
            paddle_layer(name, "MultiHeadAttention", "transformer"),
            shows=shows,
        )
        for name, cause, shows in (("embed_dim", "channels", True), ("num_heads", "heads", True), ("dropout", "dropout-p", False))
    ),
    *(
        Row(
            name,
            _ATTENTION,
            cause,
            torch_op(argument, _SDPA),
            paddle_op(argument, _SDPA, "nn/functional/sdpa"),
            alternatives=values,
        )
        for name, argument, cause, values in (
            ("p", "dropout_p", "dropout-active", (0.0,)),
            ("is_causal", "is_causal", "layer-kind", (False, True)),
            ("scale", "scale", "scale", (1.0,)),
        )
    ),
    *(
        Row(
            name,
            kinds("lstm gru rnn"),
            "channels",
            torch_layer(name, "LSTM GRU RNN", "rnn"),
            paddle_layer(name, "LSTM GRU SimpleRNN", "rnn"),
        )
        for name in ("input_size", "hidden_size", "num_layers")
    ),
)

_FORMATS: tuple[tuple[str, str, str], ...] = (
    ("conv*d conv_transpose*d", "Conv*D Conv*DTranspose", "conv"),
    ("max_pool2d max_pool3d avg_pool2d avg_pool3d", "MaxPool2D MaxPool3D AvgPool2D AvgPool3D", "pooling"),
    ("adaptive_avg_pool2d adaptive_avg_pool3d", "AdaptiveAvgPool2D AdaptiveAvgPool3D", "pooling"),
    ("batch_norm", "BatchNorm*D", "norm"),
    ("instance_norm", "InstanceNorm*D", "norm"),
    ("group_norm", "GroupNorm", "norm"),
    ("local_response_norm", "LocalResponseNorm", "norm"),
    ("interpolate", "Upsample", "common"),
    ("pixel_shuffle", "PixelShuffle", "vision"),
    ("pixel_unshuffle", "PixelUnshuffle", "vision"),
    ("channel_shuffle", "ChannelShuffle", "vision"),
)
_FORMAT: Spelling = "layout"

FORMATS: tuple[Row, ...] = tuple(
    Row(
        "data_format",
        kinds(names),
        "data-format",
        None,
        paddle_layer("data_format", classes, file),
        spelling=_FORMAT,
        alternatives=("channels-first", "channels-last"),
        note="torch takes the channels first",
    )
    for names, classes, file in _FORMATS
)
