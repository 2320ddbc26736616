"""Functional ops: one canonical kind for what the frameworks call by many names, and canonical names of their arguments.

Names are those of the frameworks' public API; sources: the function lists of torch, torch.nn.functional, torch.Tensor, paddle,
paddle.nn.functional and paddle.Tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aligndbg.core.layers import Attribute

_SYNONYMS: Mapping[str, str] = {
    "concat": "cat concatenate",
    "stack": "",
    "split": "chunk tensor_split unbind unstack vsplit hsplit",
    "add": "radd iadd",
    "subtract": "sub isub",
    "rsubtract": "rsub",
    "multiply": "mul rmul imul",
    "divide": "div truediv itruediv true_divide",
    "rdivide": "rtruediv rdiv",
    "floor_divide": "floordiv",
    "matmul": "mm bmm rmatmul",
    "negative": "neg",
    "power": "pow",
    "slice": "getitem narrow index_select",
    "set_slice": "setitem",
    "reshape": "view unflatten",
    "transpose": "permute swapaxes t moveaxis movedim",
    "expand": "expand_as broadcast_to",
    "tile": "repeat",
    "clamp": "clip clamp_min clamp_max",
    "cast": "to type astype float double half bfloat16 int long bool cuda cpu",
    "clone": "contiguous detach assign alias",
    "interpolate": "upsample",
    "silu": "swish",
    "dropout": "dropout1d dropout2d dropout3d feature_dropout alpha_dropout",
    "max_pool1d": "max_pool1d_with_indices",
    "max_pool2d": "max_pool2d_with_indices",
    "max_pool3d": "max_pool3d_with_indices",
    "adaptive_max_pool2d": "adaptive_max_pool2d_with_indices",
    "conv_transpose1d": "conv1d_transpose",
    "conv_transpose2d": "conv2d_transpose depthwise_conv2d_transpose",
    "conv_transpose3d": "conv3d_transpose",
    "conv2d": "depthwise_conv2d",
    "rsqrt": "",
    "multihead_attention": "multi_head_attention_forward",
    "attention": "scaled_dot_product_attention",
    "leaky_relu": "",
    "hardtanh": "",
    "threshold": "thresholded_relu",
}
_CANONICAL: Mapping[str, str] = {name: kind for kind, names in _SYNONYMS.items() for name in names.split()}

NOT_A_CALL = frozenset(
    "size dim numel stride is_contiguous element_size storage_offset get_device data_ptr requires_grad_ register_hook backward "
    "item tolist numpy __len__ __bool__ __iter__ __repr__ __format__ __contains__ is_floating_point is_complex".split()
)
"""Methods that only ask about a tensor."""

_ARGUMENTS: Mapping[str, str] = {
    "dim": "axis",
    "dims": "axis",
    "eps": "epsilon",
    "ksize": "kernel_size",
    "strides": "stride",
    "paddings": "padding",
    "dilations": "dilation",
    "start_dim": "start_axis",
    "end_dim": "stop_axis",
    "perm": "axis",
    "num_or_sections": "sections",
    "chunks": "sections",
    "split_size_or_sections": "split_size",
    "num_groups": "groups",
    "min_val": "min",
    "max_val": "max",
    "lambd": "threshold",
    "dropout_p": "p",
    "y": "other",
    "use_input_stats": "batch_stats",
}
_SHOWN = frozenset(
    "axis kernel_size stride padding dilation groups ceil_mode count_include_pad divisor_override output_size output_padding "
    "epsilon momentum p mode batch_stats data_format "
    "start_axis stop_axis sections split_size keepdim shape normalized_shape negative_slope alpha beta k threshold slope offset "
    "lower upper approximate align_corners align_mode antialias upscale_factor downscale_factor padding_idx "
    "scale_factor size recompute_scale_factor value pad min max training other exponent rounding_mode is_causal scale "
    "transpose_x transpose_y".split()
)
_PER_AXIS = frozenset({"kernel_size", "stride", "padding", "dilation", "output_size", "output_padding"})

PARAMETER_ROLES: Mapping[str, str] = {
    "weight": "weight",
    "bias": "bias",
    "running_mean": "mean",
    "running_var": "variance",
}
"""Role of a tensor given to an op under this argument name."""


def canonical_kind(name: str) -> str:
    """The kind of an op called `name`: dunders, in-place underscores and synonyms taken off."""
    plain = name.strip("_").lower()
    return _CANONICAL.get(plain, plain)


def is_in_place(name: str) -> bool:
    """Whether an op called `name` writes into its first argument: `add_`, `__iadd__`, `__setitem__`."""
    if name.startswith("__"):
        return name == "__setitem__" or name[2:-2] in _IN_PLACE_OPERATORS
    return name.endswith("_")


_IN_PLACE_OPERATORS = frozenset("iadd isub imul idiv itruediv ifloordiv imod ipow iand ior ixor ilshift irshift".split())


def canonical_attributes(kind: str, arguments: Mapping[str, Any]) -> dict[str, Attribute]:
    """The arguments worth comparing, by canonical name, of an op of `kind` called with `arguments` (its own names)."""
    found: dict[str, Attribute] = {}
    for name, value in arguments.items():
        if name == "exclusive":
            found["count_include_pad"] = not value
            continue
        name = _ARGUMENTS.get(name, name)
        if name == "other" and kind == "power":
            name = "exponent"
        plain = plain_value(_FLATTENED[name](value) if name in _FLATTENED else value)
        if name in _SHOWN and plain is not NotImplemented:
            found[name] = per_axis(plain, kind) if name in _PER_AXIS else plain
    if found.get("stride", 0) is None and "kernel_size" in found:
        found["stride"] = found["kernel_size"]
    if kind in _OWN:
        found |= _OWN[kind](arguments)
    return found


def sizes(value: Any) -> Any:
    """An output size in which None, an axis that keeps its size, is -1."""
    return [-1 if size is None else size for size in value] if isinstance(value, (list, tuple)) else value


def flat(value: Any) -> Any:
    """Paddle's `[[0, 0], [0, 0], [top, bottom], [left, right]]` in one list."""
    if isinstance(value, (list, tuple)) and any(isinstance(item, (list, tuple)) for item in value):
        return [number for item in value for number in item]
    return value


