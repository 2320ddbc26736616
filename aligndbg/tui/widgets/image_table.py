"""The table of an evaluation's pictures, drawn line by line, so that fifty thousand cost no more than fifty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from aligndbg.core.images import ORDERS, Mask, Order, ranked
from aligndbg.tui.actions import bindings
from aligndbg.tui.cells import fit
from aligndbg.tui.widgets.image_lines import HEADINGS, STYLES, ImageLines
from aligndbg.workflows.triage import Triage

HEADER = 1
"""Lines above the rows; they do not scroll."""

NONE: NDArray[np.int64] = np.zeros(0, np.int64)


class ImageTable(ScrollView, can_focus=True):
    """`cursor` is a position among the rows that show; `place` the picture's place in the evaluation, whatever order and filter."""

    BINDINGS: ClassVar = bindings("images")

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"image-table--{name}" for name in STYLES}

    DEFAULT_CSS = """
    ImageTable {
        background: $background;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        overflow-x: hidden;
        scrollbar-gutter: stable;
        overflow-y: auto;
        & > .image-table--plain { color: $foreground; }
        & > .image-table--quiet { color: $text-muted; }
        & > .image-table--good { color: $text-success; }
        & > .image-table--warn { color: $text-warning; }
        & > .image-table--bad { color: $text-error; text-style: bold; }
        & > .image-table--header { color: $text-muted; text-style: bold; }
        & > .image-table--mark { color: $text-accent; text-style: bold; }
        & > .image-table--cursor { background: $primary 30%; }
        & > .image-table--cursor-blurred { background: $foreground 12%; }
    }
    """

    cursor: reactive[int] = reactive(0, repaint=False)

    @dataclass
    class Moved(Message):
        """The cursor stands on another picture; None where no row shows."""

        place: int | None

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, ImageTable.Moved)

    @dataclass
    class Opened(Message):
        """A picture was asked for by Enter or a double click."""

        place: int

    @dataclass
    class OrderAsked(Message):
        """A heading was clicked."""

        order: Order

    @dataclass
    class Marked(Message):
        """Pictures were marked, or are no longer."""

    def __init__(self, *, order: Order = "max", id: str | None = None) -> None:
        super().__init__(id=id)
        self.triage: Triage | None = None
        self.order: Order = order
        self.marked: set[int] = set()
        self._keep: Mask | None = None
        self._shown = NONE
        self._anchor: int | None = None
        """Where the cursor stood before a filter hid it."""
        self._strips: LRUCache[tuple[int, bool], Strip] = LRUCache(1000)
        self._lines = ImageLines()
        self._rich: dict[str, Style] = {}

    # -- what is shown ------------------------------------------------------------------------------------------------

    def load(self, triage: Triage) -> None:
        """Show an evaluation. Of one that has grown, the cursor's picture and the marks stay, by their place in the list."""
        kept = {int(self.triage.images.positions[place]) for place in self.marked} if self.triage is not None else set()
        stood = int(self.triage.images.positions[self.place]) if self.triage is not None and self.place is not None else None
        positions = triage.images.positions
        self.triage = triage
        self.marked = set(np.flatnonzero(np.isin(positions, list(kept))).tolist())
        self._keep = None
        found = np.flatnonzero(positions == stood) if stood is not None else NONE
        self._anchor = int(found[0]) if len(found) else None
        self._lines.measure(triage)
        self._lines.lay_out(self.line_width)
        self._rebuild(self._anchor)

    def filter(self, keep: Mask | None) -> None:
        """The cursor goes back to where it stood when a filter that hid its picture goes."""
        if self.place is not None and self._keep is None:
            self._anchor = self.place
        self._keep = keep
        self._rebuild(self._anchor)

    def sort(self, order: Order) -> None:
        """What comes first in this order comes into sight."""
        self.order = order
        self._anchor = None
        self._rebuild(None)

    @property
    def next_order(self) -> Order:
        return ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]

    @property
    def filtered(self) -> bool:
        return self._keep is not None

    @property
    def line_width(self) -> int:
        return self.scrollable_content_region.width

    @property
    def shown(self) -> NDArray[np.int64]:
        """Places of the pictures that show, in their order."""
        return self._shown

    @property
    def chosen(self) -> NDArray[np.int64]:
        """The marked pictures in the order of the table, also those that a filter hides; where none is, all that show."""
        if not self.marked or self.triage is None:
            return self._shown
        keep = np.zeros(len(self.triage.images), np.bool_)
        keep[list(self.marked)] = True
        return ranked(self.triage.images, self.order, keep)

    @property
    def place(self) -> int | None:
        return int(self._shown[self.cursor]) if self.cursor < len(self._shown) else None

    def go_to_flip(self, step: int) -> bool:
        """To the next picture whose best classes differ, round the end; whether there is one."""
        if self.triage is None:
            return False
        found = np.flatnonzero(self.triage.images.flips[self._shown])
        if not len(found):
            return False
        beyond = found[found > self.cursor] if step > 0 else found[found < self.cursor][::-1]
        self._move(int(beyond[0] if len(beyond) else found[0 if step > 0 else -1]))
        return True

    def _rebuild(self, place: int | None) -> None:
        """Work out which rows show; the cursor goes to `place` where it shows, else to the first."""
        self._shown = NONE if self.triage is None else ranked(self.triage.images, self.order, self._keep)
        found = np.flatnonzero(self._shown == place) if place is not None else NONE
        self.virtual_size = Size(self.line_width, len(self._shown) + HEADER)
        self.set_reactive(ImageTable.cursor, int(found[0]) if len(found) else 0)
        self._forget()
        self._show_cursor()
        self.post_message(self.Moved(self.place))

    # -- drawing ------------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        width = self.line_width
        if y < HEADER:
            return Strip(self._lines.header(self._style, self.order)).adjust_cell_length(width, self.rich_style)
        position = self.scroll_offset.y + y - HEADER
        if position >= len(self._shown):
            return self._below(y, width)
        place, selected = int(self._shown[position]), position == self.cursor
        strip = self._strips.get((place, selected))
        if strip is None:
            strip = self._strips[place, selected] = self._strip(place, selected)
        return strip

    def _below(self, y: int, width: int) -> Strip:
        if self.triage is not None and not len(self._shown) and y == HEADER + 1:
            words = "no picture passes the filter" if self.filtered else "no picture was judged yet: r reads again"
            return Strip([Segment(fit(f"  {words}", width), self._style("quiet"))])
        return Strip.blank(width, self.rich_style)

    def _strip(self, place: int, selected: bool) -> Strip:
        assert self.triage is not None
        strip = Strip(self._lines.line(self._style, self.triage, place, place in self.marked))
        strip = strip.adjust_cell_length(self.line_width, self.rich_style)
        if not selected:
            return strip
        style = self._style("cursor" if self.has_focus else "cursor-blurred")
        return Strip([Segment(text, (old or Style()) + style) for text, old, _ in strip], strip.cell_length)

    def _style(self, name: str) -> Style:
        if not self._rich:
            self._rich = {each: self.get_component_rich_style(f"image-table--{each}") for each in STYLES}
            for each in ("cursor", "cursor-blurred"):
                # Only the background: a mark keeps its colour under the cursor.
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

    # -- moving and marking -------------------------------------------------------------------------------------------

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
            self.post_message(self.Moved(self.place))

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
        self.cursor = cursor
        self._anchor = self.place

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

    def action_open(self) -> None:
        if self.place is not None:
            self.post_message(self.Opened(self.place))

    def action_mark(self) -> None:
        """Mark the picture, or not, and go on to the next."""
        place = self.place
        if place is None:
            return
        self.marked ^= {place}
        self._forget()
        self.action_line_down()
        self.post_message(self.Marked())

    def unmark(self) -> None:
        self.marked.clear()
        self._forget()
        self.post_message(self.Marked())

    def on_click(self, event: events.Click) -> None:
        if event.y < HEADER:
            order = HEADINGS.get(self._lines.title_at(event.x))
            if order is not None:
                self.post_message(self.OrderAsked(order))
            return
        position = self.scroll_offset.y + event.y - HEADER
        if position < len(self._shown):
            self._move(position)
            if event.chain == 2:
                self.action_open()
