"""From paired layers to a conversion plan, and one tensor by its rule.

What a parameter is (`role`) and how its axes are ordered (`layout`) comes from the classes of the two paired layers. Neither its
name nor its shape decides, so that a square matrix is transposed where the classes say so. Where no class is known, a flag tells
what the rule rests on instead.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.kinds import OPERAND_ROLES
from aligndbg.core.layers import Call, LayerPair, ParamSpec
from aligndbg.errors import PairError
from aligndbg.weights.plan import WeightPlan, WeightRule

Array = NDArray[Any]

NO_PARTNER = frozenset({"count"})
"""Roles that Paddle has nothing for: torch's count of the batches seen."""

_AXES: Mapping[str, str] = {"o": "out", "i": "in", "c": "channel", "d": "depth", "h": "height", "w": "width", "v": "entry"}


def plan(
    layers: Sequence[LayerPair],
    torch_state: Sequence[ParamSpec],
    paddle_state: Sequence[ParamSpec],
    mapped: Mapping[str, str] | None = None,
    ignore: Sequence[str] = (),
) -> WeightPlan:
    """The rules that fill Paddle's state from torch's.

    `mapped`, torch key -> Paddle key, comes first; `ignore` are globs of keys of either side to leave alone and not to list.
    PairError: `mapped` names a key that is not there, names one twice, or pairs tensors that fit in no orientation.
    """
    planner = _Planner(_kept(torch_state, ignore), _kept(paddle_state, ignore))
    planner.add_mapped(mapped or {}, {spec.name for spec in torch_state}, {spec.name for spec in paddle_state})
    planner.add_paired(layers)
    planner.add_by_name(layers)
    return planner.plan()


def apply_rule(rule: WeightRule, array: Array) -> Array:
    """Paddle's tensor from torch's, C-contiguous; the same array where nothing is to be done."""
    part = array
    if rule.rule == "split":
        length = array.shape[0] // rule.parts
        part = array[rule.part * length : (rule.part + 1) * length]
    if rule.axes:
        part = part.transpose(rule.axes)
    return np.asarray(part, order="C")


