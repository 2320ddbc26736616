"""The layer table: a foldable tree with columns, drawn line by line, so that its size costs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.segment import Segment
from textual import events
from textual.message import Message

from aligndbg.core.layers import LayerPair
from aligndbg.core.query import Keep
from aligndbg.core.rows import Outline
from aligndbg.core.verdict import LayerResult
from aligndbg.tui.actions import bindings
from aligndbg.tui.widgets.layer_lines import LayerLines
from aligndbg.tui.widgets.row_table import HEADER, RowTable


class LayerTable(RowTable):
    """Rows are those of the outline: layers, and the groups that they fold into."""

    BINDINGS = bindings("table")

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
        self._lines = LayerLines()

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
            self.forget()
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
            self.show_cursor(centre=True)

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
        shown = self.outline.by_difference() if self.sorted else self.outline.visible()
        position = 0
        if row is not None and shown:
            if self.sorted:
                position = shown.index(row) if row in shown else 0
            else:
                position = max((place for place, one in enumerate(shown) if one <= row), default=0)
        self.show_rows(shown, position)

    # -- what a table says of itself ----------------------------------------------------------------------------------

    def header_line(self) -> list[Segment]:
        return self._lines.header(self.style_of, self.sorted)

    def row_line(self, row: int) -> list[Segment]:
        return self._lines.line(self.style_of, self.outline, row, self.sorted)

    def empty_words(self) -> str:
        return "no layer passes the filter" if self.outline.filtered else ""

    def lay_out(self, width: int) -> None:
        self._lines.lay_out(width)

    def tell_moved(self) -> None:
        self.post_message(self.Moved(self.row))

    def move(self, cursor: int) -> None:
        self.touched = self.touched or bool(self._shown)
        super().move(cursor)
        self._anchor = self.row

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
        self.move(position)
        row = self._shown[position]
        if self.outline.is_group(row):
            if event.chain == 2 or self._lines.is_arrow(self.outline.rows[row].depth, event.x):
                self.action_fold()
        elif event.chain == 2:
            self.action_open()
