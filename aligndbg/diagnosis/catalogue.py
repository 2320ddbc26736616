"""The catalogue of attributes, and what it tells of two paired calls before any number is looked at.

Sources: the constructors and functions of torch 2.13 and paddlepaddle 3.3 that each row names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from aligndbg.core.attributes import REDUCTIONS, equal, normal_of
from aligndbg.core.layers import Attribute, Call
from aligndbg.core.likeness import equivalent
from aligndbg.diagnosis.catalogue_layers import ACTIVATIONS, FEATURES, FORMATS, NORMALISATION
from aligndbg.diagnosis.catalogue_ops import AXES, OPERANDS
from aligndbg.diagnosis.catalogue_row import Row
from aligndbg.diagnosis.catalogue_spelling import argument, takes, typed
from aligndbg.diagnosis.catalogue_windows import WINDOWS

__all__ = ["CATALOGUE", "AttributeDifference", "alternatives", "argument", "attribute_differences", "rows_of"]

CATALOGUE: tuple[Row, ...] = (*WINDOWS, *NORMALISATION, *ACTIVATIONS, *FEATURES, *FORMATS, *AXES, *OPERANDS)

_MOVES_NOTHING = frozenset({"flatten", "squeeze", "unsqueeze"})
"""Kinds whose result is settled by its shape."""

_AXES_OF_ONE = frozenset("softmax log_softmax glu concat stack split cumsum normalize".split())

_EITHER = frozenset({"size", "scale_factor"})
"""Arguments of which a call has one: where the other side has the other, neither can be typed into this one."""

_Normal = Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class AttributeDifference:
    """Attribute `name` has other values on the two sides, in normal form.

    `shows` is whether this forward can tell; one that does not show may still matter in training, or for another input. `old` and
    `new` are Paddle's argument as one would type it, with Paddle's value and with torch's; `""` where Paddle has none.
    """

    name: str
    cause: str
    torch: Attribute
    paddle: Attribute
    shows: bool
    old: str
    new: str

    @property
    def told(self) -> str:
        """The difference in words that follow the name of Paddle's layer."""
        if self.old:
            return f"has {self.old}, torch's has {self.new}"
        return f"has {self.name} {self.paddle}, torch's has {self.torch}"


@cache
def rows_of(kind: str) -> tuple[Row, ...]:
    """The rows of a kind, in the catalogue's order."""
    return tuple(row for row in CATALOGUE if kind in row.kinds)


def attribute_differences(torch: Call, paddle: Call) -> tuple[AttributeDifference, ...]:
    """What two paired calls of one kind, or of kinds that can compute the same, say differently about themselves.

    Only what both say counts, and only what can ever matter: not how padding is counted where there is none.
    """
    if torch.kind != paddle.kind and not equivalent(torch, paddle) and not {torch.kind, paddle.kind} <= _ATTENTION:
        return ()
    mine, others = normal_of(torch), normal_of(paddle)
    found = []
    for row in rows_of(torch.kind):
        name = row.name
        if paddle.kind not in row.kinds or name not in mine or name not in others or equal(mine[name], others[name]):
            continue
        void = _VOID.get(name)
        if void is not None and void(torch, paddle, mine, others):
            continue
        dormant = _DORMANT.get(name)
        shows = row.shows if dormant is None else not dormant(torch, paddle, mine, others)
        old = new = ""
        if name in paddle.attributes and takes(row, paddle) and not (name in _EITHER and None in (mine[name], others[name])):
            old = typed(row, others[name], paddle.attributes[name], paddle)
            new = typed(row, mine[name], torch.attributes.get(name), paddle)
        found.append(
            AttributeDifference(
                name=name,
                cause=row.extra if row.extra and others[name] else row.cause,
                torch=mine[name],
                paddle=others[name],
                shows=shows,
                old=old,
                new=new,
            )
        )
    return tuple(found)


def alternatives(call: Call) -> tuple[tuple[str, Attribute], ...]:
    """(attribute, value in normal form) worth trying where `call` behaves as if it were set otherwise; none is what it says."""
    found = normal_of(call)
    tried: list[tuple[str, Attribute]] = []
    for row in rows_of(call.kind):
        name = row.name
        if name not in found:
            continue
        for value in (*row.alternatives, *_moved(name, call, found)):
            plain = normal_of(replace(call, attributes={**found, name: value}))[name]
            if not equal(plain, found[name]) and not any(one == name and equal(plain, old) for one, old in tried):
                tried.append((name, plain))
    return tuple(tried)


def _moved(name: str, call: Call, found: _Normal) -> Sequence[Attribute]:
    """Alternatives that depend on the call: other axes, uneven paddings."""
    value, kind = found[name], call.kind
    rank = len(call.inputs[0].spec.shape) if call.inputs else None
    if name == "axis" and kind in _AXES_OF_ONE and rank is not None:
        return range(rank)
    if name == "axis" and kind in REDUCTIONS and rank is not None:
        return [*([axis] for axis in range(rank)), [*range(2, rank)]]
    if name == "axis" and kind == "transpose" and isinstance(value, list):
        inverse: list[int | float | str] = [value.index(axis) for axis in range(len(value))]
        return [inverse]
    if name == "padding" and isinstance(value, list) and len(value) % 2 == 0:
        axes = len(value) // 2
        uneven: list[Attribute] = [[0, 1] * axes, [1, 0] * axes]
        return uneven
    return ()


_ATTENTION = frozenset({"attention", "flash_attention"})
_Rule = Callable[[Call, Call, _Normal, _Normal], bool]


