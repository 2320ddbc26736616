"""How unlike two calls are, as integer costs for the alignment of two call sequences.

Costs have two parts. What the calls are (kind, parameter shapes, output shape, attributes) counts in steps of `STEP`; their
neighbours in the data flow and their names count below one step in sum, so that they only break ties. Integers keep sums exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.kinds import EQUIVALENT, FAMILIES, FUSIONS, HARMLESS_IN_EVAL, OPERAND_ROLES, VIEW_LIKE, WEIGHTED
from aligndbg.core.layers import Call, ParamSpec

Costs = NDArray[np.int64]

Fused = dict[int, tuple[NDArray[np.intp], Costs]]
"""torch index -> Paddle indices and costs."""

STEP = 1 << 24
NEVER = 1 << 60
"""Cost of a pair that must not be."""

_GAP_WEIGHTED, _GAP_COMPUTING, _GAP_LIGHT = 1000, 400, 60

# Shares of what it costs to leave both calls alone. All of them together stay below it: two calls of one kind pair rather
# than stand alone.
_EQUIVALENT, _FAMILY, _FUSED = 0.05, 0.55, 0.02
_OTHER_WEIGHTS, _OTHER_ROLES, _OTHER_SHAPE, _OTHER_ATTRIBUTE = 0.85, 0.05, 0.04, 0.01
_MOST_ATTRIBUTES = 5
_CEILING = 0.95

_TOLD = 4
"""So many unequal attributes are spelled out."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Costs of aligning n torch calls with m Paddle calls.

    `pair[i, j]` of pairing; `torch_gap[i]`, `paddle_gap[j]` of standing alone. `torch_fused[i, j]` is the cost of torch's calls
    i - 1 and i being Paddle's call j, `paddle_fused[i, j]` that of Paddle's j - 1 and j being torch's i; NEVER but for few.
    """

    pair: Costs
    torch_gap: Costs
    paddle_gap: Costs
    torch_fused: Fused
    paddle_fused: Fused


def score(torch: Sequence[Call], paddle: Sequence[Call]) -> Scores:
    """Costs for two whole traces; the calls' `index` is their place in it."""
    torch_gap, paddle_gap = gap_costs(torch), gap_costs(paddle)
    share, ties = _unlikeness_of_all(torch, paddle), _ties(torch, paddle)
    both = torch_gap[:, None] + paddle_gap[None, :]
    pair = np.where(share < 1, (share * both).astype(np.int64) * STEP + ties, NEVER)
    return Scores(
        pair,
        torch_gap * STEP,
        paddle_gap * STEP,
        _fusions(paddle, torch, ties.T, swap=True),
        _fusions(torch, paddle, ties, swap=False),
    )


def gap_costs(calls: Sequence[Call]) -> Costs:
    """What it costs to leave each call alone, in steps."""
    return np.array([_gap(call) for call in calls], np.int64).reshape(len(calls))


def is_weighted(call: Call) -> bool:
    """Whether the call is a layer with weights, not an op that happens to be handed a parameter."""
    return call.kind in WEIGHTED or any(not param.role.startswith("operand") for param in call.params)


def equivalent(one: Call, other: Call) -> bool:
    """Whether two calls of different kinds can compute the same."""
    return other.kind in _groups(EQUIVALENT).get(one.kind, ()) and _elements(one) == _elements(other)


def same_weights(one: Call, other: Call) -> bool:
    """Whether the main parameters have the same shapes, each read in the order that its own class stores it in."""
    return _weights(one).fits(_weights(other))


def differences(torch: Call, paddle: Call) -> tuple[str, ...]:
    """What is unlike about two paired calls, in words."""
    found = []
    if torch.output.shape != paddle.output.shape:
        found.append(f"output shapes differ, torch {_shape(torch)}, Paddle {_shape(paddle)}")
    if not same_weights(torch, paddle):
        found.append("weight shapes differ")
    elif _weights(torch).roles != _weights(paddle).roles:
        mine, others = set(_weights(torch).roles), set(_weights(paddle).roles)
        sides = ((mine - others, "torch"), (others - mine, "Paddle"))
        found.append("; ".join(f"only {side} has {' and '.join(sorted(roles))}" for roles, side in sides if roles))
    shared = sorted(torch.attributes.keys() & paddle.attributes.keys())
    unequal = [name for name in shared if torch.attributes[name] != paddle.attributes[name]]
    if unequal:
        told = [f"{name} {torch.attributes[name]} in torch, {paddle.attributes[name]} in Paddle" for name in unequal]
        found.append(f"attributes differ: {'; '.join(told[:_TOLD])}{'; ...' if len(told) > _TOLD else ''}")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Weights:
    """Shapes of a call's main parameters. `by_letter` is () where the order of an axis is not known."""

    by_letter: tuple[tuple[int, ...], ...]
    by_size: tuple[tuple[int, ...], ...]
    roles: tuple[str, ...]

    def fits(self, other: _Weights) -> bool:
        if self.by_letter and other.by_letter:
            return self.by_letter == other.by_letter
        return self.by_size == other.by_size


