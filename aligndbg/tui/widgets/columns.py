"""The columns of the layer table: what they show, and which go first where the terminal is narrow."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from aligndbg.core.layers import Call
from aligndbg.core.rows import Outline
from aligndbg.core.verdict import Verdict
from aligndbg.tui.cells import clean
from aligndbg.tui.theme import verdict_class
from aligndbg.workflows.wording import figure, shape_text, verdict_text

GAP = 1
"""Cells between two columns."""

NAME_LEAST = 22
"""The name's column is left this wide before another column goes."""

LEVELS = " ▁▂▃▄▅▆▇"
"""Never the full cell: blocks of neighbouring lines would run into each other."""

LEVEL_FLOOR = -8.0
"""Power of ten of a difference that draws no block; each further power draws one more step."""


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    style: str = "plain"


@dataclass(frozen=True, slots=True)
class Column:
    """`width` is the widest that the column gets; `keep` the order in which columns go, the highest first.

    An `optional` one is there where a row has something in it.
    """

    title: str
    width: int
    least: int
    keep: int
    cell: Callable[[Outline, int], Cell]
    align: str = "left"
    optional: bool = False


def shown_call(outline: Outline, index: int) -> Call | None:
    layer = outline.layers[outline.rows[index].layer]
    return layer.torch or layer.paddle


def kind_cell(outline: Outline, index: int) -> Cell:
    if outline.is_group(index):
        return _place_of_fault(outline, index) or Cell(f"{len(outline.layers_below(index))} layers", "quiet")
    call = shown_call(outline, index)
    return Cell(clean(call.type) if call else "", "plain")


def shape_cell(outline: Outline, index: int) -> Cell:
    call = None if outline.is_group(index) else shown_call(outline, index)
    return Cell(shape_text(call.output.shape) if call and call.outputs else "", "quiet")


def level_cell(outline: Outline, index: int) -> Cell:
    summary = outline.summaries[index]
    return Cell(level(summary.max_abs), "level")


def max_cell(outline: Outline, index: int) -> Cell:
    summary = outline.summaries[index]
    return Cell(figure(summary.max_abs) if summary.verdict else "", _tone(outline, index))


def rel_cell(outline: Outline, index: int) -> Cell:
    summary = outline.summaries[index]
    return Cell(figure(summary.max_rel) if summary.verdict else "", "quiet")


def local_cell(outline: Outline, index: int) -> Cell:
    summary = outline.summaries[index]
    born = summary.verdict is Verdict.BORN
    return Cell(figure(summary.local) if summary.local is not None else "", "bad" if born else "quiet")


def onnx_cell(outline: Outline, index: int) -> Cell:
    summary = outline.summaries[index]
    return Cell(figure(summary.onnx) if summary.onnx is not None else "", "quiet")


def blame_cell(outline: Outline, index: int) -> Cell:
    return Cell(clean(outline.summaries[index].blame or ""), "bad")


def _place_of_fault(outline: Outline, index: int) -> Cell | None:
    """Where below a group its worst fault is; None where nothing is born there."""
    summary = outline.summaries[index]
    if summary.verdict is not Verdict.BORN or not summary.mismatch:
        return None
    return Cell(f"→ {clean(outline.layers[summary.layer].path).rpartition('.')[2]}", "bad")


def verdict_cell(outline: Outline, index: int) -> Cell:
    summary = outline.summaries[index]
    if summary.verdict is None:
        return Cell("· waiting", "quiet")
    return Cell(verdict_text(summary.verdict), verdict_class(summary.verdict, summary.mismatch))


def _tone(outline: Outline, index: int) -> str:
    summary = outline.summaries[index]
    return verdict_class(summary.verdict, summary.mismatch) if summary.mismatch and summary.verdict else "plain"


def level(max_abs: float | None) -> str:
    """A block whose height is the difference's power of ten, from 1e-8 up to 0.1."""
    if max_abs is None or not max_abs > 0.0:
        return " "
    if math.isinf(max_abs):
        return LEVELS[-1]
    return LEVELS[min(len(LEVELS) - 1, max(0, math.ceil(math.log10(max_abs) - LEVEL_FLOOR)))]


COLUMNS: tuple[Column, ...] = (
    Column("kind", 17, 7, 3, kind_cell),
    Column("shape", 16, 12, 4, shape_cell),
    Column("max|d|", 7, 7, 0, max_cell, "right"),
    Column("", 1, 1, 5, level_cell),
    Column("rel", 7, 7, 6, rel_cell, "right"),
    Column("local", 7, 7, 1, local_cell, "right", True),
    Column("onnx", 7, 7, 7, onnx_cell, "right", True),
    Column("verdict", 11, 11, 0, verdict_cell),
    Column("blame", 6, 6, 2, blame_cell, optional=True),
)


def fitting(width: int, natural: list[int], name: int) -> tuple[list[tuple[Column, int]], int]:
    """The columns that fit into `width` cells with their widths, and what remains for the name.

    `natural` is the widest cell of each column, `name` the widest label. Long columns are shortened before any column goes.
    """
    there = [position for position, column in enumerate(COLUMNS) if natural[position] or not column.optional]
    widths = [min(column.width, max(size, len(column.title))) for column, size in zip(COLUMNS, natural, strict=True)]
    kept = list(there)
    wanted = min(name, max(NAME_LEAST, width // 3))

    def left() -> int:
        return width - sum(widths[position] + GAP for position in kept)

    while left() < wanted:
        ornament = next((position for position in kept if not COLUMNS[position].title), None)
        if ornament is not None:
            kept.remove(ornament)
            continue
        long = [position for position in kept if widths[position] > COLUMNS[position].least]
        if long:
            widths[max(long, key=lambda position: widths[position] - COLUMNS[position].least)] -= 1
            continue
        going = max(kept, key=lambda position: COLUMNS[position].keep)
        if COLUMNS[going].keep == 0:
            break
        kept.remove(going)
        widths[going] = 0
    # A column that was shortened for one that then went gets its cells back.
    for position in kept:
        grow = min(
            left() - wanted, min(COLUMNS[position].width, max(natural[position], len(COLUMNS[position].title))) - widths[position]
        )
        widths[position] += max(0, grow)
    return [(COLUMNS[position], widths[position]) for position in kept], max(1, left())