def _same_shapes(torch: Call, paddle: Call, mine: _Normal, others: _Normal) -> bool:
    return torch.output.shape == paddle.output.shape


def _settled_by_shape(torch: Call, paddle: Call, mine: _Normal, others: _Normal) -> bool:
    return torch.kind in _MOVES_NOTHING and _same_shapes(torch, paddle, mine, others)


def _no_padding(torch: Call, paddle: Call, mine: _Normal, others: _Normal) -> bool:
    return not any(pad for side in (mine, others) for pad in _list(side.get("padding")))


def _kernel_of_one(torch: Call, paddle: Call, mine: _Normal, others: _Normal) -> bool:
    return all(size == 1 for side in (mine, others) for size in _list(side.get("kernel_size")) or [0])


def _unknown_padding(torch: Call, paddle: Call, mine: _Normal, others: _Normal) -> bool:
    return isinstance(mine["padding"], str) != isinstance(others["padding"], str)


def _one_operand(torch: Call, paddle: Call, mine: _Normal, others: _Normal) -> bool:
    """Of two tensors added up, not of a tensor and a number, or of other numbers of tensors."""
    return not (_is_number(mine["other"]) and _is_number(others["other"]))


def _same_scale(torch: Call, paddle: Call, mine: _Normal, others: _Normal) -> bool:
    """One side gives a size, the other a factor, and the pixels come out at the same places."""
    pairs = zip(_scale(torch, mine), _scale(paddle, others), strict=False)
    return all(math.isclose(one, other, rel_tol=1e-6) for one, other in pairs)


def _scale(call: Call, found: _Normal) -> list[float]:
    factor = found.get("scale_factor")
    if isinstance(factor, list):
        return [float(item) for item in factor]
    if isinstance(factor, (int, float)):
        return [float(factor)] * 3
    before = _inner(call.inputs[0].spec.shape if call.inputs else (), found)
    after = _inner(call.output.shape, found)
    return [new / old for old, new in zip(before, after, strict=False) if old]


def _unclear_size(torch: Call, paddle: Call, mine: _Normal, others: _Normal) -> bool:
    """Only one side names a size; its scale is compared as `scale_factor` then."""
    return mine.get("size") is None or others.get("size") is None


def _bias_of_affine(torch: Call, paddle: Call, mine: _Normal, others: _Normal) -> bool:
    """A layer without weights has no bias either; that is one difference."""
    return "affine" in mine and "affine" in others and mine["affine"] != others["affine"]


def _other_wholes(torch: Call, paddle: Call, mine: _Normal, others: _Normal) -> bool:
    """The parts are of other tensors: the fault is where those were made."""
    return [ref.spec.shape for ref in torch.inputs[:1]] != [ref.spec.shape for ref in paddle.inputs[:1]]


_VOID: Mapping[str, _Rule] = {
    "start_axis": _same_shapes,
    "stop_axis": _same_shapes,
    "keepdim": _same_shapes,
    "axis": _settled_by_shape,
    "padding": _unknown_padding,
    "padding_mode": _no_padding,
    "count_include_pad": _no_padding,
    "dilation": _kernel_of_one,
    "other": _one_operand,
    "scale_factor": _same_scale,
    "size": _unclear_size,
    "bias": _bias_of_affine,
    "sections": _other_wholes,
}
"""By attribute: where a difference can never matter."""


def _fits_evenly(torch: Call, paddle: Call, mine: _Normal, others: _Normal) -> bool:
    """No window is left over, so that rounding up is rounding down."""
    if not paddle.inputs:
        return False
    kernel, stride = _ints(others.get("kernel_size")), _ints(others.get("stride"))
    padding, dilation = _ints(others.get("padding")), _ints(others.get("dilation")) or [1] * len(kernel)
    sizes = _inner(paddle.inputs[0].spec.shape, others)
    if not len(sizes) == len(kernel) == len(stride) == len(dilation) or len(padding) != 2 * len(kernel):
        return False
    return all(
        (sizes[axis] + padding[2 * axis] + padding[2 * axis + 1] - dilation[axis] * (kernel[axis] - 1) - 1) % stride[axis] == 0
        for axis in range(len(kernel))
    )


def _drops_nothing(torch: Call, paddle: Call, mine: _Normal, others: _Normal) -> bool:
    scales = others.get("mode") == "downscale_in_infer"
    return not scales and not mine.get("training") and not others.get("training")


def _keeps_all(torch: Call, paddle: Call, mine: _Normal, others: _Normal) -> bool:
    return not mine.get("p", 1.0) and not others.get("p", 1.0)


def _only_torch_pads(torch: Call, paddle: Call, mine: _Normal, others: _Normal) -> bool:
    return others["padding_idx"] is None


_DORMANT: Mapping[str, _Rule] = {
    "ceil_mode": _fits_evenly,
    "p": lambda *sides: sides[0].kind == "dropout" and _drops_nothing(*sides),
    "mode": lambda *sides: sides[0].kind == "dropout" and _keeps_all(*sides),
    "training": _keeps_all,
    "padding_idx": _only_torch_pads,
}
"""By attribute: where this forward does not tell a difference."""


def _inner(shape: Sequence[int], found: _Normal) -> Sequence[int]:
    """The spatial sizes."""
    return shape[1:-1] if found.get("data_format") == "channels-last" else shape[2:]


def _is_number(value: Attribute) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _list(value: Attribute) -> list[int | float | str]:
    return value if isinstance(value, list) else []


def _ints(value: Attribute) -> list[int]:
    return [item for item in _list(value) if isinstance(item, int)]