def global_stats(use_global_stats: bool | None, training: bool) -> bool:
    """Whether Paddle's batch norm uses its running statistics (paddle.nn.functional.batch_norm): False is honoured in eval too."""
    return not training if use_global_stats is None else use_global_stats


def _batch_norm(arguments: Mapping[str, Any]) -> dict[str, Attribute]:
    training = bool(arguments.get("training", False))
    found: dict[str, Attribute] = {"batch_stats": not global_stats(arguments.get("use_global_stats"), training)}
    if "epsilon" in arguments and isinstance(momentum := arguments.get("momentum"), float):
        # Paddle's names: it keeps the share of the old value, torch that of the new one.
        found["momentum"] = round(1.0 - momentum, 12)
    return found


def _has_bias(arguments: Mapping[str, Any]) -> dict[str, Attribute]:
    return {"bias": arguments["bias"] is not None} if "bias" in arguments else {}


def _approximate(arguments: Mapping[str, Any]) -> dict[str, Attribute]:
    value = arguments.get("approximate", "none")
    return {"approximate": value if isinstance(value, str) else "tanh" if value else "none"}


def _corners(arguments: Mapping[str, Any]) -> dict[str, Attribute]:
    return {"align_corners": bool(arguments.get("align_corners"))}


def _spread(arguments: Mapping[str, Any]) -> dict[str, Attribute]:
    unbiased, correction = arguments.get("unbiased"), arguments.get("correction")
    return {"correction": float(1 if correction is None else correction) if unbiased is None else float(unbiased)}


def _padding(arguments: Mapping[str, Any]) -> dict[str, Attribute]:
    """Paddle's paddings of all axes begin with the first axis (paddle.nn.functional.pad, `pad_from_left_axis`)."""
    pad, mode = plain_value(arguments.get("pad")), arguments.get("mode", "constant")
    rank = len(getattr(arguments.get("x"), "shape", ()))
    if isinstance(pad, list) and len(pad) == 2 * rank and mode == "constant" and arguments.get("pad_from_left_axis"):
        return {"pad": [number for axis in reversed(range(rank)) for number in pad[2 * axis : 2 * axis + 2]]}
    return {}


def _transpose(arguments: Mapping[str, Any]) -> dict[str, Attribute]:
    for one, other in (("dim0", "dim1"), ("axis0", "axis1")):
        if one in arguments and other in arguments:
            return {"swap": [arguments[one], arguments[other]]}
    return {}


def _conv(arguments: Mapping[str, Any]) -> dict[str, Attribute]:
    found = _has_bias(arguments)
    padding = arguments.get("padding")
    if isinstance(padding, str) and padding.upper() == "SAME" and "data_format" in arguments:
        # Paddle convolves without dilation then (phi, UpdatePaddingAndDilation).
        found["dilation"] = 1
    return found


_FLATTENED: Mapping[str, Callable[[Any], Any]] = {"output_size": sizes, "padding": flat}
_OWN: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Attribute]]] = {
    **{f"conv{transpose}{n}d": _conv for transpose in ("", "_transpose") for n in (1, 2, 3)},
    "linear": _has_bias,
    "gelu": _approximate,
    "interpolate": _corners,
    "batch_norm": _batch_norm,
    "std": _spread,
    "var": _spread,
    "pad": _padding,
    "transpose": _transpose,
}


def per_axis(value: Any, kind: str) -> Attribute:
    """An int for a 2-d layer as a list of two; a list stays."""
    axes = int(kind[-2]) if kind[-2:-1].isdigit() and kind.endswith("d") else 0
    return [value] * axes if axes and isinstance(value, int) and not isinstance(value, bool) else value


def plain_value(value: Any) -> Any:
    """`value` if a report can hold it (lists flat, tuples as lists), else NotImplemented."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Sequence):
        flat: list[Any] = []
        for item in value:
            inner = plain_value(item)
            if inner is NotImplemented or item is None or (isinstance(item, Sequence) and not isinstance(item, str)):
                return NotImplemented
            flat.append(inner)
        return flat
    return NotImplemented
