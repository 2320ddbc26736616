"""Two small traces, row by row, and the faults in them, for the tests of diagnosis."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from aligndbg.core.layers import MODEL_INPUT, Attribute, Call, LayerPair, TensorRef, TensorSpec
from aligndbg.diagnosis.case import Case, Flow, State
from aligndbg.diagnosis.items import Item, items_of, program_of
from aligndbg.diagnosis.programs import Inexpressible
from aligndbg.diagnosis.remedy import Remedy, Solved, remedies
from aligndbg.diagnosis.search import Explanation

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from nets import Net

SHAPE = (1, 8, 8, 8)
BOTH = ("torch", "paddle")


class Port:
    """A torch model and its port. `reads` are paths; `path:1` is the second output."""

    def __init__(self) -> None:
        self.nets = {"torch": Net(), "paddle": Net("io")}
        self._pairs: list[tuple[int | None, int | None]] = []

    def add(
        self,
        kind: str,
        path: str,
        sides: Sequence[str] = BOTH,
        reads: Sequence[str] | Mapping[str, Sequence[str]] = (),
        outputs: int = 1,
        shape: Sequence[int] = SHAPE,
        **attributes: Attribute,
    ) -> None:
        """A call on these sides, paired where it is on both. It reads the call before it on its side unless `reads` says what."""
        made: dict[str, int] = {}
        for side in sides:
            net = self.nets[side]
            sources = reads[side] if isinstance(reads, Mapping) else reads
            if kind == "conv2d":
                made[side] = net.conv(path, 8, 8)
            elif kind == "batch_norm":
                made[side] = net.norm(path, 8)
            else:
                made[side] = net.call(kind, path, shape, **attributes)
            call = net.calls[made[side]]
            if sources:
                call = replace(call, inputs=tuple(self._ref(net, source) for source in sources))
            specs = call.outputs * outputs
            net.calls[made[side]] = replace(call, outputs=specs, source=f"{side}.py:{call.index + 1}")
        self._pairs.append((made.get("torch"), made.get("paddle")))

    def cross(self, torch: str, paddle: str) -> None:
        """Pair two calls that were added apart."""
        one, other = (
            next(call.index for call in self.nets[side].calls if call.path == path)
            for side, path in zip(BOTH, (torch, paddle), strict=True)
        )
        self._pairs = [pair for pair in self._pairs if pair not in ((one, None), (None, other))] + [(one, other)]
        self._pairs.sort(key=lambda pair: pair[0] if pair[0] is not None else pair[1] or 0)

    def call(self, side: str, path: str) -> Call:
        return next(call for call in self.nets[side].calls if call.path == path)

    @property
    def rows(self) -> tuple[LayerPair, ...]:
        torch, paddle = (self.nets[side].calls for side in BOTH)
        return tuple(
            LayerPair(
                index,
                None if one is None else torch[one],
                None if other is None else paddle[other],
                "unpaired" if None in (one, other) else "type+name",
                "",
            )
            for index, (one, other) in enumerate(self._pairs)
        )

    @property
    def flow(self) -> Flow:
        return Flow(self.rows)

    @property
    def state(self) -> State:
        """The same weights on both sides."""
        random = np.random.default_rng(0)
        torch = {
            param.name: random.standard_normal(param.spec.shape).astype(np.float32)
            for call in self.nets["torch"].calls
            for param in call.params
        }
        paddle = {
            param.name: torch[param.name] for call in self.nets["paddle"].calls for param in call.params if param.name in torch
        }
        return State(torch, paddle, dict(paddle), {name: name for name in paddle})

    def case(self, end: str, alone: Sequence[str] = (), ends: Sequence[str] = ()) -> Case:
        """The fault that was measured at the row `end` (torch's path), with the calls `alone` before it."""
        rows = {row.path: row for row in self.rows if row.torch and row.paddle}
        lone = [row for row in self.rows if not (row.torch and row.paddle) and row.path in alone]
        return Case(
            lone[0] if lone else rows[end],
            rows[end],
            tuple(rows[path] for path in ends or (end,)),
            tuple(row.torch for row in lone if row.torch),
            tuple(row.paddle for row in lone if row.paddle),
            self.state,
            torch=(np.zeros(SHAPE, np.float32),),
            paddle=(np.full(SHAPE, 0.5, np.float32),),
            limit=1e-6,
        )

    def solved(self, case: Case, items: Sequence[Item] | None = None) -> Solved:
        """The fault with the items that it shows, or with these."""
        found = tuple(items_of(case, self.flow) if items is None else items)
        try:
            program = program_of(case, self.flow, found) if found else None
        except Inexpressible:
            program = None
        return Solved(case, Explanation(found, program=program, after=1e-8))

    def remedies(self, *solved: Solved) -> tuple[Remedy, ...]:
        return remedies(solved, self.flow)

    def _ref(self, net: Net, source: str) -> TensorRef:
        if source == "input":
            return TensorRef(MODEL_INPUT, 0, TensorSpec(SHAPE))
        path, _, output = source.partition(":")
        maker = next(call for call in net.calls if call.path == path)
        return TensorRef(maker.index, int(output or 0), maker.output)
