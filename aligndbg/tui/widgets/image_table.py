"""The table of an evaluation's pictures, drawn line by line, so that fifty thousand cost no more than fifty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from textual import events
from textual.message import Message

from aligndbg.core.images import ORDERS, Mask, Order, ranked
from aligndbg.tui.actions import bindings
from aligndbg.tui.widgets.image_lines import HEADINGS, ImageLines
from aligndbg.tui.widgets.row_table import HEADER, RowTable
from aligndbg.workflows.triage import Triage

NONE: NDArray[np.int64] = np.zeros(0, np.int64)


class ImageTable(RowTable):
    """A row is the picture's place in the evaluation, whatever order and filter."""

    BINDINGS: ClassVar = bindings("images")

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

    def __init__(self, *, order: Order = "flips", id: str | None = None) -> None:
        super().__init__(id=id)
        self.triage: Triage | None = None
        self.order: Order = order
        self.marked: set[int] = set()
        self._keep: Mask | None = None
        self._places = NONE
        self._anchor: int | None = None
        """Where the cursor stood before a filter hid it."""
        self._lines = ImageLines()

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
    def shown(self) -> NDArray[np.int64]:
        """Places of the pictures that show, in their order."""
        return self._places

    @property
    def chosen(self) -> NDArray[np.int64]:
        """The marked pictures in the order of the table, also those that a filter hides; where none is, all that show."""
        if not self.marked or self.triage is None:
            return self._places
        keep = np.zeros(len(self.triage.images), np.bool_)
        keep[list(self.marked)] = True
        return ranked(self.triage.images, self.order, keep)

    @property
    def place(self) -> int | None:
        return self.row

    def go_to_flip(self, step: int) -> bool:
        """To the next picture whose best classes differ, round the end; whether there is one."""
        if self.triage is None:
            return False
        found = np.flatnonzero(self.triage.images.flips[self._places])
        if not len(found):
            return False
        beyond = found[found > self.cursor] if step > 0 else found[found < self.cursor][::-1]
        self.move(int(beyond[0] if len(beyond) else found[0 if step > 0 else -1]))
        return True

    def _rebuild(self, place: int | None) -> None:
        """Work out which rows show; the cursor goes to `place` where it shows, else to the first."""
        self._places = NONE if self.triage is None else ranked(self.triage.images, self.order, self._keep)
        found = np.flatnonzero(self._places == place) if place is not None else NONE
        self.show_rows(self._places, int(found[0]) if len(found) else 0)  # type: ignore[arg-type]

    # -- what a table says of itself ----------------------------------------------------------------------------------

    def header_line(self) -> list[Segment]:
        return self._lines.header(self.style_of, self.order)

    def row_line(self, row: int) -> list[Segment]:
        assert self.triage is not None
        return self._lines.line(self.style_of, self.triage, row, row in self.marked)

    def empty_words(self) -> str:
        if self.triage is None:
            return ""
        return "no picture passes the filter" if self.filtered else "no picture was judged yet: r reads again"

    def lay_out(self, width: int) -> None:
        self._lines.lay_out(width)

    def tell_moved(self) -> None:
        self.post_message(self.Moved(self.place))

    def move(self, cursor: int) -> None:
        super().move(cursor)
        self._anchor = self.place

    # -- opening and marking ------------------------------------------------------------------------------------------

    def action_open(self) -> None:
        if self.place is not None:
            self.post_message(self.Opened(self.place))

    def action_mark(self) -> None:
        """Mark the picture, or not, and go on to the next."""
        place = self.place
        if place is None:
            return
        self.marked ^= {place}
        self.forget()
        self.action_line_down()
        self.post_message(self.Marked())

    def unmark(self) -> None:
        self.marked.clear()
        self.forget()
        self.post_message(self.Marked())

    def on_click(self, event: events.Click) -> None:
        if event.y < HEADER:
            order = HEADINGS.get(self._lines.title_at(event.x))
            if order is not None:
                self.post_message(self.OrderAsked(order))
            return
        position = self.scroll_offset.y + event.y - HEADER
        if position < len(self._places):
            self.move(position)
            if event.chain == 2:
                self.action_open()
