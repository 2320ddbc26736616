"""The normal form of a call's attributes, in which the two frameworks' can be compared, and in which a program carries them.

Names are the canonical ones of core.layers.Call. In normal form:

- `kernel_size`, `stride`, `dilation`, `output_padding`, `output_size`: one int per spatial axis; an `output_size` of -1 keeps
  the input's size. A `stride` of None is the kernel's.
- `padding` of convolutions and poolings: before and after each spatial axis, the first axis first (`[top, bottom, left, right]`);
  `"same"` only where strides, kernel or sizes are not known. `pad` of the kind `pad`: the last axis first, as in
  torch.nn.functional.pad (`[left, right, top, bottom]`).
- `axis`, `start_axis`, `stop_axis`: not negative where the rank is known. Of reductions and flips: a sorted list; None is all
  axes. Of `transpose`: the permutation.
- `align_corners`, `align_mode`: as they act; False and 0 where the interpolation mode ignores them. Paddle's `align_mode=0` is
  torch's only way: a pixel's place is `(i + 0.5) * scale - 0.5`; with 1 it is `i * scale` (paddle.nn.functional.interpolate).
- `approximate`: `"none"` or `"tanh"`. `data_format`: `"channels-first"` or `"channels-last"`.
- `p` of attention is the share that is dropped in this forward; `scale` of attention is None or what the product is multiplied by.

What one framework fixes and the other lets one choose (FIXED) is always there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aligndbg.core.layers import Attribute, Call

_RELATIVE = 1e-9
"""Floats nearer than this are one value that was written down, or computed, in two ways."""

_FORMULA = 1e-6
"""So near is Paddle's default slope of Hardsigmoid (0.1666667) to 1/6."""

REDUCTIONS = frozenset("mean sum max min amax amin std var prod logsumexp all any".split())
_AXIS_SETS = REDUCTIONS | {"flip"}
_NEW_AXIS = frozenset({"unsqueeze", "stack"})
"""Kinds whose axis is one of the output's."""

_ATTENTION = frozenset({"attention", "flash_attention"})
_LINEAR_MODES = frozenset({"linear", "bilinear", "trilinear"})
_POOLS = tuple(f"{what}_pool{n}d" for what in ("max", "avg") for n in (1, 2, 3))
_CONVS = tuple(f"conv{transpose}{n}d" for transpose in ("", "_transpose") for n in (1, 2, 3))
_ADAPTIVE = tuple(f"adaptive_{what}_pool{n}d" for what in ("max", "avg") for n in (1, 2, 3))
_CHANNELS = (
    *_CONVS,
    *_POOLS,
    *_ADAPTIVE,
    *"batch_norm instance_norm group_norm local_response_norm interpolate".split(),
    *"pixel_shuffle pixel_unshuffle channel_shuffle prelu".split(),
)

FIXED: Mapping[str, Mapping[str, Attribute]] = {
    **{kind: {"data_format": "channels-first"} for kind in _CHANNELS},
    **{f"max_pool{n}d": {"data_format": "channels-first", "dilation": 1} for n in (1, 2, 3)},
    "batch_norm": {"data_format": "channels-first", "activation": None},
    "instance_norm": {"data_format": "channels-first", "batch_stats": True},
    "dropout": {"mode": "upscale_in_train"},
    "interpolate": {"data_format": "channels-first", "align_mode": 0, "antialias": False},
    "relu6": {"min": 0.0, "max": 6.0},
    "selu": {"scale": 1.0507009873554805, "alpha": 1.6732632423543772},
    "hardsigmoid": {"slope": 1 / 6, "offset": 0.5},
    **{kind: {"alpha": 1.0} for kind in ("add", "subtract")},
    **{kind: {"scale": None} for kind in _ATTENTION},
}
"""By kind: what an attribute is where a framework, or this call, does not name it."""

_FLAGS = frozenset(
    "ceil_mode count_include_pad bias affine track_running_stats batch_stats align_corners antialias keepdim training is_causal "
    "bidirectional transpose_x transpose_y".split()
)
_NUMBERS = frozenset(
    "epsilon momentum p dropout negative_slope alpha beta threshold k min max slope offset scale value lower upper other exponent "
    "divisor_override correction".split()
)
_PER_AXIS = frozenset({"kernel_size", "stride", "dilation", "output_padding", "output_size"})
_MODES = frozenset({"mode", "padding_mode", "activation"})


def normal(kind: str, attributes: Mapping[str, Attribute], rank: int | None = None) -> dict[str, Attribute]:
    """`attributes` of a call of `kind` in normal form; it is its own normal form. `rank`: of the first input."""
    found: dict[str, Attribute] = {**FIXED.get(kind, {}), **attributes}
    context = _Context(kind, _spatial(kind, rank), rank)
    for name, value in found.items():
        found[name] = context.value(name, value)
    if found.get("stride", 0) is None and "kernel_size" in found:
        found["stride"] = found["kernel_size"]
    if "padding" in found:
        found["padding"] = _padding(found, context.spatial)
    for rule in _RULES.get(kind, ()):
        rule(found, context)
    return found


