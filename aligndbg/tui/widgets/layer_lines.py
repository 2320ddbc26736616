"""How the lines of the layer table look: heading, tree, cells."""

from __future__ import annotations

from collections.abc import Callable

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from aligndbg.core.rows import Outline
from aligndbg.tui.cells import clean, fit
from aligndbg.tui.widgets.columns import COLUMNS, GAP, Column, fitting

INDENT = 2

MEASURED = 2000
"""Rows whose cells are measured for the columns' widths; the rest is cut where it is wider."""


Styles = Callable[[str], Style]


class LayerLines:
    """`measure` once for an outline, `measure_optional` for new results, `lay_out` for each width."""

    def __init__(self) -> None:
        self._columns: list[tuple[Column, int]] = []
        self._name = 1
        self._natural = [0] * len(COLUMNS)
        self._natural_name = 1

    def measure(self, outline: Outline) -> None:
        rows = range(min(len(outline.rows), MEASURED))
        for place, column in enumerate(COLUMNS):
            if not column.optional:
                fixed = column.least == column.width
                self._natural[place] = (
                    column.width if fixed else max((cell_len(column.cell(outline, row).text) for row in rows), default=0)
                )
        names = (INDENT * outline.rows[row].depth + cell_len(clean(outline.rows[row].label)) for row in rows)
        self._natural_name = 3 + max(names, default=1)
        self.measure_optional(outline)

    def measure_optional(self, outline: Outline) -> bool:
        """Whether an optional column has come or gone."""
        before = list(self._natural)
        # A group shows what there is below it.
        outermost = [row for row in range(len(outline.rows)) if outline.rows[row].depth == 0]
        for place, column in enumerate(COLUMNS):
            if column.optional:
                self._natural[place] = column.width if any(column.cell(outline, row).text for row in outermost) else 0
        return self._natural != before

    def lay_out(self, width: int) -> None:
        self._columns, self._name = fitting(width, self._natural, self._natural_name)

    def header(self, style: Styles, by_difference: bool) -> list[Segment]:
        segments = [Segment(fit(" layer", self._name), style("header"))]
        for column, size in self._columns:
            mark = "▾" if column.title == "max|d|" and by_difference else ""
            segments.append(Segment(" " * GAP + fit(mark + column.title, size, column.align), style("header")))
        return segments

    def line(self, style: Styles, outline: Outline, row: int, by_difference: bool) -> list[Segment]:
        """A row of the tree; `by_difference` one of the list, which names the whole path."""
        segments = [Segment("▎" if outline.summaries[row].mismatch else " ", style("bad"))]
        segments += self._path(style, outline, row) if by_difference else self._branch(style, outline, row)
        for column, size in self._columns:
            cell = column.cell(outline, row)
            segments.append(Segment(" " * GAP, style("plain")))
            segments.append(Segment(fit(cell.text, size, column.align), style(cell.style)))
        return segments

    def title_at(self, x: int) -> str:
        """The title of the column at this cell of a line."""
        if x < self._name:
            return "layer"
        left = self._name
        for column, size in self._columns:
            if left < x <= left + GAP + size:
                return column.title
            left += GAP + size
        return ""

    def is_arrow(self, depth: int, x: int) -> bool:
        """Whether a group's arrow is at this cell of its line."""
        left = 1 + len(self._indent(depth))
        return left <= x < left + INDENT

    def _path(self, style: Styles, outline: Outline, row: int) -> list[Segment]:
        return [Segment(fit(clean(outline.rows[row].path), self._name - 1, cut="start"), style("plain"))]

    def _branch(self, style: Styles, outline: Outline, row: int) -> list[Segment]:
        width = self._name - 1
        guide = self._indent(outline.rows[row].depth)
        group = outline.is_group(row)
        arrow = ("▸ " if row in outline.folded else "▾ ") if group else "  "
        return [
            Segment(guide, style("guide")),
            Segment(arrow[: max(0, width - len(guide))], style("quiet")),
            Segment(fit(clean(outline.rows[row].label), width - len(guide) - len(arrow)), style("group" if group else "plain")),
        ]

    def _indent(self, depth: int) -> str:
        """Guides for each level; where they would leave no room for the name, the level's number instead."""
        return "│ " * depth if INDENT * depth <= (self._name - 1) // 2 else f"{depth}› "


def line_text(outline: Outline, row: int) -> str:
    """A row's whole path and its cells, as they would read in a message to a colleague."""
    cells = [column.cell(outline, row).text for column in COLUMNS if column.title]
    return "  ".join(part for part in (clean(outline.rows[row].path), *cells) if part.strip())
