"""The cheapest alignment of two call sequences (Needleman and Wunsch 1970), and joins across its order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aligndbg.core import scoring
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


def join(steps: Sequence[Step], joined: Mapping[int, int], rule: Rule) -> list[Step]:
    """`steps` with pairs of calls that stood alone; each pair is where torch ran it."""
    taken = set(joined.values())
    return [
        Step(step.torch, joined[step.torch], rule) if step.torch is not None and step.torch in joined else step
        for step in steps
        if step.torch is not None or step.paddle not in taken
    ]


def out_of_order(torch: Sequence[Call], paddle: Sequence[Call], steps: Sequence[Step]) -> dict[int, int]:
    """torch -> Paddle index of calls left alone that are of one kind, with equal weights, and read the same sources."""
    partners = {step.torch: step.paddle for step in steps if step.torch is not None and step.paddle is not None}
    left = [step.torch for step in steps if step.paddle is None and step.torch is not None and step.rule == "order"]
    free = [step.paddle for step in steps if step.torch is None and step.paddle is not None and step.rule == "order"]
    found: dict[int, int] = {}
    while True:
        before = len(found)
        for row in [row for row in left if row not in found]:
            here = {partners.get(place, place) for place in _sources(torch, row, set(partners))}
            alike = [
                column
                for column in free
                if paddle[column].kind == torch[row].kind
                and scoring.same_weights(torch[row], paddle[column])
                and _sources(paddle, column, set(partners.values())) == here
            ]
            if alike:
                column = max(alike, key=lambda column: (_name_likeness(torch[row], paddle[column]), -column))
                partners[row] = found[row] = column
                free.remove(column)
        if len(found) == before:
            return found


def _sources(calls: Sequence[Call], index: int, paired: set[int]) -> set[int]:
    """The nearest paired calls upstream of a call; MODEL_INPUT stands for itself."""
    found: set[int] = set()
    seen: set[int] = set()
    todo = [ref.producer for ref in calls[index].inputs]
    while todo:
        place = todo.pop()
        if place < 0 or place in paired:
            found.add(place)
        elif place not in seen:
            seen.add(place)
            todo += [ref.producer for ref in calls[place].inputs] or [-1]
    return found


def _name_likeness(one: Call, other: Call) -> int:
    return 2 * (one.path == other.path) + (one.path.rpartition(".")[2] == other.path.rpartition(".")[2])
