"""The cheapest alignment of two call sequences (Needleman and Wunsch 1970), and joins across its order."""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from aligndbg.core import scoring
from aligndbg.core.dataflow import Repair, Surroundings
from aligndbg.core.layers import Call

Rule = Literal["order", "pinned", "half", "whole", "out-of-order"]

_PIN = -(1 << 48)
"""Cost of a pinned pair: more than any gaps that it forces can outweigh."""


@dataclass(frozen=True, slots=True)
class Step:
    """One place of the alignment: indices of the calls there.

    `half` is a call that, with the call of the next step, makes up the one call of the other side in that step, the `whole`.
    """

    torch: int | None
    paddle: int | None
    rule: Rule = "order"


def align(scores: scoring.Scores) -> list[Step]:
    """The cheapest alignment. Row-wise dynamic programming; gaps along a row are a running minimum of costs less gap sums."""
    n, m = scores.pair.shape
    gaps = np.concatenate([np.zeros(1, np.int64), np.cumsum(scores.paddle_gap)])
    best = np.empty((n + 1, m + 1), np.int64)
    best[0] = gaps
    for i in range(n):
        row = best[i] + scores.torch_gap[i]
        np.minimum(row[1:], best[i, :-1] + scores.pair[i], out=row[1:])
        if i in scores.torch_fused:
            columns, costs = scores.torch_fused[i]
            row[columns + 1] = np.minimum(row[columns + 1], best[i - 1, columns] + costs)
        if i in scores.paddle_fused:
            columns, costs = scores.paddle_fused[i]
            row[columns + 1] = np.minimum(row[columns + 1], best[i, columns - 1] + costs)
        best[i + 1] = np.minimum.accumulate(row - gaps) + gaps
    return _trace_back(best, scores)


def _trace_back(best: scoring.Costs, scores: scoring.Scores) -> list[Step]:
    steps: list[Step] = []
    i, j = best.shape[0] - 1, best.shape[1] - 1
    while i or j:
        here = best[i, j]
        if i and j and here == best[i - 1, j - 1] + scores.pair[i - 1, j - 1]:
            i, j = i - 1, j - 1
            steps.append(Step(i, j))
        elif i > 1 and j and here == best[i - 2, j - 1] + _fused(scores.torch_fused, i - 1, j - 1):
            i, j = i - 2, j - 1
            steps += [Step(i + 1, j, "whole"), Step(i, None, "half")]
        elif i and j > 1 and here == best[i - 1, j - 2] + _fused(scores.paddle_fused, i - 1, j - 1):
            i, j = i - 1, j - 2
            steps += [Step(i, j + 1, "whole"), Step(None, j, "half")]
        elif j and here == best[i, j - 1] + scores.paddle_gap[j - 1]:
            j -= 1
            steps.append(Step(None, j))
        else:
            i -= 1
            steps.append(Step(i, None))
    return steps[::-1]


def _fused(fused: scoring.Fused, row: int, column: int) -> int:
    columns, costs = fused.get(row, ((), ()))
    return next((int(cost) for place, cost in zip(columns, costs, strict=True) if place == column), scoring.NEVER)


def pin(scores: scoring.Scores, pins: Mapping[int, int]) -> scoring.Scores:
    """`scores` with pinned calls good for nothing but their pin."""
    pinned = np.array(list(pins.values()), np.int64)
    for row in pins:
        scores.pair[row, :] = scoring.NEVER
        for fused, rows in ((scores.torch_fused, (row, row + 1)), (scores.paddle_fused, (row,))):
            for taken in rows:
                if taken in fused:
                    fused[taken][1][:] = scoring.NEVER
    scores.pair[:, pinned] = scoring.NEVER
    for columns, costs in scores.torch_fused.values():
        costs[np.isin(columns, pinned)] = scoring.NEVER
    for columns, costs in scores.paddle_fused.values():
        costs[np.isin(columns, pinned) | np.isin(columns - 1, pinned)] = scoring.NEVER
    for row, column in pins.items():
        scores.pair[row, column] = _PIN
    return scores


def repaired(torch: Sequence[Call], paddle: Sequence[Call], steps: Sequence[Step], around: Surroundings) -> list[Step]:
    """`steps` with calls paired anew where the data flow contradicts them; pairs across the order become `out-of-order`."""
    pairs = {step.torch: step.paddle for step in steps if step.torch is not None and step.paddle is not None}
    movable = [step for step in steps if step.rule == "order"]
    torch_calls = {step.torch for step in movable if step.torch is not None}
    paddle_calls = {step.paddle for step in movable if step.paddle is not None}
    new = Repair(torch, paddle, around, pairs, (torch_calls, paddle_calls)).run()
    changed = {row: column for row, column in new.items() if pairs.get(row) != column}
    dissolved = {row for row, column in pairs.items() if new.get(row) != column}
    apart: list[Step] = []
    for step in steps:
        if step.torch in dissolved and step.paddle is not None:
            apart += [Step(step.torch, None), Step(None, step.paddle)]
        else:
            apart.append(step)
    taken = set(changed.values())
    joined = [
        Step(step.torch, changed[step.torch]) if step.torch is not None and step.torch in changed else step
        for step in apart
        if step.torch is not None or step.paddle not in taken
    ]
    return _in_order(joined)


def join_pins(steps: Sequence[Step], pins: Mapping[int, int]) -> list[Step]:
    """`steps` with every pin a pair, those too that cross the order and were left alone."""
    taken = set(pins.values())
    return [
        Step(step.torch, pins[step.torch], "pinned") if step.torch is not None and step.torch in pins else step
        for step in steps
        if step.torch is not None or step.paddle not in taken
    ]


def _in_order(steps: Sequence[Step]) -> list[Step]:
    """`steps` with `out-of-order` on the fewest pairs, and Paddle's own calls put in where they ran among the others."""
    pairs = [(step.torch, step.paddle, step.rule) for step in steps if step.torch is not None and step.paddle is not None]
    wholes = [(row, column) for row, column, rule in pairs if rule == "whole"]
    columns = [
        column
        for row, column, rule in pairs
        if rule != "order" or all((row < other) == (column < partner) for other, partner in wholes)
    ]
    in_order = set(_longest_increasing(columns))
    own = deque(sorted(step.paddle for step in steps if step.torch is None and step.paddle is not None and step.rule == "order"))
    found: list[Step] = []
    for step, after in zip(steps, [*steps[1:], None], strict=False):
        if step.torch is None and step.rule == "order":
            continue
        # Nothing comes between a half and its whole.
        place = after.paddle if after and step.rule == "half" else step.paddle
        while place in in_order and own and own[0] < place:
            found.append(Step(None, own.popleft()))
        crosses = step.rule == "order" and step.torch is not None and step.paddle is not None and step.paddle not in in_order
        found.append(replace(step, rule="out-of-order") if crosses else step)
    return [*found, *(Step(None, column) for column in own)]


def _longest_increasing(values: Sequence[int]) -> list[int]:
    """A longest increasing subsequence of distinct numbers (patience sorting)."""
    tops: list[int] = []
    before: dict[int, int | None] = {}
    for value in values:
        pile = bisect.bisect_left(tops, value)
        before[value] = tops[pile - 1] if pile else None
        tops[pile : pile + 1] = [value]
    found: list[int] = []
    last = tops[-1] if tops else None
    while last is not None:
        found.append(last)
        last = before[last]
    return found
