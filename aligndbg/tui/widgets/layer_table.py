"""The layer table: a foldable tree with columns, drawn line by line, so that its size costs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from aligndbg.core.layers import LayerPair
from aligndbg.core.query import Keep
from aligndbg.core.rows import Outline
from aligndbg.core.verdict import LayerResult
from aligndbg.tui.actions import bindings
from aligndbg.tui.cells import clean, fit
from aligndbg.tui.widgets.columns import COLUMNS, GAP, Column, fitting

HEADER = 1
"""Lines above the rows; they do not scroll."""

INDENT = 2

MEASURED = 2000
"""Rows whose cells are measured for the columns' widths; the rest is cut where it is wider."""

_STYLES = ("plain", "quiet", "good", "warn", "bad", "header", "group", "guide", "level", "cursor", "cursor-blurred")


class LayerTable(ScrollView, can_focus=True):
    """`cursor` is a position among the rows that show, not a row: folding and filters change what it stands for."""

    BINDINGS = bindings("table")

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"layer-table--{name}" for name in _STYLES}

    DEFAULT_CSS = """
    LayerTable {
        background: $background;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        overflow-x: hidden;
        scrollbar-gutter: stable;
        overflow-y: auto;
        & > .layer-table--plain { color: $foreground; }
        & > .layer-table--quiet { color: $text-muted; }
        & > .layer-table--good { color: $text-success; }
        & > .layer-table--warn { color: $text-warning; }
        & > .layer-table--bad { color: $text-error; text-style: bold; }
        & > .layer-table--header { color: $text-muted; text-style: bold; }
        & > .layer-table--group { color: $foreground; text-style: bold; }
        & > .layer-table--guide { color: $foreground 25%; }
        & > .layer-table--level { color: $foreground 40%; }
        & > .layer-table--cursor { background: $primary 30%; }
        & > .layer-table--cursor-blurred { background: $foreground 12%; }
    }
    """

    cursor: reactive[int] = reactive(0, repaint=False)

    @dataclass
    class Moved(Message):
        """The cursor stands on another row, or its row shows something new. `row` is None where no row shows."""

        row: int | None

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, LayerTable.Moved)

    @dataclass
    class Opened(Message):
        """A layer was asked for by Enter or a double click."""

        row: int

    @dataclass
    class SortAsked(Message):
        """The heading of the differences was clicked."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.outline = Outline()
        self.sorted = False
        self.touched = False
        self._anchor: int | None = None
        self._shown: list[int] = []
        self._strips: LRUCache[tuple[int, bool], Strip] = LRUCache(1000)
        self._columns: list[tuple[Column, int]] = []
        self._name_width = 1
        self._natural = [0] * len(COLUMNS)
        self._natural_name = 1
        self._rich: dict[str, Style] = {}

    # -- what is shown ------------------------------------------------------------------------------------------------

    def load(self, layers: Sequence[LayerPair]) -> None:
        """Show other layers. Folds, filter and the cursor's row stay, by path."""
        old, path = self.outline, self.path
        self.outline = Outline(layers)
        folded = {old.rows[index].path for index in old.folded}
        self.outline.folded = {
            index for index, row in enumerate(self.outline.rows) if self.outline.is_group(index) and row.path in folded
        }
        if old.keep is not None:
            self.outline.filter(old.keep)
        self._measure()
        self._rebuild(self.outline.find(path) if path else None)

    def update_results(self, results: Iterable[LayerResult]) -> None:
        row = self.row
        self.outline.update(results)
        if self.outline.filtered or self.sorted:
            self._rebuild(row)
        else:
            self._forget()
        self.post_message(self.Moved(self.row))

    def filter(self, keep: Keep | None) -> None:
        """The cursor goes back to where it stood when a filter that hid its row goes."""
        if self.row is not None and not self.outline.filtered:
            self._anchor = self.row
        self.outline.filter(keep)
        self._rebuild(self._anchor)

    def sort(self, on: bool) -> None:
        row = self.row
        self.sorted = on
        self._rebuild(row)

    @property
    def line_width(self) -> int:
        return self.scrollable_content_region.width

    @property
    def row(self) -> int | None:
        return self._shown[self.cursor] if self.cursor < len(self._shown) else None

    @property
    def path(self) -> str:
        return self.outline.rows[self.row].path if self.row is not None else ""

    @property
    def shown(self) -> Sequence[int]:
        return self._shown

    def go_to(self, row: int) -> None:
        """Put the cursor on a row, unfolding what hides it."""
        if not self.sorted and row not in self._shown:
            self.outline.reveal(row)
            self._rebuild(row)
        if row in self._shown:
            self.cursor = self._shown.index(row)
            self._show_cursor(centre=True)

    def next_mismatch(self, step: int) -> tuple[int | None, bool]:
        """The mismatching layer after the cursor (before it where `step` is -1), and whether the search went round the end."""
        if not self.sorted:
            return self.outline.mismatch(self.row if self.row is not None else -1, step)
        count = len(self._shown)
        for offset in range(1, count + 1):
            place = self.cursor + step * offset
            if self.outline.summaries[self._shown[place % count]].mismatch:
                return self._shown[place % count], not 0 <= place < count
        return None, False

    def line_text(self, row: int) -> str:
        """A row's whole path and its cells, as they would read in a message to a colleague."""
        cells = [column.cell(self.outline, row).text for column in COLUMNS if column.title]
        return "  ".join(part for part in (clean(self.outline.rows[row].path), *cells) if part.strip())

    def _rebuild(self, row: int | None) -> None:
        """Work out which rows show; the cursor goes to `row`, or to the nearest one before it that shows."""
        self._shown = self.outline.by_difference() if self.sorted else self.outline.visible()
        position = 0
        if row is not None and self._shown:
            if self.sorted:
                position = self._shown.index(row) if row in self._shown else 0
            else:
                position = max((place for place, shown in enumerate(self._shown) if shown <= row), default=0)
        self.virtual_size = Size(self.line_width, len(self._shown) + HEADER)
        self.set_reactive(LayerTable.cursor, position)
        self._forget()
        self._show_cursor()
        self.post_message(self.Moved(self.row))

    # -- drawing ------------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        width = self.line_width
        if y < HEADER:
            return self._header(width)
        position = self.scroll_offset.y + y - HEADER
        if position >= len(self._shown):
            return Strip.blank(width, self.rich_style)
        row = self._shown[position]
        selected = position == self.cursor
        strip = self._strips.get((row, selected))
        if strip is None:
            strip = self._strips[row, selected] = self._line(row, selected)
        return strip

    def _header(self, width: int) -> Strip:
        style = self._style("header")
        title = " layer" if not self.sorted else " layer, largest max|d| first"
        segments = [Segment(fit(title, self._name_width), style)]
        for column, size in self._columns:
            mark = "▾" if column.title == "max|d|" and self.sorted else ""
            segments.append(Segment(" " * GAP + fit(mark + column.title, size, column.align), style))
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _line(self, index: int, selected: bool) -> Strip:
        summary = self.outline.summaries[index]
        segments = [Segment("▎" if summary.mismatch else " ", self._style("bad"))]
        segments += self._label(index, self._name_width - 1)
        for column, size in self._columns:
            cell = column.cell(self.outline, index)
            segments.append(Segment(" " * GAP, self._style("plain")))
            segments.append(Segment(fit(cell.text, size, column.align), self._style(cell.style)))
        strip = Strip(segments).adjust_cell_length(self.line_width, self.rich_style)
        if not selected:
            return strip
        style = self._style("cursor" if self.has_focus else "cursor-blurred")
        return Strip([Segment(text, (old or Style()) + style) for text, old, _ in strip], strip.cell_length)

    def _label(self, index: int, width: int) -> list[Segment]:
        row = self.outline.rows[index]
        if self.sorted:
            return [Segment(fit(clean(row.path), width, cut="start"), self._style("plain"))]
        indent, guide = self._indent(row.depth, width)
        arrow = ("▸ " if index in self.outline.folded else "▾ ") if self.outline.is_group(index) else "  "
        label = fit(clean(row.label), width - indent - 2)
        return [
            Segment(guide, self._style("guide")),
            Segment(arrow[: max(0, width - indent)], self._style("quiet")),
            Segment(label, self._style("group" if self.outline.is_group(index) else "plain")),
        ]

    def _indent(self, depth: int, width: int) -> tuple[int, str]:
        """Guides for each level; where they would leave no room for the name, the level's number instead."""
        indent = INDENT * depth
        if indent <= width // 2:
            return indent, "│ " * depth
        text = f"{depth}› "
        return len(text), text

    def _measure(self) -> None:
        rows = range(min(len(self.outline.rows), MEASURED))
        for place, column in enumerate(COLUMNS):
            fixed = column.least == column.width
            self._natural[place] = (
                column.width if fixed else max((cell_len(column.cell(self.outline, row).text) for row in rows), default=0)
            )
        names = (INDENT * self.outline.rows[row].depth + cell_len(clean(self.outline.rows[row].label)) for row in rows)
        self._natural_name = 3 + max(names, default=1)
        self._lay_out()

    def _lay_out(self) -> None:
        self._columns, self._name_width = fitting(self.line_width, self._natural, self._natural_name)

    def _style(self, name: str) -> Style:
        if not self._rich:
            self._rich = {each: self.get_component_rich_style(f"layer-table--{each}") for each in _STYLES}
            for each in ("cursor", "cursor-blurred"):
                # Only the background: a verdict keeps its colour under the cursor.
                self._rich[each] = Style(bgcolor=self._rich[each].bgcolor)
        return self._rich[name]

    def _forget(self) -> None:
        self._strips.clear()
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._rich = {}
        self._strips.clear()

    def on_resize(self, event: events.Resize) -> None:
        self.virtual_size = Size(self.line_width, len(self._shown) + HEADER)
        self._lay_out()
        self._forget()
        self._show_cursor()

    def on_focus(self) -> None:
        self._forget()

    def on_blur(self) -> None:
        self._forget()

    # -- moving -------------------------------------------------------------------------------------------------------

    @property
    def _page(self) -> int:
        return max(1, self.size.height - HEADER)

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self._shown) - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        for position in (old, new):
            self.refresh(Region(0, position - self.scroll_offset.y + HEADER, self.line_width, 1))
        self._show_cursor()
        if old != new:
            self.post_message(self.Moved(self.row))

    def _show_cursor(self, centre: bool = False) -> None:
        top = self.scroll_offset.y
        if top <= self.cursor < top + self._page:
            return
        nearest = self.cursor if self.cursor < top else self.cursor - self._page + 1
        top = self.cursor - self._page // 2 if centre else nearest
        self.scroll_to(y=max(0, top), animate=False, force=True)

    def _move(self, cursor: int) -> None:
        self.touched = True
        self.cursor = cursor
        self._anchor = self.row

    def action_line_down(self) -> None:
        self._move(self.cursor + 1)

    def action_line_up(self) -> None:
        self._move(self.cursor - 1)

    def action_half_down(self) -> None:
        self._move(self.cursor + self._page // 2)

    def action_half_up(self) -> None:
        self._move(self.cursor - self._page // 2)

    def action_page_down(self) -> None:
        self._move(self.cursor + self._page)

    def action_page_up(self) -> None:
        self._move(self.cursor - self._page)

    def action_top(self) -> None:
        self._move(0)

    def action_bottom(self) -> None:
        self._move(len(self._shown) - 1)

    # -- folding ------------------------------------------------------------------------------------------------------

    def action_open(self) -> None:
        row = self.row
        if row is None:
            return
        if self.outline.is_group(row):
            self.action_fold()
        else:
            self.post_message(self.Opened(row))

    def action_fold(self) -> None:
        """On a layer, its group."""
        row = self.row
        if row is None or self.sorted:
            return
        if not self.outline.is_group(row):
            row = self.outline.rows[row].parent
        if row >= 0:
            self.touched = True
            self.outline.toggle(row)
            self._rebuild(row)

    def action_close(self) -> None:
        row = self.row
        if row is None or self.sorted:
            return
        if self.outline.is_group(row) and row not in self.outline.folded:
            self.action_fold()
        elif self.outline.rows[row].parent >= 0:
            self.touched = True
            self.go_to(self.outline.rows[row].parent)

    def action_expand(self) -> None:
        row = self.row
        if row is None or self.sorted or not self.outline.is_group(row):
            return
        if row in self.outline.folded:
            self.action_fold()
        else:
            self.action_line_down()

    def fold_all(self) -> None:
        """Fold all; unfold all where something is folded."""
        row = self.row
        if self.outline.folded:
            self.outline.unfold_all()
        else:
            self.outline.fold_all()
        self._rebuild(row)

    # -- the mouse ----------------------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        if event.y < HEADER:
            if self._column_at(event.x) == "max|d|":
                self.post_message(self.SortAsked())
            return
        position = self.scroll_offset.y + event.y - HEADER
        if position >= len(self._shown):
            return
        self._move(position)
        row = self._shown[position]
        arrow = 1 + self._indent(self.outline.rows[row].depth, self._name_width - 1)[0]
        if self.outline.is_group(row) and not self.sorted:
            if arrow <= event.x < arrow + 2 or event.chain == 2:
                self.action_fold()
        elif event.chain == 2:
            self.action_open()

    def _column_at(self, x: int) -> str:
        left = self._name_width
        for column, size in self._columns:
            if left < x <= left + GAP + size:
                return column.title
            left += GAP + size
        return ""