def normal_of(call: Call) -> dict[str, Attribute]:
    """The attributes of `call` in normal form, with all that its tensors tell: the rank, a functional convolution's kernel, the
    padding that is `"same"`, sizes that are the input's, the parts of a split, the scale of attention."""
    shape = call.inputs[0].spec.shape if call.inputs else None
    attributes = dict(call.attributes)
    if call.kind in _CONVS and "kernel_size" not in attributes:
        weight = next((param.spec.shape for param in call.params if param.role == "weight"), ())
        if len(weight) == 2 + _spatial(call.kind, None):
            attributes["kernel_size"] = list(weight[2:])
    found = normal(call.kind, attributes, None if shape is None else len(shape))
    if shape is None:
        return found
    inner = list(shape[1:-1] if found.get("data_format") == "channels-last" else shape[2:])
    if found.get("padding") == "same":
        found["padding"] = _same(found, inner)
    sizes = found.get("output_size")
    if isinstance(sizes, list) and call.kind in _ADAPTIVE and len(sizes) <= len(inner):
        own = inner[len(inner) - len(sizes) :]
        found["output_size"] = [size if size != -1 else mine for size, mine in zip(sizes, own, strict=True)]
    if call.kind == "split":
        axis = found.get("axis")
        if isinstance(axis, int) and 0 <= axis < len(shape):
            gone = len(call.output.shape) < len(shape)
            found["sections"] = [1 if gone else output.shape[axis] for output in call.outputs]
        found.pop("split_size", None)
    if call.kind in _ATTENTION and found["scale"] is None and shape[-1]:
        found["scale"] = 1 / math.sqrt(shape[-1])
    return found


