"""A fault that was located, and all that is needed to find its cause."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aligndbg.core.layers import Call, LayerPair
from aligndbg.core.likeness import does_nothing
from aligndbg.core.program import Program

Array = NDArray[Any]
Arrays = Sequence[Array]


class Attempt(Protocol):
    """Carries a program out in the Paddle child, on what was recorded."""

    def __call__(self, program: Program) -> Arrays | None:
        """The program's outputs; None where the framework refuses it."""


@dataclass(frozen=True, slots=True)
class State:
    """Parameters and buffers by name: torch's, Paddle's as they are, and what the conversion plan makes Paddle's of torch's."""

    torch: Mapping[str, Array]
    paddle: Mapping[str, Array]
    planned: Mapping[str, Array]
    sources: Mapping[str, str]
    """Paddle's name -> torch's name, by the plan."""


@dataclass(frozen=True, slots=True)
class Case:
    """One fault. `born` is its row; it was measured at the row `end`, which is the same unless `born` has no partner.

    `torch_alone` and `paddle_alone` are the calls without a partner that lead from the compared rows to `end`. `torch` and `paddle`
    are the outputs of `end` on torch's inputs, () until they are known; `limit` is the largest |d| that does not speak against the
    port there. `fused` says that one side makes in one call what the other makes in two, of which `half` is torch's first, if they
    are torch's.
    """

    born: LayerPair
    end: LayerPair
    ends: tuple[LayerPair, ...]
    torch_alone: tuple[Call, ...]
    paddle_alone: tuple[Call, ...]
    state: State
    side: str = "paddle"
    limit: float = 0.0
    torch: Arrays = ()
    paddle: Arrays = ()
    fused: bool = False
    half: Call | None = None

    @property
    def like(self) -> Call:
        """The torch call to hold Paddle's call against: of a norm and an activation that Paddle makes in one, the norm."""
        return self.half if self.half is not None and self.half.kind == self.other.kind else self.one

    @property
    def one(self) -> Call:
        """torch's call at the end."""
        assert self.end.torch is not None
        return self.end.torch

    @property
    def other(self) -> Call:
        """Paddle's call at the end."""
        assert self.end.paddle is not None
        return self.end.paddle

    @property
    def before(self) -> float | None:
        """Largest |d| of the layer as it is; None where the shapes differ."""
        return gap(self.torch, self.paddle)

    def fits(self, outputs: Arrays | None) -> bool:
        """Whether outputs are torch's but for rounding."""
        if outputs is None:
            return False
        found = gap(self.torch, outputs)
        return found is not None and found <= self.limit

    def at(self, end: LayerPair) -> Case:
        """The same fault, looked at from another row that it reaches."""
        return replace(self, end=end)


def gap(one: Arrays, other: Arrays) -> float | None:
    """Largest |one - other|; inf where one is NaN or infinite and the other is not; None where the shapes differ."""
    if len(one) != len(other) or any(mine.shape != others.shape for mine, others in zip(one, other, strict=True)):
        return None
    top = 0.0
    for mine, others in zip(one, other, strict=True):
        if not mine.size:
            continue
        a, b = mine.astype(np.float64), others.astype(np.float64)
        equal = (a == b) | (np.isnan(a) & np.isnan(b))
        with np.errstate(invalid="ignore"):
            apart = np.where(equal, 0.0, np.abs(a - b))
        top = max(top, float(np.max(np.where(np.isnan(apart), np.inf, apart))))
    return top


class Flow:
    """Who makes what each side's calls read, and which Paddle call stands for which torch call.

    Of the rows `unforced` Paddle went on with its own output: what they give is no torch output, and they count as not compared.
    """

    def __init__(self, layers: Sequence[LayerPair], unforced: Collection[int] = ()) -> None:
        self.torch: dict[int, Call] = {row.torch.index: row.torch for row in layers if row.torch}
        self.paddle: dict[int, Call] = {row.paddle.index: row.paddle for row in layers if row.paddle}
        self.partners: dict[int, Call] = {}
        """torch's index -> Paddle's call, of the rows that are compared."""
        self.compared: set[int] = set()
        """Paddle's calls of those rows."""
        for row in layers:
            if row.torch and row.paddle and row.match != "ignored" and row.index not in unforced:
                self.partners[row.torch.index] = row.paddle
                self.compared.add(row.paddle.index)

    def between(self, call: Call) -> list[Call]:
        """Paddle's calls without a partner from the compared ones up to `call`, nearest first."""
        found: dict[int, Call] = {}
        todo = [ref.producer for ref in call.inputs]
        while todo:
            place = todo.pop()
            if place < 0 or place in self.compared or place in found or place not in self.paddle:
                continue
            found[place] = self.paddle[place]
            todo += [ref.producer for ref in self.paddle[place].inputs]
        return list(found.values())

    def main_input(self, call: Call) -> int:
        """Which input a call hands on if it does nothing."""
        for place, ref in enumerate(call.inputs):
            if ref.spec.shape == call.output.shape:
                return place
        return 0

    def passes_on(self, call: Call) -> bool:
        return does_nothing(call) and len(call.inputs) > 0