def _weights(call: Call) -> _Weights:
    params = [part for param in call.params if param.role != "count" for part in _parts(call, param)]
    main = [part for part in params if part[0].endswith("weight")] or params
    by_letter: tuple[tuple[int, ...], ...] = ()
    if all(layout for _, layout, _ in main):
        by_letter = tuple(sorted(tuple(size for _, size in sorted(zip(layout, shape, strict=True))) for _, layout, shape in main))
    by_size = tuple(sorted(tuple(sorted(shape)) for _, _, shape in main))
    return _Weights(by_letter, by_size, tuple(sorted({role for role, _, _ in params})))


def _parts(call: Call, param: ParamSpec) -> Iterable[tuple[str, str, tuple[int, ...]]]:
    """(role, layout, shape) of a parameter; a fused qkv as the three that it holds."""
    role, layout, shape = param.role, param.layout, param.spec.shape
    if role.startswith("qkv."):
        third = (shape[0] // 3, *shape[1:])
        return [(f"{name}.{role[4:]}", layout, third) for name in "qkv"]
    known = OPERAND_ROLES.get((call.kind, role))
    if known and len(known[1]) == len(shape) and call.kind == "matmul":
        return [(*known, shape)]
    return [("operand" if role.startswith("operand") else role, "" if role.startswith("operand") else layout, shape)]


def _unlikeness_of_all(torch: Sequence[Call], paddle: Sequence[Call]) -> NDArray[np.float64]:
    """`_unlikeness`, computed once for each class of calls that are alike."""
    (rows, one), (columns, other) = _classes(torch), _classes(paddle)
    return _unlikeness(one, other)[np.ix_(rows, columns)]


def _classes(calls: Sequence[Call]) -> tuple[list[int], list[Call]]:
    """The class of each call, and one call of each class."""
    numbers: dict[Hashable, int] = {}
    few: list[Call] = []
    places = []
    for call in calls:
        attributes = tuple(sorted((name, _frozen(value)) for name, value in call.attributes.items()))
        place = numbers.setdefault((call.kind, _weights(call), call.output.shape, attributes), len(few))
        if place == len(few):
            few.append(call)
        places.append(place)
    return places, few


def _unlikeness(torch: Sequence[Call], paddle: Sequence[Call]) -> NDArray[np.float64]:
    """Share of both gaps that a pair costs, 0 for equal calls; 1 where the kinds have nothing in common."""
    share = _kind_share(torch, paddle)
    mine, others = [_weights(call) for call in torch], [_weights(call) for call in paddle]
    lettered = _unequal([one.by_letter for one in mine], [one.by_letter for one in others])
    sized = _unequal([one.by_size for one in mine], [one.by_size for one in others])
    known = np.outer([bool(one.by_letter) for one in mine], [bool(one.by_letter) for one in others])
    other_weights = np.where(known, lettered, sized)
    added = _OTHER_WEIGHTS * other_weights
    added += _OTHER_ROLES * (_unequal([one.roles for one in mine], [one.roles for one in others]) & ~other_weights)
    added += _OTHER_SHAPE * _unequal([call.output.shape for call in torch], [call.output.shape for call in paddle])
    added += _OTHER_SHAPE * _unequal([len(call.output.shape) for call in torch], [len(call.output.shape) for call in paddle])
    unequal = np.zeros(share.shape, np.int64)
    for name in {name for call in torch for name in call.attributes} & {name for call in paddle for name in call.attributes}:
        has = np.outer([name in call.attributes for call in torch], [name in call.attributes for call in paddle])
        values = [[_frozen(call.attributes.get(name)) for call in calls] for calls in (torch, paddle)]
        unequal += has & _unequal(*values)
    added += _OTHER_ATTRIBUTE * np.minimum(unequal, _MOST_ATTRIBUTES)
    return np.where(share < 1, np.minimum(share + added, _CEILING), 1.0)


def _kind_share(torch: Sequence[Call], paddle: Sequence[Call]) -> NDArray[np.float64]:
    def share(one: str, other: str, same_size: bool) -> float:
        if one == other:
            return 0.0
        alike = other in _groups(EQUIVALENT).get(one, ())
        if alike and same_size:
            return _EQUIVALENT
        return _FAMILY if alike or other in _groups(FAMILIES).get(one, ()) else 1.0

    rows, columns = sorted({call.kind for call in torch}), sorted({call.kind for call in paddle})
    tables = np.array([[[share(one, other, same) for other in columns] for one in rows] for same in (False, True)])
    tables = tables.reshape(2, len(rows), len(columns))
    row = np.array([rows.index(call.kind) for call in torch], np.intp)[:, None]
    column = np.array([columns.index(call.kind) for call in paddle], np.intp)[None, :]
    same_size = ~_unequal([_elements(call) for call in torch], [_elements(call) for call in paddle])
    return tables[same_size.astype(np.intp), row, column]


def _ties(torch: Sequence[Call], paddle: Sequence[Call]) -> Costs:
    """0..11 for each pair: other producers or consumers 4 each, another last name 2, another path 1."""
    before, after = zip(_neighbour_kinds(torch), _neighbour_kinds(paddle), strict=True)
    found = 4 * (_unequal(*before).astype(np.int64) + _unequal(*after))
    found += 2 * _unequal(*([call.path.rpartition(".")[2] for call in calls] for calls in (torch, paddle))).astype(np.int64)
    found += _unequal(*([call.path for call in calls] for calls in (torch, paddle)))
    return found


def _neighbour_kinds(calls: Sequence[Call]) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Kinds of each call's producers and of its consumers, seen through what only hands elements on."""
    light = VIEW_LIKE | HARMLESS_IN_EVAL
    origin: list[int] = []
    producers: list[tuple[str, ...]] = []
    consumers: list[list[str]] = [[] for _ in calls]
    for call in calls:
        seen = [origin[ref.producer] if ref.producer >= 0 else -1 for ref in call.inputs]
        origin.append(seen[0] if call.kind in light and seen else call.index)
        producers.append(tuple(sorted(calls[place].kind if place >= 0 else "" for place in seen)))
        if call.kind not in light:
            for place in set(seen) - {-1}:
                consumers[place].append(call.kind)
    return producers, [tuple(sorted(kinds)) for kinds in consumers]


def _fusions(wholes: Sequence[Call], halves: Sequence[Call], ties: Costs, swap: bool) -> Fused:
    """The fusions of `halves` into `wholes`. `wholes` are Paddle's calls where `swap`, and `ties` is [whole, half]."""
    by_kind: dict[str, list[tuple[Call, _Weights]]] = {}
    for call in wholes:
        by_kind.setdefault(_fusion_kind(call), []).append((call, _weights(call)))
    found: dict[int, list[tuple[int, int]]] = {}
    for first, last in itertools.pairwise(halves):
        kinds = [kind for kind in _fusion_table().get((first.kind, last.kind), ()) if kind in by_kind]
        if not kinds or all(ref.producer != first.index for ref in last.inputs):
            continue
        weighted = next((call for call in (first, last) if is_weighted(call) or call.kind == "matmul"), None)
        wanted = _weights(weighted) if weighted else None
        fitting = [whole for kind in kinds for whole, weights in by_kind[kind] if wanted is None or weights.fits(wanted)]
        for whole in fitting:
            shape = _OTHER_SHAPE * (whole.output.shape != last.output.shape)
            cost = int((_FUSED + shape) * (_gap(whole) + _gap(first) + _gap(last))) * STEP
            torch, paddle = (last.index, whole.index) if swap else (whole.index, last.index)
            found.setdefault(torch, []).append((paddle, cost + int(ties[whole.index, last.index])))
    return {
        torch: (np.array([column for column, _ in pairs], np.intp), np.array([cost for _, cost in pairs], np.int64))
        for torch, pairs in found.items()
    }


def _fusion_kind(call: Call) -> str:
    activation = call.attributes.get("activation")
    return f"{call.kind}+{activation}" if activation else call.kind


@cache
def _fusion_table() -> Mapping[tuple[str, str], tuple[str, ...]]:
    table: dict[tuple[str, str], tuple[str, ...]] = {}
    for whole, first, last in FUSIONS:
        table[first, last] = (*table.get((first, last), ()), whole)
    return table


@cache
def _groups(table: tuple[frozenset[str], ...]) -> Mapping[str, frozenset[str]]:
    return {kind: frozenset().union(*(group for group in table if kind in group)) for group in table for kind in group}


def _gap(call: Call) -> int:
    if is_weighted(call):
        return _GAP_WEIGHTED
    return _GAP_LIGHT if call.kind in VIEW_LIKE or call.kind in HARMLESS_IN_EVAL else _GAP_COMPUTING


def _unequal(torch: Sequence[Hashable], paddle: Sequence[Hashable]) -> NDArray[np.bool_]:
    numbers: dict[Hashable, int] = {}
    rows = [numbers.setdefault(value, len(numbers)) for value in torch]
    columns = [numbers.setdefault(value, len(numbers)) for value in paddle]
    return np.not_equal.outer(np.array(rows, np.int64), np.array(columns, np.int64))


def _frozen(value: object) -> Hashable:
    return tuple(value) if isinstance(value, list) else value


def _elements(call: Call) -> int:
    count = 1
    for size in call.output.shape:
        count *= size
    return count


def _shape(call: Call) -> str:
    return "x".join(map(str, call.output.shape)) or "scalar"
