"""Functional ops: one canonical kind for what the frameworks call by many names, and canonical names of their arguments.

Names are those of the frameworks' public API; sources: the function lists of torch, torch.nn.functional, torch.Tensor, paddle,
paddle.nn.functional and paddle.Tensor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    "keepdim": "keepdim",
    "num_or_sections": "sections",
    "chunks": "sections",
    "split_size": "split_size",
}
_SHOWN = frozenset(
    "axis kernel_size stride padding dilation groups ceil_mode count_include_pad divisor_override output_size "
    "epsilon momentum p mode "
    "start_axis stop_axis sections split_size keepdim shape normalized_shape negative_slope alpha approximate "
    "align_corners align_mode "
    "scale_factor size value pad min max training other exponent is_causal".split()
)
_PER_AXIS = frozenset({"kernel_size", "stride", "padding", "dilation", "output_size"})

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
        plain = plain_value(value)
        if name in _SHOWN and plain is not NotImplemented:
            found[name] = per_axis(plain, kind) if name in _PER_AXIS else plain
    if found.get("stride", 0) is None and "kernel_size" in found:
        found["stride"] = found["kernel_size"]
    return found


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
