"""What is known of the kinds of calls. Data only; the names are the tracer's canonical ones (core.layers)."""

from __future__ import annotations

from collections.abc import Mapping

WEIGHTED = frozenset(
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear bilinear embedding batch_norm layer_norm "
    "group_norm instance_norm rms_norm prelu multihead_attention lstm gru rnn".split()
)
"""Layers with weights of their own: what a network is made of."""

VIEW_LIKE = frozenset(
    "reshape flatten transpose squeeze unsqueeze slice expand tile cast clone pad roll shape new_zeros set_slice".split()
)
"""Calls that move, copy or convert elements and compute nothing."""

HARMLESS_IN_EVAL = frozenset({"dropout", "identity", "clone"})
"""Kinds that hand their input on in eval. Not so a Dropout whose `mode` is `downscale_in_infer`: it scales."""

MOVES_NOTHING = frozenset("reshape flatten squeeze unsqueeze cast clone shape new_zeros".split())
"""Kinds that keep every element and their order: one without a partner explains no difference in values."""

KEEPS_WHEN_SAME_SHAPE = frozenset("reshape flatten squeeze unsqueeze expand pad adaptive_avg_pool1d adaptive_avg_pool2d".split())
"""Kinds that hand their input on where it has the output's shape already."""

EQUIVALENT: tuple[frozenset[str], ...] = (
    frozenset({"reshape", "flatten", "squeeze", "unsqueeze"}),
    frozenset({"adaptive_avg_pool1d", "avg_pool1d", "mean"}),
    frozenset({"adaptive_avg_pool2d", "avg_pool2d", "mean"}),
    frozenset({"adaptive_avg_pool3d", "avg_pool3d", "mean"}),
    frozenset({"adaptive_max_pool2d", "max_pool2d", "max", "amax"}),
    frozenset({"relu6", "hardtanh", "clamp"}),
    frozenset({"slice", "split"}),
    frozenset({"expand", "tile"}),
    frozenset({"identity", "dropout", "clone"}),
    frozenset({"batch_norm", "sync_batch_norm"}),
    # The last step of attention that is spelled out.
    frozenset({"attention", "matmul"}),
)
"""Kinds that compute the same where their arguments say so; their outputs then hold equally many elements."""

FAMILIES: tuple[frozenset[str], ...] = (
    frozenset(
        "relu relu6 gelu silu hardswish hardsigmoid sigmoid tanh leaky_relu prelu elu celu selu mish softplus softsign hardtanh "
        "log_sigmoid glu clamp tanhshrink hardshrink softshrink".split()
    ),
    frozenset("max_pool1d avg_pool1d adaptive_avg_pool1d adaptive_max_pool1d".split()),
    frozenset("max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d".split()),
    frozenset("max_pool3d avg_pool3d adaptive_avg_pool3d adaptive_max_pool3d".split()),
    frozenset("batch_norm layer_norm group_norm instance_norm rms_norm local_response_norm".split()),
    frozenset("add subtract rsubtract multiply divide rdivide maximum minimum".split()),
    frozenset("softmax log_softmax".split()),
    frozenset("mean sum max min amax".split()),
    frozenset("concat stack add".split()),
)
"""Kinds that a port puts in each other's place by mistake."""

FUSIONS: tuple[tuple[str, str, str], ...] = (
    ("linear", "matmul", "add"),
    ("mean", "adaptive_avg_pool2d", "flatten"),
    ("mean", "adaptive_avg_pool2d", "reshape"),
    ("mean", "adaptive_avg_pool2d", "squeeze"),
    ("silu", "sigmoid", "multiply"),
    ("hardswish", "hardsigmoid", "multiply"),
    ("log_softmax", "softmax", "log"),
    ("flash_attention", "attention", "transpose"),
    ("flash_attention", "matmul", "transpose"),
    ("conv2d", "pad", "conv2d"),
    ("max_pool2d", "pad", "max_pool2d"),
    ("avg_pool2d", "pad", "avg_pool2d"),
    *((f"{norm}+{activation}", norm, activation) for norm in ("batch_norm",) for activation in sorted(FAMILIES[0])),
)
"""(one call, the two in a row that compute the same). `kind+activation` is a layer that applies an activation itself."""

OPERAND_ROLES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("matmul", "operand1"): ("weight", "io"),
    ("add", "operand0"): ("bias", "c"),
    ("add", "operand1"): ("bias", "c"),
}
"""(kind, role) of a parameter that the model's own code hands to an op -> role and layout that it has in the layer `linear`."""
