"""Curves in a CSV: a reference that someone exported, or timm's `summary.csv` (`epoch,train_loss,eval_loss,eval_top1,lr`)."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator

from aligndbg.errors import InputError
from aligndbg.jobs.metrics import CANONICAL, Phase, Sample, canonical, is_accuracy

_PHASES: dict[str, Phase] = {"train": "train", "eval": "eval", "val": "eval", "valid": "eval", "test": "eval"}
_ENDS = str.maketrans("", "", "\0\r\n")
LONGEST = 100_000
"""Characters of a line that are read, which is less than csv's own limit for a cell."""
LARGEST = 1e9
"""Epochs and steps from here on are no positions."""


def read_table(lines: Iterable[str]) -> Iterator[Sample]:
    """The samples of every row, one a phase, under the names of the first line.

    Columns are `epoch`, `step` and metrics, each with its phase in front (`eval_top1`, `val_loss`) or, without one, of `train`.
    Accuracies are percents; a row without a step is an epoch's result, one without either is the step of its place. Cells that
    hold no number are left out.

    Raises InputError where the first line names no metric.
    """
    rows = map(_cells, lines)
    header = [name.strip() for name in next(rows, [])]
    columns = {index: column for index, name in enumerate(header) if (column := _column(name)) is not None}
    if not columns:
        raise InputError("the first line of the CSV names no metric", f"columns may be called epoch, step, {', '.join(CANONICAL)}")
    places = {name.lower(): index for index, name in enumerate(header)}
    for count, row in enumerate(rows):
        cells = {index: value for index, cell in enumerate(row) if (value := _number(cell)) is not None}
        epoch, step = (_position(cells.get(places.get(name, -1))) for name in ("epoch", "step"))
        if "epoch" not in places and "step" not in places:
            step = float(count)
        by_phase: dict[Phase, dict[str, float]] = {}
        for index, (phase, metric) in columns.items():
            if index in cells:
                by_phase.setdefault(phase, {})[metric] = cells[index]
        for phase, values in by_phase.items():
            yield Sample(count + 1, None, None, phase, epoch, None if step is None else int(step), None, values)


def _cells(line: str) -> list[str]:
    """One row a line: a quote that is never closed ends with its line."""
    return next(csv.reader([line[:LONGEST].translate(_ENDS)]), [])


def _column(name: str) -> tuple[Phase, str] | None:
    """(phase, metric) of a column's name."""
    before, _, after = name.partition("_")
    phase, metric = (_PHASES[before.lower()], after) if before.lower() in _PHASES and after else ("train", name)
    known = canonical(metric)
    return (phase, known) if known in CANONICAL or is_accuracy(known) else None


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:  # An empty cell, or a word.
        return None


def _position(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and 0 <= value < LARGEST else None
