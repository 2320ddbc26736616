"""Where calls sit in the data flow, and the repair of an alignment that does not follow it.

Parallel branches may run in another order in each model. An alignment of the two sequences then pairs calls of one branch with
equal calls of another, or leaves a branch alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.kinds import HARMLESS_IN_EVAL, VIEW_LIKE
from aligndbg.core.layers import MODEL_INPUT, Call
from aligndbg.core.likeness import weights_of

ROUNDS = 8
"""How many calls up and down the flow a neighbourhood reaches."""

_MOST_REPAIRS = 4


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`alike[i, j]`: torch's call i and Paddle's j have one kind and equal weight shapes. `closeness[i, j]`, 0..ROUNDS: in how many
    rounds of neighbourhoods, growing by one call each, they have the same surroundings."""

    alike: NDArray[np.bool_]
    closeness: NDArray[np.int64]


def surroundings(torch: Sequence[Call], paddle: Sequence[Call]) -> Surroundings:
    """By colour refinement (Weisfeiler and Leman 1968) over both data flows at once."""
    vague = {call.kind for call in (*torch, *paddle) if not weights_of(call).by_letter}
    colours = [_Colours(calls, vague) for calls in (torch, paddle)]
    numbers: dict[Hashable, int] = {}
    for one in colours:
        one.number(numbers)
    alike = np.equal.outer(*(one.values for one in colours))
    closeness = np.zeros(alike.shape, np.int64)
    for _ in range(ROUNDS):
        numbers = {}
        for one in colours:
            one.refine(numbers)
        closeness += np.equal.outer(*(one.values for one in colours))
    return Surroundings(alike, closeness)


class _Colours:
    """The colour of each call of one trace. What only hands elements on is seen through: a port may lack it."""

    def __init__(self, calls: Sequence[Call], vague: set[str]) -> None:
        """`vague` are the kinds of which some call's weights have no known order of axes."""
        light = VIEW_LIKE | HARMLESS_IN_EVAL
        weights = [weights_of(call) for call in calls]
        self._colours: list[Hashable] = [
            (call.kind, one.by_size if call.kind in vague else one.by_letter) for call, one in zip(calls, weights, strict=True)
        ]
        self._producers: list[list[int]] = []
        self._consumers: list[list[int]] = [[] for _ in calls]
        origin: list[int] = []
        for call in calls:
            seen = [origin[ref.producer] if ref.producer >= 0 else -1 for ref in call.inputs]
            origin.append(seen[0] if call.kind in light and seen else call.index)
            self._producers.append(seen)
            if call.kind not in light:
                for place in set(seen) - {-1}:
                    self._consumers[place].append(call.index)
        self.values = np.zeros(len(calls), np.int64)

    def number(self, numbers: dict[Hashable, int]) -> None:
        self.values = np.array([numbers.setdefault(colour, len(numbers)) for colour in self._colours], np.int64)

    def refine(self, numbers: dict[Hashable, int]) -> None:
        own = [*self.values.tolist(), -1]
        self._colours = [
            (own[place], tuple(sorted(own[other] for other in before)), tuple(sorted(own[other] for other in after)))
            for place, (before, after) in enumerate(zip(self._producers, self._consumers, strict=True))
        ]
        self.number(numbers)


class Repair:
    """Moves calls of an alignment to partners that read from their own sources' partners and have closer surroundings."""

    def __init__(
        self,
        torch: Sequence[Call],
        paddle: Sequence[Call],
        around: Surroundings,
        pairs: Mapping[int, int],
        movable: tuple[set[int], set[int]],
    ) -> None:
        """`pairs` are torch -> Paddle; only calls in `movable` (torch's, Paddle's) may get another partner or a first one."""
        self._calls = (torch, paddle)
        self._around = around
        self._movable = movable
        self._of_torch = dict(pairs)
        self._of_paddle = {column: row for row, column in pairs.items()}

    def run(self) -> dict[int, int]:
        """The repaired pairs. A call that lost its partner to another one is looked at again in the next round."""
        for _ in range(_MOST_REPAIRS):
            before = dict(self._of_torch)
            for row in sorted(self._movable[0]):
                self._improve(row)
            if self._of_torch == before:
                break
        return self._of_torch

    def _improve(self, row: int) -> None:
        now = self._of_torch.get(row)
        least = self._closeness(row, now) if now is not None and self._fits(row, now) else -1
        wanted = self._sources_as_paddle(row)
        found = [
            column
            for column in np.flatnonzero(self._around.alike[row] & (self._around.closeness[row] > least)).tolist()
            if column in self._movable[1] and self._is_free_for(row, column) and self._sources(1, column) == wanted
        ]
        if found:
            self._pair(row, max(found, key=lambda column: self._preference(row, column)))

    def _is_free_for(self, row: int, column: int) -> bool:
        owner = self._of_paddle.get(column)
        if owner is None or owner == row:
            return True
        if owner not in self._movable[0]:
            return False
        return not self._fits(owner, column) or self._closeness(row, column) > self._closeness(owner, column)

    def _pair(self, row: int, column: int) -> None:
        former = self._of_torch.pop(row, None)
        if former is not None:
            del self._of_paddle[former]
        owner = self._of_paddle.pop(column, None)
        if owner is not None:
            del self._of_torch[owner]
        self._of_torch[row] = column
        self._of_paddle[column] = row

    def _preference(self, row: int, column: int) -> tuple[int, bool, bool, int]:
        same_path = self._calls[0][row].path == self._calls[1][column].path
        return self._closeness(row, column), self._of_torch.get(row) == column, same_path, -column

    def _closeness(self, row: int, column: int) -> int:
        return int(self._around.closeness[row, column])

    def _fits(self, row: int, column: int) -> bool:
        return bool(self._around.alike[row, column]) and self._sources_as_paddle(row) == self._sources(1, column)

    def _sources_as_paddle(self, row: int) -> set[int]:
        return {self._of_torch.get(place, place) for place in self._sources(0, row)}

    def _sources(self, side: int, index: int) -> set[int]:
        """The nearest paired calls upstream of a call; MODEL_INPUT stands for itself."""
        calls, paired = self._calls[side], self._of_paddle if side else self._of_torch
        found: set[int] = set()
        seen: set[int] = set()
        todo = [ref.producer for ref in calls[index].inputs]
        while todo:
            place = todo.pop()
            if place < 0 or place in paired:
                found.add(place)
            elif place not in seen:
                seen.add(place)
                todo += [ref.producer for ref in calls[place].inputs] or [MODEL_INPUT]
        return found
