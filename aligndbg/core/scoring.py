"""How unlike two calls are, as integer costs for the alignment of two call sequences.

Costs have two parts. What the calls are (kind, parameter shapes, output shape, attributes) counts in steps of `STEP`; their
surroundings in the data flow and their names count below one step in sum, so that they only break ties. Integers keep sums exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.dataflow import ROUNDS, Surroundings
from aligndbg.core.kinds import EQUIVALENT, FAMILIES, FUSIONS, HARMLESS_IN_EVAL, VIEW_LIKE
from aligndbg.core.layers import Call
from aligndbg.core.likeness import Weights, groups, is_weighted, sizes, weights_of

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


def score(torch: Sequence[Call], paddle: Sequence[Call], around: Surroundings) -> Scores:
    """Costs for two whole traces; the calls' `index` is their place in it."""
    torch_gap, paddle_gap = (np.array([_gap(call) for call in calls], np.int64) for calls in (torch, paddle))
    share, ties = _unlikeness_of_all(torch, paddle), _ties(torch, paddle, around)
    both = torch_gap[:, None] + paddle_gap[None, :]
    pair = np.where(share < 1, (share * both).astype(np.int64) * STEP + ties, NEVER)
    return Scores(
        pair,
        torch_gap * STEP,
        paddle_gap * STEP,
        _fusions(paddle, torch, ties.T, swap=True),
        _fusions(torch, paddle, ties, swap=False),
    )


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
        place = numbers.setdefault((call.kind, weights_of(call), call.outputs, attributes), len(few))
        if place == len(few):
            few.append(call)
        places.append(place)
    return places, few


def _unlikeness(torch: Sequence[Call], paddle: Sequence[Call]) -> NDArray[np.float64]:
    """Share of both gaps that a pair costs, 0 for equal calls; 1 where the kinds have nothing in common."""
    share = _kind_share(torch, paddle)
    mine, others = [weights_of(call) for call in torch], [weights_of(call) for call in paddle]
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
    def share(one: str, other: str, same_number: bool, same_sizes: bool) -> float:
        """By kinds, and by whether the outputs are equally many and of equal sizes."""
        if one == other:
            return 0.0
        alike = other in groups(EQUIVALENT).get(one, ()) and same_number
        if alike and same_sizes:
            return _EQUIVALENT
        return _FAMILY if alike or other in groups(FAMILIES).get(one, ()) else 1.0

    rows, columns = sorted({call.kind for call in torch}), sorted({call.kind for call in paddle})
    likeness = ((False, False), (True, False), (True, True))
    tables = np.array([[[share(one, other, *same) for other in columns] for one in rows] for same in likeness])
    tables = tables.reshape(len(likeness), len(rows), len(columns))
    row = np.array([rows.index(call.kind) for call in torch], np.intp)[:, None]
    column = np.array([columns.index(call.kind) for call in paddle], np.intp)[None, :]
    same = np.zeros((len(torch), len(paddle)), np.intp)
    same += ~_unequal([len(call.outputs) for call in torch], [len(call.outputs) for call in paddle])
    same += ~_unequal([sizes(call) for call in torch], [sizes(call) for call in paddle])
    return tables[same, row, column]


def _ties(torch: Sequence[Call], paddle: Sequence[Call], around: Surroundings) -> Costs:
    """Small numbers: 4 for each round in which the surroundings differ, 2 for another last name, 1 for another path."""
    found = 4 * (ROUNDS - around.closeness)
    found += 2 * _unequal(*([call.path.rpartition(".")[2] for call in calls] for calls in (torch, paddle))).astype(np.int64)
    found += _unequal(*([call.path for call in calls] for calls in (torch, paddle)))
    return found


def _fusions(wholes: Sequence[Call], halves: Sequence[Call], ties: Costs, swap: bool) -> Fused:
    """The fusions of `halves` into `wholes`. `wholes` are Paddle's calls where `swap`, and `ties` is [whole, half]."""
    by_kind: dict[str, list[tuple[Call, Weights]]] = {}
    for call in wholes:
        by_kind.setdefault(_fusion_kind(call), []).append((call, weights_of(call)))
    found: dict[int, list[tuple[int, int]]] = {}
    for first, last in itertools.pairwise(halves):
        kinds = [kind for kind in _fusion_table().get((first.kind, last.kind), ()) if kind in by_kind]
        if not kinds or all(ref.producer != first.index for ref in last.inputs):
            continue
        weighted = next((call for call in (first, last) if is_weighted(call) or call.kind == "matmul"), None)
        wanted = weights_of(weighted) if weighted else None
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
