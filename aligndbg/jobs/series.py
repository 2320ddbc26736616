"""Samples as curves: one trace a metric, phase and rank, of bounded size however long the run is.

A trace is a row of buckets whose width is a power of two. A bucket keeps its lowest and highest point, so that no spike is lost,
and its mean. When a trace outgrows its number of buckets, neighbours are joined. Buckets depend on the points alone and not on
their order, so that a curve is the same whether a log is followed or read at once, and whichever rank's log is read first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from aligndbg.jobs.metrics import Phase, Sample

Axis = Literal["step", "epoch"]
_FINEST = -12
"""log2 of the narrowest bucket: a 4096th of an epoch."""


LARGEST = 1e100
"""Values from here on are marks, as infinity is: their sums would overflow."""
MOST_TRACES = 2048
"""Traces that are kept: a log that makes up a new name in every line fills no memory."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points in the order of x. `broken` are the x at which the value was NaN or infinite: they are no points, but marks."""

    xs: tuple[float, ...] = ()
    ys: tuple[float, ...] = ()
    broken: tuple[float, ...] = ()


@dataclass(slots=True)
class _Bucket:
    lowest: tuple[float, float]
    """(y, x)"""
    highest: tuple[float, float]
    """(y, -x), so that of equal values the first counts."""
    total: float
    total_x: float
    count: int

    def join(self, other: _Bucket) -> None:
        self.lowest, self.highest = min(self.lowest, other.lowest), max(self.highest, other.highest)
        self.total += other.total
        self.total_x += other.total_x
        self.count += other.count

    def points(self) -> list[tuple[float, float]]:
        return sorted({(self.lowest[1], self.lowest[0]), (-self.highest[1], self.highest[0])})


class Trace:
    """The points of one curve, kept as at most `capacity` buckets. x is finite; a y that is not becomes a mark."""

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._level = _FINEST
        self._buckets: dict[int, _Bucket] = {}
        self._broken: dict[int, float] = {}
        self._span: tuple[int, int] | None = None

    @property
    def level(self) -> int:
        """log2 of a bucket's width."""
        return self._level

    def add(self, x: float, y: float) -> None:
        index = math.floor(math.ldexp(x, -self._level))
        low, high = (index, index) if self._span is None else (min(self._span[0], index), max(self._span[1], index))
        coarser = 0
        while (high >> coarser) - (low >> coarser) >= self._capacity:
            coarser += 1
        if coarser:
            self._buckets, self._broken = self.buckets(self._level + coarser), self._marks(coarser)
            self._level += coarser
            index, low, high = index >> coarser, low >> coarser, high >> coarser
        self._span = (low, high)
        if abs(y) < LARGEST:
            _join(self._buckets, index, _Bucket((y, x), (y, -x), y, x, 1))
        else:
            self._broken[index] = min(self._broken.get(index, x), x)

    def buckets(self, level: int) -> dict[int, _Bucket]:
        """A copy of the buckets as they would be with a width of 2**level, which is no finer than they are."""
        joined: dict[int, _Bucket] = {}
        for index, bucket in self._buckets.items():
            own = _Bucket(bucket.lowest, bucket.highest, bucket.total, bucket.total_x, bucket.count)
            _join(joined, index >> (level - self._level), own)
        return joined

    def _marks(self, coarser: int) -> dict[int, float]:
        marks: dict[int, float] = {}
        for index, x in self._broken.items():
            marks[index >> coarser] = min(marks.get(index >> coarser, x), x)
        return marks

    def points(self) -> list[tuple[float, float]]:
        """The lowest and the highest point of every bucket, in the order of x."""
        return [point for index in sorted(self._buckets) for point in self._buckets[index].points()]

    def broken(self) -> list[float]:
        return sorted(self._broken.values())


def _join(buckets: dict[int, _Bucket], index: int, bucket: _Bucket) -> None:
    if (there := buckets.get(index)) is None:
        buckets[index] = bucket
    else:
        there.join(bucket)


def mean_points(traces: Iterable[Trace]) -> list[tuple[float, float]]:
    """The mean over the traces that have a point there, bucket by bucket of the widest."""
    traces = list(traces)
    level = max((trace.level for trace in traces), default=_FINEST)
    columns: dict[int, list[_Bucket]] = {}
    for trace in traces:
        for index, bucket in trace.buckets(level).items():
            columns.setdefault(index, []).append(bucket)
    mean = [
        (
            math.fsum(bucket.total_x / bucket.count for bucket in column) / len(column),
            math.fsum(bucket.total / bucket.count for bucket in column) / len(column),
        )
        for column in columns.values()
    ]
    return sorted(mean)


def decimate(points: list[tuple[float, float]], columns: int) -> list[tuple[float, float]]:
    """At most two points a column of equal width: the lowest and the highest of those that fall into it.

    `points` are in the order of x, as are those returned; few enough are returned as they are.
    """
    if len(points) <= 2 * columns:
        return points
    left, right = points[0][0], points[-1][0]
    width = (right - left) / columns
    kept: dict[int, _Bucket] = {}
    for x, y in points:
        column = min(columns - 1, int((x - left) / width)) if width > 0 else 0
        _join(kept, column, _Bucket((y, x), (y, -x), y, x, 1))
    return [point for column in sorted(kept) for point in kept[column].points()]


