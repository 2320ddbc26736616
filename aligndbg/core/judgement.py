"""The verdict of each row, from what was measured at it and from whether a fault reaches it along the data flow of either side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aligndbg.core.kinds import MOVES_NOTHING, VIEW_LIKE
from aligndbg.core.layers import Call, LayerPair
from aligndbg.core.likeness import does_nothing, makes_weights, narrows
from aligndbg.core.stats import Diff
from aligndbg.core.tolerance import Tolerances
from aligndbg.core.verdict import LayerResult, OnnxDiff, Verdict

Measured = Diff | None
"""A compared row's diff; None where the output shapes differ."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known so far, by row: it grows while a run goes on.

    `diffs` are propagated diffs, `local` the diffs of Paddle's layers on torch's inputs, `floors` what rounding explains, `onnx`
    each side's gap to ONNX Runtime, where Paddle's is of its local output. What reads the rows `unforced` worked on Paddle's own
    values, so that its local diff is not its own.
    """

    diffs: dict[int, Measured] = field(default_factory=dict)
    local: dict[int, Measured] = field(default_factory=dict)
    floors: dict[int, float] = field(default_factory=dict)
    onnx: dict[int, OnnxDiff] = field(default_factory=dict)
    unforced: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Upstream:
    """What a row's inputs come from: the nearest compared rows, and the rows on the way that compute and have no partner.

    Compared rows that stand after the row are left out: where the two sides run in another order, each of two rows may read the
    other, and the first of them must not be excused by the second. With rows that have no partner, a row and what leads to it
    from the compared rows is one region: only its end can be compared.
    """

    compared: frozenset[int]
    alone: frozenset[int]


@dataclass(frozen=True, slots=True)
class Region:
    """A row without a partner and what leads from it to the compared rows that read it.

    `end` is the first of the `ends`, which do not agree on torch's inputs; `alone` are the rows without a partner before them.
    """

    end: int
    ends: tuple[int, ...]
    alone: tuple[int, ...]


_UNKNOWN = object()


class Judge:
    """Judges rows, by their `index`, on the evidence there is."""

    def __init__(self, layers: Sequence[LayerPair], evidence: Evidence, tolerances: Tolerances | None = None) -> None:
        self._layers = {row.index: row for row in layers}
        self._evidence = evidence
        self._tolerances = tolerances or Tolerances()
        torch = _Flow(layers, lambda row: row.torch)
        paddle = _Flow(layers, lambda row: row.paddle)
        self._upstream = {row.index: _both(row.index, torch.upstream(row), paddle.upstream(row)) for row in layers}
        self._readers: dict[int, list[int]] = {}
        for index, upstream in self._upstream.items():
            for row in upstream.alone:
                self._readers.setdefault(row, []).append(index)
        self._compared_readers: dict[int, list[int]] = {}
        for index, upstream in self._upstream.items():
            for row in upstream.compared:
                self._compared_readers.setdefault(row, []).append(index)

    def compared(self, index: int) -> LayerResult:
        """The verdict on a row whose diff is known. Rows upstream that are not known yet count as agreeing."""
        evidence = self._evidence
        diff, local = evidence.diffs[index], evidence.local.get(index)
        verdict, note = self._by_local(index) if index in evidence.local else self._by_propagated(index)
        wrong = verdict not in (Verdict.OK, Verdict.NOISE)
        return LayerResult(
            index,
            verdict,
            wrong,
            diff,
            local.stats if local else None,
            evidence.onnx.get(index),
            evidence.floors.get(index),
            self._blame(index) if verdict is Verdict.BORN else None,
            note,
        )

    def alone(self, index: int, output_differs: bool) -> LayerResult:
        """The verdict on a row without a diff, once all diffs are known."""
        row = self._layers[index]
        call = row.torch or row.paddle
        if row.match in ("ignored", "fused") or call is None:
            verdict = Verdict.OK if row.torch and row.paddle else Verdict.UNPAIRED
            return LayerResult(index, verdict, False, note=row.reason)
        if does_nothing(call):
            return LayerResult(index, Verdict.UNPAIRED, False, note=f"{call.type} changes nothing in eval")
        if makes_weights(call):
            return LayerResult(index, Verdict.UNPAIRED, False, note="it prepares a weight; the layer that reads it is compared")
        if not matters(call):
            return LayerResult(index, Verdict.UNPAIRED, False, note=f"{call.type} computes nothing")
        readers = self._readers.get(index, ())
        if located := [reader for reader in readers if reader in self._evidence.local]:
            return self._by_readers(index, located)
        known = [reader for reader in readers if reader in self._evidence.diffs]
        differs = any(self.wrong(reader) for reader in known) if known else output_differs
        return LayerResult(index, Verdict.UNPAIRED, differs, note="" if differs else "what reads it agrees all the same")

    def region(self, index: int) -> Region:
        """Where the fault that is born in row `index` was measured; a compared row is its own end."""
        if index in self._evidence.diffs:
            misled = tuple(self._misled(index)) if self._laid(index) else ()
            return Region(min(misled, default=index), misled or (index,), ())
        ends = [end for end in self._readers.get(index, ()) if end in self._evidence.local]
        wrong = [end for end in ends if self.beyond(end, self._evidence.local[end])]
        alone = frozenset[int]().union(*(self._upstream[end].alone for end in wrong))
        return Region(min(wrong, default=index), tuple(sorted(wrong)), tuple(sorted(alone)))

    def wrong(self, index: int) -> bool:
        """Whether the row was compared and does not agree."""
        return index in self._evidence.diffs and self.beyond(index, self._evidence.diffs[index])

    def beyond(self, index: int, diff: Measured) -> bool:
        """Whether a diff of the row is more than the tolerance and more than rounding.

        Where the noise floor is known, an absolute tolerance is scaled down to layers whose largest value is below 1: a missing
        ReLU can be worth less than 1e-4 there.
        """
        if diff is None:
            return not _laid_out_anew(self._layers[index])
        if diff.stats.nan or diff.stats.inf:
            return True
        floor = self._evidence.floors.get(index)
        if floor is None:
            return diff.stats.over_tolerance > 0
        atol, _ = self._tolerances.of(*_paths(self._layers[index]))
        small = diff.stats.max_abs > atol * min(1.0, diff.torch.max_abs)
        return diff.stats.max_abs > floor and (diff.stats.over_tolerance > 0 or small)

    def _by_local(self, index: int) -> tuple[Verdict, str]:
        diff, local, upstream = self._evidence.diffs[index], self._evidence.local[index], self._upstream[index]
        if self.beyond(index, local):
            if upstream.alone:
                return Verdict.INHERITED, f"{self._layers[min(upstream.alone)].path}, which one side lacks, lies before it"
            if own := self._unfitting(index):
                return Verdict.INHERITED, f"torch's output of {self._layers[min(own)].path} does not fit in Paddle's place"
            if laid := self._laid_before(index):
                return Verdict.INHERITED, f"{self._layers[min(laid)].path} lays out its elements in another way"
            return Verdict.BORN, _shapes(self._layers[index]) if local is None else ""
        if self._laid(index) and (misled := self._misled(index)):
            if own := self._unfitting(index):
                return Verdict.INHERITED, f"torch's output of {self._layers[min(own)].path} does not fit in Paddle's place"
            if laid := self._laid_before(index):
                return Verdict.INHERITED, f"{self._layers[min(laid)].path} lays out its elements in another way"
            return Verdict.BORN, f"measured at {self._layers[min(misled)].path}: it lays out its elements in another way"
        if self.beyond(index, diff):
            wrong = [row for row in upstream.compared if self.wrong(row)]
            return Verdict.INHERITED, f"{self._layers[min(wrong)].path}, which it reads, differs already" if wrong else ""
        return self._agreeing(index)

    def _unfitting(self, index: int) -> list[int]:
        """The rows directly before that are wrong and that Paddle had to go on with."""
        return [row for row in self._upstream[index].compared & self._evidence.unforced if self.wrong(row)]

    def _laid(self, index: int) -> bool:
        """Whether the two sides keep the row's elements in different shapes, which need not be wrong."""
        return self._evidence.local.get(index, _UNKNOWN) is None and _laid_out_anew(self._layers[index])

    def _laid_before(self, index: int) -> list[int]:
        """The rows directly before that are laid out anew."""
        return [row for row in self._upstream[index].compared if self._laid(row)]

    def _misled(self, index: int) -> list[int]:
        """What reads a row that is laid out anew, by way of others that are, and does not agree: the layout was wrong."""
        found: list[int] = []
        todo, seen = [index], {index}
        while todo:
            for reader in self._compared_readers.get(todo.pop(), ()):
                if reader in seen:
                    continue
                seen.add(reader)
                if self._laid(reader):
                    todo.append(reader)
                elif reader in self._evidence.local and self.beyond(reader, self._evidence.local[reader]):
                    found.append(reader)
        return found

    def _by_propagated(self, index: int) -> tuple[Verdict, str]:
        """A guess: the first layer that differs along a path is where the fault is."""
        diff, upstream = self._evidence.diffs[index], self._upstream[index]
        if not self.beyond(index, diff):
            return self._agreeing(index)
        if upstream.alone:
            return Verdict.INHERITED, f"{self._layers[min(upstream.alone)].path}, which one side lacks, lies before it"
        wrong = [row for row in upstream.compared if self.wrong(row)]
        same_way = [row for row in wrong if _breach(self._evidence.diffs[row]) == _breach(diff)]
        if diff is None and not same_way:
            return Verdict.SHAPE, _shapes(self._layers[index])
        if _breach(diff) == "nan" and not same_way:
            return Verdict.NAN, ""
        if wrong:
            return Verdict.INHERITED, f"{self._layers[min(same_way or wrong)].path}, which it reads, differs already"
        return Verdict.BORN, ""

    def _agreeing(self, index: int) -> tuple[Verdict, str]:
        diff = self._evidence.diffs[index]
        if diff is None:
            return Verdict.OK, "not compared: the two sides keep the same elements in another order of axes"
        return (Verdict.NOISE if diff.stats.over_tolerance > 0 else Verdict.OK), ""

    def _by_readers(self, index: int, readers: Sequence[int]) -> LayerResult:
        """An unpaired row: the fault is here where the region that it is in does not agree on torch's inputs."""
        wrong = [reader for reader in readers if self.beyond(reader, self._evidence.local[reader])]
        if not wrong:
            return LayerResult(index, Verdict.UNPAIRED, False, note="what reads it agrees all the same")
        end = min(wrong)
        local = self._evidence.local[end]
        first = min(self._upstream[end].alone)
        path = self._layers[end].path
        return LayerResult(
            index,
            Verdict.BORN if index == first else Verdict.UNPAIRED,
            True,
            None,
            local.stats if local else None,
            self._evidence.onnx.get(end),
            self._evidence.floors.get(end),
            self._blame(end) if index == first else None,
            f"measured at {path}, the end of the region that it is in",
        )

    def _blame(self, index: int) -> str | None:
        """The side that disagrees with ONNX Runtime where the other does not; None where that settles nothing."""
        onnx, local = self._evidence.onnx.get(index), self._evidence.local.get(index)
        if onnx is None:
            # Golden is torch's own code: within its noise floor torch is right, and the port is what departs from it.
            return "paddle" if index in self._evidence.floors and index in self._evidence.local else None
        atol, _ = self._tolerances.of(*_paths(self._layers[index]))
        limit = max(self._evidence.floors.get(index, 0.0), atol * min(1.0, local.torch.max_abs) if local else atol)
        torch, paddle = onnx.torch_max_abs > limit, not onnx.paddle_max_abs <= limit
        if torch == paddle:
            return None
        return "torch" if torch else "paddle"


