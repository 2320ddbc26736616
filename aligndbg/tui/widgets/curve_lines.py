"""Which lines a metric's curves are drawn as, and where what a rule found lies among them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aligndbg.jobs.metrics import CANONICAL, Phase, is_accuracy
from aligndbg.jobs.series import Axis, Curve, Curves, decimate
from aligndbg.jobs.violation import Violation

MOST_RANKS = 8
"""Ranks that are drawn one by one: more cannot be told apart."""


@dataclass(frozen=True, slots=True)
class Line:
    """One curve on the chosen axis: of steps or, `whole`, of epochs' results. `rank` is None for the mean, and for a run without
    ranks; `broken` are the x of values that are NaN or infinite."""

    phase: Phase
    whole: bool
    rank: int | None
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    broken: tuple[float, ...] = ()

    def thinned(self, columns: int) -> Line:
        """With at most two points a column, its extremes."""
        points = decimate(list(zip(self.xs, self.ys, strict=True)), columns)
        return (
            self if len(points) == len(self.xs) else replace(self, xs=tuple(x for x, _ in points), ys=tuple(y for _, y in points))
        )

    def at(self, x: float) -> float | None:
        """The value of the point at x, if there is one."""
        place = self.before(x)
        return self.ys[place] if place >= 0 and math.isclose(self.xs[place], x, rel_tol=1e-9, abs_tol=1e-9) else None

    def before(self, x: float) -> int:
        """The index of the point at x or, where there is none, before it; -1 where x is left of all."""
        return bisect_right(self.xs, x + abs(x) * 1e-9) - 1


@dataclass(frozen=True, slots=True)
class Scale:
    """How the axes of one run belong together: epoch `origin + step / steps`, steps counted over the whole run."""

    steps: float
    origin: float

    def epoch(self, step: float) -> float:
        return self.origin + step / self.steps

    def step(self, epoch: float) -> float:
        return (epoch - self.origin) * self.steps


@dataclass(frozen=True, slots=True)
class Mark:
    """Where on the axis a rule was broken."""

    x: float
    rule: str
    phase: Phase | None
    rank: int | None


def metrics_of(curves: Curves) -> tuple[str, ...]:
    """The names of the metrics: those that matter first, the others in the order of their coming."""
    names = dict.fromkeys(name for _, name, _ in curves.metrics())
    top = sorted((name for name in names if is_accuracy(name) and name not in CANONICAL), key=lambda name: int(name[3:]))
    known = [name for name in (*CANONICAL[:3], *top, *CANONICAL[3:]) if name in names]
    return tuple(dict.fromkeys((*known, *names)))


def scale_of(curves: Curves, metric: str) -> Scale | None:
    """None while a run has told too little to say how many steps an epoch has."""
    steps = sorted((one for one in curves.metrics() if one[0] == "train" and not one[2]), key=lambda one: one[1] != metric)
    for phase, name, _ in steps[:1]:
        by_step, by_epoch = (curves.curve(phase, name, rank=curves.ranks(phase, name)[0], axis=axis) for axis in ("step", "epoch"))
        places = (*zip(by_step.xs, by_epoch.xs, strict=True), *zip(by_step.broken, by_epoch.broken, strict=False))
        (first, begun), (last, ended) = min(places), max(places)
        if last > first and ended > begun:
            length = (last - first) / (ended - begun)
            return Scale(length, begun - first / length)
    return None


def lines_of(curves: Curves, metric: str, axis: Axis, by_rank: bool, scale: Scale | None = None) -> tuple[Line, ...]:
    """The lines of both phases, training first. Beside a training, steps of evaluations are left out where results are known."""
    trained = any(phase == "train" for phase, _, _ in curves.metrics())
    kinds = [(phase, whole) for phase, name, whole in curves.metrics() if name == metric]
    lines = []
    for phase, whole in sorted(kinds, key=lambda kind: (kind[0] == "eval", kind[1])):
        if trained and phase == "eval" and not whole and ("eval", True) in kinds:
            continue
        # An evaluation counts its own steps, or none: it is placed by its epoch. So is what comes without a rank.
        placed = scale if axis == "step" and (whole or phase == "eval") else None
        ranks = curves.ranks(phase, metric, whole)
        for rank in ranks[:MOST_RANKS] if by_rank and len(ranks) > 1 else ("mean",):
            curve = curves.curve(phase, metric, whole, rank, "epoch" if placed else axis)
            if placed is not None:
                curve = _moved(curve, placed)
            lines.append(Line(phase, whole, None if rank == "mean" else rank, curve.xs, curve.ys, curve.broken))
    return tuple(lines)


def _moved(curve: Curve, scale: Scale) -> Curve:
    return replace(curve, xs=tuple(map(scale.step, curve.xs)), broken=tuple(map(scale.step, curve.broken)))


def rank_count(curves: Curves, metric: str) -> int:
    return max((len(curves.ranks(phase, name, whole)) for phase, name, whole in curves.metrics() if name == metric), default=0)


def marks_of(violations: Sequence[Violation], axis: Axis, scale: Scale | None) -> tuple[Mark, ...]:
    """Those that have a place on the axis, in the order of it."""
    placed = [(violation, _place(violation, axis, scale)) for violation in violations]
    marks = [Mark(x, violation.rule, violation.phase, violation.rank) for violation, x in placed if x is not None]
    return tuple(sorted(marks, key=lambda mark: (mark.x, mark.rule)))


def _place(violation: Violation, axis: Axis, scale: Scale | None) -> float | None:
    epoch, step = violation.epoch, violation.step
    if epoch is not None and (step is None or violation.phase == "eval"):
        # The result of an epoch lies at its end.
        return epoch + 1.0 if axis == "epoch" else None if scale is None else scale.step(epoch + 1.0)
    if step is None:
        return None
    if scale is None:
        return float(step) if axis == "step" and not epoch else epoch if axis == "epoch" else None
    # Some logs count the steps through all epochs.
    through = epoch is None or step >= scale.steps
    at = float(step) if through or epoch is None else scale.step(epoch) + step
    return at if axis == "step" else scale.epoch(at)


def value_at(line: Line, x: float) -> float | None:
    """The line's height at x, between two points on the way from one to the other; None beyond its ends."""
    if not line.xs or not line.xs[0] <= x <= line.xs[-1]:
        return None
    place = line.before(x)
    if place + 1 >= len(line.xs) or line.xs[place] == line.xs[place + 1]:
        return line.ys[place]
    share = (x - line.xs[place]) / (line.xs[place + 1] - line.xs[place])
    return line.ys[place] + max(0.0, share) * (line.ys[place + 1] - line.ys[place])


def stops(lines: Sequence[Line]) -> list[float]:
    """Every x at which a line has a point or is broken: where the cursor stops."""
    found = sorted({x for line in lines for x in (*line.xs, *line.broken)})
    # Of two axes' rounding, one stop is left.
    return [x for place, x in enumerate(found) if not place or not math.isclose(x, found[place - 1], rel_tol=1e-9)]