@dataclass(slots=True)
class _Timeline:
    """Where the steps of one rank and phase lie on one axis, for logs that number them anew in every epoch."""

    origin: float = 0.0
    """The epoch at which x is 0."""
    length: float | None = None
    """Steps of an epoch, once known."""
    epoch: float | None = None
    highest: int = -1
    numbered_through: bool = False
    """Whether steps are counted on from one epoch to the next."""
    results: int = 0

    def steps(self) -> float:
        """Steps of an epoch, as far as known."""
        return self.length or max(1.0, self.highest + 1.0)

    def position(self, sample: Sample) -> float:
        """x of a step, in steps; x of an epoch's result, in epochs."""
        if sample.step is None:
            self.results += 1
            return float(self.results) if sample.epoch is None else sample.epoch + 1.0
        epoch = self.origin if sample.epoch is None else sample.epoch
        if self.epoch is None:
            self.epoch = epoch
            if sample.total_steps:
                self.length = float(sample.total_steps)
            else:  # Where this epoch begins is not known until the next one does.
                self.origin = epoch
        if self.length is None and epoch > self.epoch:
            self.numbered_through = sample.step > self.highest
            self.length = float(sample.step) if self.numbered_through else (self.highest + 1) / (epoch - self.epoch)
        self.highest = max(self.highest, sample.step)
        if self.length is None or self.numbered_through:
            return float(sample.step)
        return (epoch - self.origin) * self.length + sample.step


@dataclass(slots=True)
class Curves:
    """Every curve of one run. `capacity` is the number of buckets a trace keeps, far above a terminal's columns."""

    capacity: int = 4096
    _traces: dict[tuple[Phase, str, bool, int | None], Trace] = field(default_factory=dict)
    _timelines: dict[tuple[Phase, int | None], _Timeline] = field(default_factory=dict)
    _latest: dict[tuple[Phase, str, int | None], float] = field(default_factory=dict)

    def add(self, sample: Sample) -> None:
        x = self._timelines.setdefault((sample.phase, sample.rank), _Timeline()).position(sample)
        for name, y in sample.values.items():
            key = (sample.phase, name, sample.step is None, sample.rank)
            if (trace := self._traces.get(key)) is None:
                if len(self._traces) >= MOST_TRACES:
                    continue
                trace = self._traces[key] = Trace(self.capacity)
            trace.add(x, y)
            self._latest[sample.phase, name, sample.rank] = y

    def metrics(self) -> list[tuple[Phase, str, bool]]:
        """(phase, metric, whether it is of whole epochs) of every curve there is, in the order of their first samples."""
        return list(dict.fromkeys((phase, name, whole) for phase, name, whole, _ in self._traces))

    def ranks(self, phase: Phase, metric: str, whole: bool = False) -> list[int | None]:
        """The ranks that gave this metric; None stands for lines without one."""
        found = {rank for *key, rank in self._traces if tuple(key) == (phase, metric, whole)}
        return sorted(found, key=lambda rank: -1 if rank is None else rank)

    def latest(self, phase: Phase, metric: str, rank: int | None = None) -> float | None:
        """The value that came last."""
        return self._latest.get((phase, metric, rank))

    def curve(
        self,
        phase: Phase,
        metric: str,
        whole: bool = False,
        rank: int | Literal["mean"] | None = "mean",
        axis: Axis = "step",
        columns: int | None = None,
    ) -> Curve:
        """A metric's curve: of steps, or with `whole` of epochs' results; of one rank, or the mean over those there are.

        Epochs count from 0, so that the first epoch's result lies at 1. With `columns`, at most two points for each.
        """
        ranks = self.ranks(phase, metric, whole) if rank == "mean" else [rank]
        traces = [trace for one in ranks if (trace := self._traces.get((phase, metric, whole, one))) is not None]
        if not traces:
            return Curve()
        points = traces[0].points() if len(traces) == 1 else mean_points(traces)
        timeline = self._timeline("train" if whole else phase, phase, ranks)
        scale, shift = _axis(timeline, whole, axis)
        points = [(x * scale + shift, y) for x, y in points]
        broken = tuple(sorted({x * scale + shift for trace in traces for x in trace.broken()}))
        if columns is not None:
            points = decimate(points, columns)
        return Curve(tuple(x for x, _ in points), tuple(y for _, y in points), broken)

    def _timeline(self, phase: Phase, fallback: Phase, ranks: list[int | None]) -> _Timeline:
        known = [self._timelines.get((one, rank)) for one in (phase, fallback) for rank in ranks]
        return next((timeline for timeline in known if timeline is not None and timeline.highest >= 0), _Timeline(length=1.0))


def _axis(timeline: _Timeline, whole: bool, axis: Axis) -> tuple[float, float]:
    """(scale, shift) from a trace's own x to the axis: results lie in epochs, steps in steps."""
    steps = timeline.steps()
    if whole:
        return (1.0, 0.0) if axis == "epoch" else (steps, -timeline.origin * steps)
    return (1.0, 0.0) if axis == "step" else (1.0 / steps, timeline.origin)