class _Planner:
    """Collects rules; the first rule for a Paddle key stands."""

    def __init__(self, torch: Mapping[str, ParamSpec], paddle: Mapping[str, ParamSpec]) -> None:
        self._torch = torch
        self._paddle = paddle
        self._rules: dict[str, WeightRule] = {}
        self._mapped: dict[str, str] = {}
        self._why: dict[str, str] = {}

    def add_mapped(self, mapped: Mapping[str, str], torch_keys: set[str], paddle_keys: set[str]) -> None:
        for source, target in mapped.items():
            for key, known, side in ((source, torch_keys, "torch"), (target, paddle_keys, "Paddle")):
                if key not in known:
                    raise PairError(f"weights.map: the {side} model has no parameter {key!r}", _nearest(key, known))
            if target in self._rules:
                raise PairError(f"weights.map: Paddle's {target!r} is filled twice", f"already from {self._rules[target].torch!r}")
            if source not in self._torch or target not in self._paddle:
                raise PairError(f"weights.map: {source!r} -> {target!r} is ignored by weights.ignore too", "keep one of the two")
            made = _rule(self._torch[source], self._paddle[target], "by `weights: map:` in pair.yaml")
            if isinstance(made, str):
                raise PairError(f"weights.map: {source!r} -> {target!r}: {made}", "map tensors of equal shapes, transposed or not")
            self._rules[target] = made
            self._mapped[source] = target

    def add_paired(self, layers: Sequence[LayerPair]) -> None:
        """Parameters of paired layers, by role."""
        for before, row in itertools.pairwise((None, *layers)):
            if row is None or row.torch is None or row.paddle is None:
                continue
            half = before if before is not None and before.match == "fused" else None
            torch = _params(half.torch if half else None, row.torch)
            paddle = _params(half.paddle if half else None, row.paddle)
            self._add_layer(row.torch, row.paddle, *_by_role(torch, paddle))
        for row in layers:
            if row.match == "fused" or (row.torch and row.paddle):
                continue
            side, other, call = ("torch", "Paddle", row.torch) if row.torch else ("paddle", "torch", row.paddle)
            for param in call.params if call else ():
                self._explain(side, param.name, f"its layer {call and call.path} has no partner in {other}")

    def add_by_name(self, layers: Sequence[LayerPair]) -> None:
        """Parameters of layers that never ran, by their name."""
        ran_torch = {param.name for row in layers if row.torch for param in row.torch.params}
        ran_paddle = {param.name for row in layers if row.paddle for param in row.paddle.params}
        idle = {name: spec for name, spec in self._torch.items() if name not in ran_torch and name not in self._mapped}
        places = {(name.rpartition(".")[0], spec.role): spec for name, spec in idle.items()}
        for name, spec in self._paddle.items():
            if name in ran_paddle or name in self._rules:
                continue
            source = idle.get(name) or places.get((name.rpartition(".")[0], spec.role))
            if source is None:
                self._explain("paddle", name, "its layer did not run, and torch has no idle parameter of that name")
            else:
                self._add(source, spec, "its layer did not run on either side; paired by name", "by-name")
        for name in idle:
            self._explain("torch", name, "its layer did not run, and Paddle has no idle parameter of that name")

    def plan(self) -> WeightPlan:
        read = {rule.torch for rule in self._rules.values()}
        unfilled = tuple(name for name in self._paddle if name not in self._rules)
        unused = tuple(name for name, spec in self._torch.items() if name not in read and spec.role not in NO_PARTNER)
        keys = {*(f"paddle:{name}" for name in unfilled), *(f"torch:{name}" for name in unused)}
        rules = tuple(self._rules[name] for name in self._paddle if name in self._rules)
        return WeightPlan(rules, unfilled, unused, {key: why for key, why in self._why.items() if key in keys})

    def _add_layer(self, one: Call, other: Call, torch: Mapping[str, ParamSpec], paddle: Mapping[str, ParamSpec]) -> None:
        for role, target in paddle.items():
            name, _, what = role.partition(".")
            source = torch.get(role) or (torch.get(f"qkv.{what}") if name in _QKV else None)
            if source is None:
                parts = role.startswith("qkv.") and f"q.{what}" in torch
                lacks = "keeps q, k and v apart" if parts else f"has no {role}"
                self._explain("paddle", target.name, f"torch's {one.path} {lacks}")
            else:
                self._add(source, target, f"{role} of {other.kind}")
        for role, source in torch.items():
            if role not in paddle and not (role.startswith("qkv.") and f"q.{role[4:]}" in paddle):
                self._explain("torch", source.name, f"Paddle's {other.path} has no {role}")

    def _add(self, source: ParamSpec, target: ParamSpec, subject: str, *flags: str) -> None:
        if source.name not in self._torch or target.name not in self._paddle:
            return
        taken = self._rules.get(target.name)
        if source.name in self._mapped:
            self._explain("paddle", target.name, f"torch's {source.name} goes to {self._mapped[source.name]} by `weights: map:`")
        elif taken is None:
            made = _rule(source, target, subject, *flags)
            if isinstance(made, WeightRule):
                self._rules[target.name] = made
            else:
                self._explain("paddle", target.name, f"torch's {source.name} does not fit: {made}")
                self._explain("torch", source.name, f"Paddle's {target.name} does not fit: {made}")
        elif taken.torch != source.name:
            self._explain("torch", source.name, f"Paddle's {target.name} is shared, and already filled from {taken.torch}")

    def _explain(self, side: str, name: str, why: str) -> None:
        self._why.setdefault(f"{side}:{name}", why)


_QKV = ("q", "k", "v")