def matters(call: Call) -> bool:
    """Whether a call without a partner can explain a difference in values."""
    if does_nothing(call) or makes_weights(call):
        return False
    return call.kind not in MOVES_NOTHING or narrows(call)


def _paths(row: LayerPair) -> tuple[str, ...]:
    return tuple(call.path for call in (row.torch, row.paddle) if call is not None)


def _laid_out_anew(row: LayerPair) -> bool:
    """Whether both calls only move elements, to shapes that are each other's permutations: what reads them tells more."""
    if row.torch is None or row.paddle is None or not {row.torch.kind, row.paddle.kind} <= VIEW_LIKE | {"split"}:
        return False
    shapes = [[sorted(output.shape) for output in call.outputs] for call in (row.torch, row.paddle)]
    return shapes[0] == shapes[1]


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
    # The calls may be those of a smaller batch, on which no shape differs.
    place = next((k for k, (mine, others) in enumerate(zip(one, other, strict=True)) if mine.shape != others.shape), 0)
    return f"output {place}: {list(one[place].shape)} in torch, {list(other[place].shape)} in Paddle" if place else ""


def _both(index: int, one: Upstream, other: Upstream) -> Upstream:
    before = frozenset(row for row in one.compared | other.compared if row < index)
    return Upstream(before, one.alone | other.alone)


class _Flow:
    """One side's data flow between rows."""

    def __init__(self, layers: Sequence[LayerPair], side: Callable[[LayerPair], Call | None]) -> None:
        self._side = side
        self._rows: Mapping[int, LayerPair] = {call.index: row for row in layers if (call := side(row)) is not None}

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
            if source.match == "unpaired" and matters(producer):
                alone.add(source.index)
            todo += [ref.producer for ref in producer.inputs]
        return Upstream(frozenset(compared), frozenset(alone))
