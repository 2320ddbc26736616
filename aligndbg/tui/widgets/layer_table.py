"""The layer table: a foldable tree with columns, drawn line by line, so that its size costs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

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
from aligndbg.tui.cells import fit
from aligndbg.tui.widgets.layer_lines import STYLES, LayerLines

HEADER = 1
"""Lines above the rows; they do not scroll."""


class LayerTable(ScrollView, can_focus=True):
    """`cursor` is a position among the rows that show, not a row: folding and filters change what it stands for."""

    BINDINGS = bindings("table")

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"layer-table--{name}" for name in STYLES}

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
        """The heading of the differences was clicked; or, while they are sorted, that of the layers."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.outline = Outline()
        self.sorted = False
        self.touched = False
        self._anchor: int | None = None
        self._shown: list[int] = []
        self._strips: LRUCache[tuple[int, bool], Strip] = LRUCache(1000)
        self._lines = LayerLines()
        self._rich: dict[str, Style] = {}

    # -- what is shown ------------------------------------------------------------------------------------------------

    def load(self, layers: Sequence[LayerPair]) -> None:
        """Show other layers. Folds, filter and the cursor's row stay, by path."""
        old, path = self.outline, self.path
        anchor = old.rows[self._anchor].path if self._anchor is not None else ""
        self.outline = Outline(layers)
        self.outline.take_over(old)
        self._anchor = self.outline.find(anchor)
        self._lines.measure(self.outline)
        self._lines.lay_out(self.line_width)
        self._rebuild(self.outline.find(path))

    def update_results(self, results: Iterable[LayerResult]) -> None:
        row = self.row
        self.outline.update(results)
        if self._lines.measure_optional(self.outline):
            self._lines.lay_out(self.line_width)
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
        """The largest difference comes into sight; back in the tree, the cursor's layer stays."""
        row = self.row
        self.sorted = on
        self._rebuild(None if on else row)
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Sorted layers are no tree."""
        return None if self.sorted and action in ("fold", "close", "expand") else True

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
            return Strip(self._lines.header(self._style, self.sorted)).adjust_cell_length(width, self.rich_style)
        position = self.scroll_offset.y + y - HEADER
        if position >= len(self._shown):
            return self._below(y, width)
        row = self._shown[position]
        selected = position == self.cursor
        strip = self._strips.get((row, selected))
        if strip is None:
            strip = self._strips[row, selected] = self._strip(row, selected)
        return strip

    def _below(self, y: int, width: int) -> Strip:
        if self.outline.filtered and not self._shown and y == HEADER + 1:
            return Strip([Segment(fit("  no layer passes the filter", width), self._style("quiet"))])
        return Strip.blank(width, self.rich_style)

    def _strip(self, row: int, selected: bool) -> Strip:
        strip = Strip(self._lines.line(self._style, self.outline, row, self.sorted))
        strip = strip.adjust_cell_length(self.line_width, self.rich_style)
        if not selected:
            return strip
        style = self._style("cursor" if self.has_focus else "cursor-blurred")
        return Strip([Segment(text, (old or Style()) + style) for text, old, _ in strip], strip.cell_length)

    def _style(self, name: str) -> Style:
        if not self._rich:
            self._rich = {each: self.get_component_rich_style(f"layer-table--{each}") for each in STYLES}
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
        self._lines.lay_out(self.line_width)
        self._forget()
        self._show_cursor(centre=True)

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
        if not self.size.height:
            return
        top = self.scroll_offset.y
        if top <= self.cursor < top + self._page:
            return
        nearest = self.cursor if self.cursor < top else self.cursor - self._page + 1
        top = self.cursor - self._page // 2 if centre else nearest
        self.scroll_to(y=max(0, top), animate=False, force=True)

    def _move(self, cursor: int) -> None:
        self.touched = self.touched or bool(self._shown)
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
        if row is None:
            return
        if not self.outline.is_group(row):
            row = self.outline.rows[row].parent
        if row >= 0:
            self.touched = True
            self.outline.toggle(row)
            self._rebuild(row)

    def action_close(self) -> None:
        row = self.row
        if row is None:
            return
        if self.outline.is_group(row) and row not in self.outline.folded:
            self.action_fold()
        elif self.outline.rows[row].parent >= 0:
            self.touched = True
            self.go_to(self.outline.rows[row].parent)

    def action_expand(self) -> None:
        row = self.row
        if row is None or not self.outline.is_group(row):
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
            title = self._lines.title_at(event.x)
            if title == "max|d|" or (title == "layer" and self.sorted):
                self.post_message(self.SortAsked())
            return
        position = self.scroll_offset.y + event.y - HEADER
        if position >= len(self._shown):
            return
        self._move(position)
        row = self._shown[position]
        if self.outline.is_group(row):
            if event.chain == 2 or self._lines.is_arrow(self.outline.rows[row].depth, event.x):
                self.action_fold()
        elif event.chain == 2:
            self.action_open()
