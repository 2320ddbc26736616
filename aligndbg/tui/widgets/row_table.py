"""What the tables of layers and of pictures share: rows drawn line by line, so that their number costs nothing, and a cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from aligndbg.tui.cells import fit

HEADER = 1
"""Lines above the rows; they do not scroll."""

STYLES = ("plain", "quiet", "good", "warn", "bad", "header", "group", "guide", "level", "mark")


class RowTable(ScrollView, can_focus=True):
    """`cursor` is a position among the rows that show, not a row: folds, filters and orders change what it stands for."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"row-table--{name}" for name in (*STYLES, "cursor", "cursor-blurred")}

    DEFAULT_CSS = """
    RowTable {
        background: $background;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        overflow-x: hidden;
        scrollbar-gutter: stable;
        overflow-y: auto;
        & > .row-table--plain { color: $foreground; }
        & > .row-table--quiet { color: $text-muted; }
        & > .row-table--good { color: $text-success; }
        & > .row-table--warn { color: $text-warning; }
        & > .row-table--bad { color: $text-error; text-style: bold; }
        & > .row-table--header { color: $text-muted; text-style: bold; }
        & > .row-table--group { color: $foreground; text-style: bold; }
        & > .row-table--guide { color: $foreground 25%; }
        & > .row-table--level { color: $foreground 40%; }
        & > .row-table--mark { color: $text-accent; text-style: bold; }
        & > .row-table--cursor { background: $primary 30%; }
        & > .row-table--cursor-blurred { background: $foreground 12%; }
    }
    """

    cursor: reactive[int] = reactive(0, repaint=False)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: Sequence[int] = ()
        """The rows that show, in their order."""
        self._strips: LRUCache[tuple[int, bool], Strip] = LRUCache(1000)
        self._rich: dict[str, Style] = {}

    # -- what a table says of itself ----------------------------------------------------------------------------------

    def header_line(self) -> list[Segment]:
        raise NotImplementedError

    def row_line(self, row: int) -> list[Segment]:
        raise NotImplementedError

    def empty_words(self) -> str:
        """What stands there where no row shows; `""` for nothing."""
        return ""

    def lay_out(self, width: int) -> None:
        """The width of the lines has changed."""
        raise NotImplementedError

    def tell_moved(self) -> None:
        """The cursor stands on another row."""
        raise NotImplementedError

    # -- drawing ------------------------------------------------------------------------------------------------------

    @property
    def line_width(self) -> int:
        return self.scrollable_content_region.width

    @property
    def row(self) -> int | None:
        """The one under the cursor."""
        return int(self._shown[self.cursor]) if self.cursor < len(self._shown) else None

    def show_rows(self, shown: Sequence[int], position: int) -> None:
        """Other rows, or the same in another order, with the cursor on one of them."""
        self._shown = shown
        self.virtual_size = Size(self.line_width, len(shown) + HEADER)
        self.set_reactive(RowTable.cursor, position)
        self.forget()
        self.show_cursor()
        self.tell_moved()

    def render_line(self, y: int) -> Strip:
        width = self.line_width
        if y < HEADER:
            return Strip(self.header_line()).adjust_cell_length(width, self.rich_style)
        position = self.scroll_offset.y + y - HEADER
        if position >= len(self._shown):
            words = "" if len(self._shown) or y != HEADER + 1 else self.empty_words()
            line = [Segment(fit(f"  {words}", width), self.style_of("quiet"))]
            return Strip(line) if words else Strip.blank(width, self.rich_style)
        row, selected = int(self._shown[position]), position == self.cursor
        strip = self._strips.get((row, selected))
        if strip is None:
            strip = self._strips[row, selected] = self._strip(row, selected)
        return strip

    def _strip(self, row: int, selected: bool) -> Strip:
        strip = Strip(self.row_line(row)).adjust_cell_length(self.line_width, self.rich_style)
        if not selected:
            return strip
        style = self.style_of("cursor" if self.has_focus else "cursor-blurred")
        return Strip([Segment(text, (old or Style()) + style) for text, old, _ in strip], strip.cell_length)

    def style_of(self, name: str) -> Style:
        if not self._rich:
            self._rich = {each: self.get_component_rich_style(f"row-table--{each}") for each in STYLES}
            for each in ("cursor", "cursor-blurred"):
                # Only the background: a mark keeps its colour under the cursor.
                self._rich[each] = Style(bgcolor=self.get_component_rich_style(f"row-table--{each}").bgcolor)
        return self._rich[name]

    def forget(self) -> None:
        """Draw all rows anew."""
        self._strips.clear()
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._rich = {}
        self._strips.clear()

    def on_resize(self, event: events.Resize) -> None:
        self.virtual_size = Size(self.line_width, len(self._shown) + HEADER)
        self.lay_out(self.line_width)
        self.forget()
        self.show_cursor(centre=True)

    def on_focus(self) -> None:
        self.forget()

    def on_blur(self) -> None:
        self.forget()

    # -- moving -------------------------------------------------------------------------------------------------------

    @property
    def _page(self) -> int:
        return max(1, self.size.height - HEADER)

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self._shown) - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        for position in (old, new):
            self.refresh(Region(0, position - self.scroll_offset.y + HEADER, self.line_width, 1))
        self.show_cursor()
        if old != new:
            self.tell_moved()

    def show_cursor(self, centre: bool = False) -> None:
        """Scroll to where it stands."""
        if not self.size.height:
            return
        top = self.scroll_offset.y
        if top <= self.cursor < top + self._page:
            return
        nearest = self.cursor if self.cursor < top else self.cursor - self._page + 1
        top = self.cursor - self._page // 2 if centre else nearest
        self.scroll_to(y=max(0, top), animate=False, force=True)

    def move(self, cursor: int) -> None:
        """Put the cursor there at the user's wish."""
        self.cursor = cursor

    def action_line_down(self) -> None:
        self.move(self.cursor + 1)

    def action_line_up(self) -> None:
        self.move(self.cursor - 1)

    def action_half_down(self) -> None:
        self.move(self.cursor + self._page // 2)

    def action_half_up(self) -> None:
        self.move(self.cursor - self._page // 2)

    def action_page_down(self) -> None:
        self.move(self.cursor + self._page)

    def action_page_up(self) -> None:
        self.move(self.cursor - self._page)

    def action_top(self) -> None:
        self.move(0)

    def action_bottom(self) -> None:
        self.move(len(self._shown) - 1)
