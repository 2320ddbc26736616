"""What the curves say at one place, and in a table, as text."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

from aligndbg.jobs.metrics import is_accuracy
from aligndbg.jobs.series import Axis, Curves
from aligndbg.tui.cells import clean
from aligndbg.tui.widgets.curve_lines import Line, Scale, lines_of, scale_of, value_at

MOST_ROWS = 1000
"""Columns that a curve is thinned to for a CSV, of two rows each: a terminal takes no text of any length."""


def value_text(metric: str, value: float) -> str:
    """Four digits; accuracies in percent."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    return f"{value:.4g} %" if is_accuracy(metric) else f"{value:.4g}"


def latest_text(curves: Curves, metric: str) -> str:
    """`train 5.321 · eval 5.1`: what came last, the mean over the ranks."""
    parts = []
    for phase in dict.fromkeys(phase for phase, name, _ in curves.metrics() if name == metric):
        ranks = {rank for whole in (False, True) for rank in curves.ranks(phase, metric, whole)}
        values = [value for rank in ranks if (value := curves.latest(phase, metric, rank)) is not None]
        parts.append(f"{phase} {value_text(metric, sum(value / len(values) for value in values))}")
    return " · ".join(parts)


def place_text(x: float, axis: Axis, scale: Scale | None) -> str:
    """`epoch 1.25 · step 40`, as far as it is known."""
    epoch = x if axis == "epoch" else None if scale is None else scale.epoch(x)
    step = x if axis == "step" else None if scale is None else scale.step(x)
    parts = [] if epoch is None else [f"epoch {round(epoch, 3):g}" if epoch < 1e5 else f"epoch {epoch:.0f}"]
    return " · ".join([*parts, *([] if step is None else [f"step {step:.0f}"])])


def readout(
    metric: str, x: float, lines: Sequence[Line], reference: Sequence[Line], axis: Axis, scale: Scale | None, name: str = ""
) -> str:
    """`epoch 1.25 · step 40 · loss 5.321 (train) · 5.1 (eval) · reference 5.4`. Each line's value is that of its point there or,
    where it has none, of the point before, which is then named; the reference's lies between its points."""
    values = [text for line in lines if (text := _line_text(metric, x, line, axis))]
    others = [
        f"{clean(name) or 'reference'} {value_text(metric, value)}" + (f" ({line.phase})" if len(reference) > 1 else "")
        for line in reference
        if (value := value_at(line, x)) is not None
    ]
    place = place_text(x, axis, scale)
    return " · ".join([place, f"{clean(metric)} {values[0]}" if values else f"no {clean(metric)} here", *values[1:], *others])


def _line_text(metric: str, x: float, line: Line, axis: Axis) -> str:
    who = line.phase if line.rank is None else f"rank {line.rank}" if line.phase == "train" else f"eval of rank {line.rank}"
    who = f"{who} of the epoch" if line.whole and line.phase == "train" and line.rank is None else who
    if any(math.isclose(x, at, rel_tol=1e-9) for at in line.broken):
        return f"NaN or infinite ({who})"
    if (value := line.at(x)) is None:
        if (place := line.before(x)) < 0:
            return ""
        value, who = line.ys[place], f"{who}, {place_text(line.xs[place], axis, None)}"
    return f"{value_text(metric, value)} ({who})"


def csv_text(curves: Curves, metric: str, by_rank: bool) -> str:
    """`epoch,step,train_loss,eval_loss`: a row for each point, thinned to its extremes where there are many.

    Epochs count from 0; a row without a step is the result of its epoch. What is averaged can be read again as a reference; the
    columns of ranks end with their number.
    """
    scale = scale_of(curves, metric)
    steps, results = (lines_of(curves, metric, axis, by_rank, scale) for axis in ("step", "epoch"))
    rows: dict[tuple[float, int | str], dict[str, float]] = {}
    names: dict[str, None] = {}
    for whole in (*(line for line in steps if not line.whole), *(line for line in results if line.whole)):
        line = whole.thinned(MOST_ROWS)
        name = f"{line.phase}_{clean(metric)}" + ("" if line.rank is None else f"_rank{line.rank}")
        names[name] = None
        for x, y in (*zip(line.xs, line.ys, strict=True), *((x, math.nan) for x in line.broken)):
            if line.whole:
                place: tuple[float, int | str] = (round(x - 1, 6), "")
            else:
                place = (math.floor(scale.epoch(x) + 1e-6) if scale else 0, round(x))
            rows.setdefault(place, {})[name] = y
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("epoch", "step", *names))
    for (epoch, step), values in sorted(rows.items(), key=lambda row: (row[0][0], row[0][1] == "", row[0][1])):
        writer.writerow((f"{epoch:.10g}", step, *(repr(values[name]) if name in values else "" for name in names)))
    return text.getvalue()