def equal(one: Attribute, other: Attribute) -> bool:
    """Whether two values in normal form are the same; floats to a relative 1e-9, a bool is no number."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(equal(mine, yours) for mine, yours in zip(one, other, strict=True))
    if isinstance(one, bool) or isinstance(other, bool):
        return isinstance(one, bool) and isinstance(other, bool) and one == other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return one == other or math.isclose(one, other, rel_tol=_RELATIVE)
    return type(one) is type(other) and one == other


@dataclass(frozen=True, slots=True)
class _Context:
    """What a value is read with; `spatial` is the number of spatial axes, 0 where it is not known."""

    kind: str
    spatial: int
    rank: int | None

    def value(self, name: str, value: Attribute) -> Attribute:
        if name in _FLAGS:
            return bool(value)
        if name in _NUMBERS:
            return float(value) if isinstance(value, (int, float)) else value
        if name in _PER_AXIS:
            return spread(value, self.spatial)
        if name in _MODES and isinstance(value, str):
            return value.lower()
        if name == "approximate":
            return value if isinstance(value, str) else "tanh" if value else "none"
        if name == "data_format":
            return _data_format(value)
        if name in ("axis", "start_axis", "stop_axis"):
            return self.axes(value)
        if name == "normalized_shape" and isinstance(value, int):
            return [value]
        return value

    def axes(self, value: Attribute) -> Attribute:
        if isinstance(value, list):
            extra = len(value) if self.kind in _NEW_AXIS else 0
            found: list[int | float | str] = [self.axis(axis, extra) for axis in _ints(value)]
            return [*sorted(_ints(found))] if self.kind in _AXIS_SETS else found
        if isinstance(value, int):
            axis = self.axis(value, 1 if self.kind in _NEW_AXIS else 0)
            return [axis] if self.kind in _AXIS_SETS else axis
        if value is None and self.rank is not None:
            if self.kind in _AXIS_SETS:
                return list(range(self.rank))
            if self.kind in ("softmax", "log_softmax"):
                # torch.nn.functional._get_softmax_dim
                return 0 if self.rank in (0, 1, 3) else 1
        return value

    def axis(self, axis: int, extra: int) -> int:
        return axis + self.rank + extra if axis < 0 and self.rank is not None else axis


def spread(value: Attribute, spatial: int) -> Attribute:
    """`value` once per spatial axis, where it stands for all of them; an absent size is -1."""
    if isinstance(value, list) and len(value) == 1 < spatial:
        return value * spatial
    if isinstance(value, (int, float)) and not isinstance(value, bool) and spatial:
        return [value] * spatial
    return value


def _spatial(kind: str, rank: int | None) -> int:
    if kind[-2:-1].isdigit() and kind.endswith("d"):
        return int(kind[-2])
    return max(0, rank - 2) if rank is not None and kind == "interpolate" else 0


def _data_format(value: Attribute) -> Attribute:
    if not isinstance(value, str):
        return "channels-first"
    if value.startswith("channels"):
        return value
    return "channels-last" if value.upper().endswith("C") and len(value) > 2 else "channels-first"


def _padding(found: Mapping[str, Attribute], spatial: int) -> Attribute:
    value = found["padding"]
    if isinstance(value, str):
        if value.lower() == "valid" and spatial:
            return [0] * (2 * spatial)
        return _same(found, None) if value.lower() == "same" else value
    if isinstance(value, int) and spatial:
        return [value] * (2 * spatial)
    if not isinstance(value, list) or not spatial:
        return value
    if len(value) == 1:
        return value * (2 * spatial)
    if len(value) == spatial:
        return [pad for pad in value for _ in range(2)]
    if len(value) == 2 * (spatial + 2):
        # Paddle's form with batch and channels, [[0, 0], [0, 0], [top, bottom], [left, right]].
        return value[2:-2] if found.get("data_format") == "channels-last" else value[4:]
    return value


def _same(found: Mapping[str, Attribute], sizes: list[int] | None) -> Attribute:
    """What `"same"` pads: so much that an output has `ceil(size / stride)` elements, the odd one after (paddle `UpdatePadding`)."""
    kernel, stride = _ints(found.get("kernel_size")), _ints(found.get("stride", 1))
    dilation = _ints(spread(found.get("dilation", 1), len(kernel)))
    stride = stride * len(kernel) if len(stride) == 1 else stride
    if not kernel or len(stride) != len(kernel) or len(dilation) != len(kernel):
        return "same"
    if any(step != 1 for step in stride) and (sizes is None or len(sizes) != len(kernel)):
        return "same"
    pads: list[int | float | str] = []
    for place, (size, step, apart) in enumerate(zip(kernel, stride, dilation, strict=True)):
        total = apart * (size - 1)
        if step != 1 and sizes is not None:
            total = max(0, (-(-sizes[place] // step) - 1) * step + total + 1 - sizes[place])
        pads += [total // 2, total - total // 2]
    return pads


def _ints(value: Attribute) -> list[int]:
    if isinstance(value, list):
        return [item for item in value if isinstance(item, int)]
    return [value] if isinstance(value, int) else []


def _interpolate(found: dict[str, Attribute], context: _Context) -> None:
    for name in ("size", "scale_factor"):
        if name in found:
            found[name] = spread(found[name], context.spatial)
    scale = found.get("scale_factor")
    if isinstance(scale, list):
        found["scale_factor"] = [float(item) for item in scale]
    elif isinstance(scale, int):
        found["scale_factor"] = float(scale)
    mode = found.get("mode")
    if mode is None:
        return
    if mode not in _LINEAR_MODES | {"bicubic"}:
        found["align_corners"] = False
    if mode not in _LINEAR_MODES or found.get("align_corners"):
        found["align_mode"] = 0


def _slope(found: dict[str, Attribute], context: _Context) -> None:
    slope = found["slope"]
    if isinstance(slope, float) and math.isclose(slope, 1 / 6, rel_tol=_FORMULA):
        found["slope"] = 1 / 6


def _drop_share(found: dict[str, Attribute], context: _Context) -> None:
    if found.get("training") is False:
        found["p"] = 0.0


def _embedding(found: dict[str, Attribute], context: _Context) -> None:
    index, size = found.get("padding_idx"), found.get("num_embeddings")
    if isinstance(index, int) and isinstance(size, int) and index < 0:
        found["padding_idx"] = index + size


def _pad(found: dict[str, Attribute], context: _Context) -> None:
    pads = found.get("pad")
    if isinstance(pads, list):
        while len(pads) > 2 and not any(pads[-2:]):
            pads = pads[:-2]
        found["pad"] = pads
    if found.get("value", 0.0) is None:
        found["value"] = 0.0
    if found.get("mode", "constant") != "constant":
        found.pop("value", None)


def _permutation(found: dict[str, Attribute], context: _Context) -> None:
    swapped = found.get("swap")
    if isinstance(swapped, list) and len(swapped) == 2 and context.rank is not None:
        one, other = (context.axis(axis, 0) for axis in _ints(swapped))
        order = list(range(context.rank))
        order[one], order[other] = order[other], order[one]
        found["axis"] = list(order)
        del found["swap"]


_Rule = Callable[[dict[str, Attribute], _Context], None]
_RULES: Mapping[str, tuple[_Rule, ...]] = {
    "interpolate": (_interpolate,),
    "hardsigmoid": (_slope,),
    "pad": (_pad,),
    "embedding": (_embedding,),
    "transpose": (_permutation,),
    **dict.fromkeys(_ATTENTION, (_drop_share,)),
}
