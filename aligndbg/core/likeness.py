"""What two calls have in common, one by one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from aligndbg.core.attributes import equal, normal_of
from aligndbg.core.kinds import EQUIVALENT, HARMLESS_IN_EVAL, KEEPS_WHEN_SAME_SHAPE, OPERAND_ROLES, WEIGHTED
from aligndbg.core.layers import Call, ParamSpec

_TOLD = 4
"""So many unequal attributes are spelled out."""


def is_weighted(call: Call) -> bool:
    """Whether the call is a layer with weights, not an op that happens to be handed a parameter."""
    return call.kind in WEIGHTED or any(not param.role.startswith("operand") for param in call.params)


def equivalent(one: Call, other: Call) -> bool:
    """Whether two calls of different kinds can compute the same."""
    return other.kind in groups(EQUIVALENT).get(one.kind, ()) and sizes(one) == sizes(other)


def same_weights(one: Call, other: Call) -> bool:
    """Whether the main parameters have the same shapes, each read in the order that its own class stores it in."""
    return weights_of(one).fits(weights_of(other))


def differences(torch: Call, paddle: Call) -> tuple[str, ...]:
    """What is unlike about two paired calls, in words."""
    found = []
    if torch.output.shape != paddle.output.shape:
        found.append(f"output shapes differ, torch {_shape(torch)}, Paddle {_shape(paddle)}")
    if not same_weights(torch, paddle):
        found.append("weight shapes differ")
    elif weights_of(torch).roles != weights_of(paddle).roles:
        roles = set(weights_of(torch).roles), set(weights_of(paddle).roles)
        sides = ((roles[0] - roles[1], "torch"), (roles[1] - roles[0], "Paddle"))
        found.append("; ".join(f"only {side} has {' and '.join(sorted(own))}" for own, side in sides if own))
    mine, others = normal_of(torch), normal_of(paddle)
    unequal = [
        name for name in sorted(torch.attributes.keys() & paddle.attributes.keys()) if not equal(mine.get(name), others.get(name))
    ]
    if unequal:
        told = [f"{name} {mine.get(name)} in torch, {others.get(name)} in Paddle" for name in unequal]
        found.append(f"attributes differ: {'; '.join(told[:_TOLD])}{'; ...' if len(told) > _TOLD else ''}")
    return tuple(found)


def alike(torch: Call, paddle: Call) -> bool:
    """Whether two calls can compute the same, as far as kinds and weight shapes tell."""
    same_kind = torch.kind == paddle.kind or equivalent(torch, paddle)
    return same_kind and same_weights(torch, paddle)


def does_nothing(call: Call) -> bool:
    """Whether the call hands its input on, in eval. A Dropout in mode `downscale_in_infer` does not: it scales; nor does one that
    is left in training."""
    if call.kind in HARMLESS_IN_EVAL:
        return call.attributes.get("mode") != "downscale_in_infer" and call.attributes.get("training") is not True
    if call.params or len(call.inputs) != 1 or len(call.outputs) != 1:
        return False
    keeps_shape = call.inputs[0].spec.shape == call.output.shape
    return call.kind == "concat" or (keeps_shape and call.kind in KEEPS_WHEN_SAME_SHAPE)


def makes_weights(call: Call) -> bool:
    """Whether the call reads parameters alone: its result is a weight, and the layer that reads it tells whether it is right."""
    return bool(call.params) and not call.inputs


def narrows(call: Call) -> bool:
    """Whether the call converts to a dtype that cannot hold what it reads."""
    if call.kind != "cast" or len(call.inputs) != 1:
        return False
    return call.inputs[0].spec.dtype in _WIDE and call.output.dtype not in _WIDE


_WIDE = frozenset({"float32", "float64", "complex64", "complex128"})


@dataclass(frozen=True, slots=True)
class Weights:
    """Shapes of a call's main parameters. `by_letter` is () where the order of an axis is not known."""

    by_letter: tuple[tuple[int, ...], ...]
    by_size: tuple[tuple[int, ...], ...]
    roles: tuple[str, ...]

    def fits(self, other: Weights) -> bool:
        if self.by_letter and other.by_letter:
            return self.by_letter == other.by_letter
        return self.by_size == other.by_size


def weights_of(call: Call) -> Weights:
    params = [part for param in call.params if param.role != "count" for part in _parts(call, param)]
    main = [part for part in params if part[0].endswith("weight")] or params
    by_letter: tuple[tuple[int, ...], ...] = ()
    if all(layout for _, layout, _ in main):
        by_letter = tuple(sorted(tuple(size for _, size in sorted(zip(layout, shape, strict=True))) for _, layout, shape in main))
    by_size = tuple(sorted(tuple(sorted(shape)) for _, _, shape in main))
    return Weights(by_letter, by_size, tuple(sorted({role for role, _, _ in params})))


def _parts(call: Call, param: ParamSpec) -> Iterable[tuple[str, str, tuple[int, ...]]]:
    """(role, layout, shape) of a parameter; a fused qkv as the three that it holds."""
    role, layout, shape = param.role, param.layout, param.spec.shape
    if role.startswith("qkv."):
        third = (shape[0] // 3, *shape[1:])
        return [(f"{name}.{role[4:]}", layout, third) for name in "qkv"]
    known = OPERAND_ROLES.get((call.kind, role))
    if known and len(known[1]) == len(shape) and call.kind == "matmul":
        # Of a weight that the forward lays out before, the order of the stored axes is not known.
        return [(known[0], known[1] if layout else "", shape)]
    return [("operand" if role.startswith("operand") else role, "" if role.startswith("operand") else layout, shape)]


@cache
def groups(table: tuple[frozenset[str], ...]) -> Mapping[str, frozenset[str]]:
    return {kind: frozenset().union(*(group for group in table if kind in group)) for group in table for kind in group}


def sizes(call: Call) -> tuple[int, ...]:
    """Number of elements of each output."""
    return tuple(math.prod(output.shape) for output in call.outputs)


def _shape(call: Call) -> str:
    return "x".join(map(str, call.output.shape)) or "scalar"