def _rule(source: ParamSpec, target: ParamSpec, subject: str, *flags: str) -> WeightRule | str:
    """The rule that makes `target` of `source`, or why there is none."""
    shape, part, parts = source.spec.shape, 0, 1
    name, _, what = target.role.partition(".")
    if name in _QKV and source.role == f"qkv.{what}":
        part, parts = _QKV.index(name), len(_QKV)
        if not shape or shape[0] % parts:
            return f"torch's shape {_shape(shape)} does not split in three"
        shape = (shape[0] // parts, *shape[1:])
        subject = f"{subject}, part {part + 1} of 3 of torch's fused {source.role}"
    if target.layout and sorted(source.layout) == sorted(target.layout):
        axes = tuple(source.layout.index(letter) for letter in target.layout)
        turned = _turned(shape, axes)
        if turned != target.spec.shape:
            transposed = f", {_shape(turned)} transposed" if _moves(axes) else ""
            return f"torch's shape is {_shape(shape)}{transposed}, Paddle's {_shape(target.spec.shape)}"
        flags = (*flags, "square") if _moves(axes) and turned == shape else flags
        stored = f"torch stores {_words(source.layout)}, Paddle {_words(target.layout)}"
        how = stored if _moves(axes) else f"both store {_words(target.layout)}"
    else:
        fitting = _orientations(shape, target.spec.shape)
        if not fitting or (len(fitting) > 1 and _moves(fitting[0])):
            many = "several orientations of it fit" if fitting else "no orientation of it fits"
            return f"torch's shape is {_shape(shape)}, Paddle's {_shape(target.spec.shape)}: {many}, and the class tells none"
        axes = fitting[0]
        flags = (*flags, "by-shape", *(["square"] if len(fitting) > 1 and len(shape) == 2 else []))
        how = f"no known class tells the order of its axes, its shape fits {'transposed' if _moves(axes) else 'as it is'}"
    kind = "split" if parts > 1 else "transpose" if _moves(axes) else "copy"
    return WeightRule(source.name, target.name, kind, f"{subject}; {how}", axes if _moves(axes) else (), part, parts, flags)


def _orientations(shape: tuple[int, ...], wanted: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The permutations of axes that turn `shape` into `wanted`, the unchanged one first."""
    if sorted(shape) != sorted(wanted) or len(shape) > _MOST_AXES:
        return [tuple(range(len(shape)))] if shape == wanted else []
    return [axes for axes in itertools.permutations(range(len(shape))) if _turned(shape, axes) == wanted]


_MOST_AXES = 5


def _turned(shape: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(shape[axis] for axis in axes)


def _moves(axes: Sequence[int]) -> bool:
    return tuple(axes) != tuple(range(len(axes)))


def _params(*calls: Call | None) -> list[tuple[ParamSpec, str]]:
    """Parameters of `calls`, each with its call's kind."""
    return [(param, call.kind) for call in calls if call for param in call.params if param.role not in NO_PARTNER]


def _by_role(
    torch: Sequence[tuple[ParamSpec, str]], paddle: Sequence[tuple[ParamSpec, str]]
) -> tuple[dict[str, ParamSpec], dict[str, ParamSpec]]:
    """Both sides' parameters under roles that both use.

    The operands of a matrix product and a sum stand for the parameters of a layer on the other side. One operand on each side is
    the same operand, whichever place it stands in.
    """
    found: tuple[dict[str, ParamSpec], dict[str, ParamSpec]] = ({}, {})
    roles = [{param.role for param, _ in side} for side in (torch, paddle)]
    for side, params in enumerate((torch, paddle)):
        for param, kind in params:
            role, layout = OPERAND_ROLES.get((kind, param.role), ("", ""))
            if role in roles[1 - side] - roles[side]:
                # The order is the operand's: that of a weight which the forward lays out before is another.
                fits = bool(param.layout) and len(layout) == len(param.spec.shape)
                param = dataclasses.replace(param, role=role, layout=layout if fits else "")
            found[side].setdefault(param.role, param)
    alone = [[role for role in named if role.startswith("operand")] for named in found]
    if len(alone[0]) == len(alone[1]) == 1 and alone[0] != alone[1]:
        found[1][alone[0][0]] = found[1].pop(alone[1][0])
    return found


def _kept(state: Sequence[ParamSpec], ignore: Sequence[str]) -> dict[str, ParamSpec]:
    return {spec.name: spec for spec in state if not any(fnmatchcase(spec.name, glob) for glob in ignore)}


def _nearest(key: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(key, names, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names[:4])}, ..." if names else "it has none at all"


def _words(layout: str) -> str:
    return f"[{', '.join(_AXES.get(letter, letter) for letter in layout)}]"


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"
