"""The verdict of each row: from its own diff, and from whether a fault reaches it along the data flow of either side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aligndbg.core.kinds import MOVES_NOTHING
from aligndbg.core.layers import Call, LayerPair
from aligndbg.core.likeness import does_nothing
from aligndbg.core.stats import Diff
from aligndbg.core.verdict import LayerResult, Verdict

Measured = Diff | None
"""A compared row's diff; None where the output shapes differ."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """What a row's inputs come from: the nearest compared rows, and the rows on the way that compute and have no partner.

    Compared rows that stand after the row are left out: where the two sides run in another order, each of two rows may read the
    other, and the first of them must not be excused by the second.
    """

    compared: frozenset[int]
    alone: frozenset[int]


class Judge:
    """Judges rows as their diffs come in, by their `index`; `diffs` may grow between two calls."""

    def __init__(self, layers: Sequence[LayerPair], diffs: Mapping[int, Measured]) -> None:
        self._layers = {row.index: row for row in layers}
        self._diffs = diffs
        torch = _Flow(layers, lambda row: row.torch)
        paddle = _Flow(layers, lambda row: row.paddle)
        self._upstream = {row.index: _both(row.index, torch.upstream(row), paddle.upstream(row)) for row in layers}
        self._readers: dict[int, list[int]] = {}
        for index, upstream in self._upstream.items():
            for row in upstream.alone:
                self._readers.setdefault(row, []).append(index)

    def compared(self, index: int) -> LayerResult:
        """The verdict on a row whose diff is known. Rows upstream that are not known yet count as agreeing."""
        diff, upstream = self._diffs[index], self._upstream[index]
        if diff is not None and diff.stats.over_tolerance == 0:
            return LayerResult(index, Verdict.OK, False, diff)
        if upstream.alone:
            path = self._layers[min(upstream.alone)].path
            return LayerResult(index, Verdict.INHERITED, True, diff, note=f"{path}, which one side lacks, lies before it")
        wrong = [row for row in upstream.compared if self.wrong(row)]
        same_way = [row for row in wrong if _breach(self._diffs[row]) == _breach(diff)]
        if diff is None and not same_way:
            return LayerResult(index, Verdict.SHAPE, True, note=_shapes(self._layers[index]))
        if diff is not None and (diff.stats.nan or diff.stats.inf) and not same_way:
            return LayerResult(index, Verdict.NAN, True, diff)
        if wrong:
            first = self._layers[min(same_way or wrong)]
            return LayerResult(index, Verdict.INHERITED, True, diff, note=f"{first.path}, which it reads, differs already")
        return LayerResult(index, Verdict.BORN, True, diff)

    def alone(self, index: int, output_differs: bool) -> LayerResult:
        """The verdict on a row without a diff, once all diffs are known."""
        row = self._layers[index]
        call = row.torch or row.paddle
        if row.match in ("ignored", "fused") or call is None:
            verdict = Verdict.OK if row.torch and row.paddle else Verdict.UNPAIRED
            return LayerResult(index, verdict, False, note=row.reason)
        if does_nothing(call):
            return LayerResult(index, Verdict.UNPAIRED, False, note=f"{call.type} changes nothing in eval")
        if call.kind in MOVES_NOTHING:
            return LayerResult(index, Verdict.UNPAIRED, False, note=f"{call.type} computes nothing")
        known = [reader for reader in self._readers.get(index, ()) if reader in self._diffs]
        differs = any(self.wrong(reader) for reader in known) if known else output_differs
        return LayerResult(index, Verdict.UNPAIRED, differs, note="" if differs else "what reads it agrees all the same")

    def wrong(self, index: int) -> bool:
        """Whether the row was compared and does not agree."""
        if index not in self._diffs:
            return False
        diff = self._diffs[index]
        return diff is None or diff.stats.over_tolerance > 0


def _breach(diff: Measured) -> str:
    """In what way a wrong row is wrong."""
    if diff is None:
        return "shape"
    return "nan" if diff.stats.nan or diff.stats.inf else "value"


def _shapes(row: LayerPair) -> str:
    """What the first output's shapes, which every table shows, do not say."""
    one, other = (call.outputs if call else () for call in (row.torch, row.paddle))
    if len(one) != len(other):
        return f"torch has {len(one)} outputs, Paddle {len(other)}"
    differing = (place for place, (mine, others) in enumerate(zip(one, other, strict=True)) if mine.shape != others.shape)
    # The calls may be those of a smaller batch, on which no shape differs.
    place = next(differing, 0)
    return f"output {place}: {list(one[place].shape)} in torch, {list(other[place].shape)} in Paddle" if place else ""


def _both(index: int, one: Upstream, other: Upstream) -> Upstream:
    before = frozenset(row for row in one.compared | other.compared if row < index)
    return Upstream(before, one.alone | other.alone)


class _Flow:
    """One side's data flow between rows."""

    def __init__(self, layers: Sequence[LayerPair], side: Callable[[LayerPair], Call | None]) -> None:
        self._side = side
        self._rows = {call.index: row for row in layers if (call := side(row)) is not None}

    def upstream(self, row: LayerPair) -> Upstream:
        call = self._side(row)
        compared: set[int] = set()
        alone: set[int] = set()
        seen: set[int] = set()
        todo = [ref.producer for ref in call.inputs] if call else []
        while todo:
            place = todo.pop()
            if place in seen or place not in self._rows:
                continue
            seen.add(place)
            source = self._rows[place]
            if source.torch and source.paddle and source.match != "ignored":
                compared.add(source.index)
                continue
            producer = self._side(source)
            assert producer is not None
            if source.match == "unpaired" and not does_nothing(producer) and producer.kind not in MOVES_NOTHING:
                alone.add(source.index)
            todo += [ref.producer for ref in producer.inputs]
        return Upstream(frozenset(compared), frozenset(alone))
