"""Lines of a log on the screen: which of them, how they are drawn, and moving among them."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from aligndbg.jobs.log_filter import Filtered
from aligndbg.jobs.log_index import LogLine, LogSource
from aligndbg.jobs.log_search import Needle
from aligndbg.tui.widgets.log_text import STYLES, Look, drawn, line_text

SIDEWAYS = 16
"""Cells of one step to the side."""


class LogLines(ScrollView, can_focus=True):
    """`cursor` is the key of a line of `source`. Following keeps it at the end; what goes up pauses following."""

    ALLOW_SELECT = False

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"log-lines--{name}" for name in (*STYLES, "cursor")}

    DEFAULT_CSS = """
    LogLines {
        background: $background;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        overflow-x: hidden;
        overflow-y: scroll;
        border: round $foreground 25%;
        border-title-color: $text-muted;
        border-subtitle-color: $text-muted;
        &:focus { border: round $accent; border-title-color: $text-accent; }
        &.-paused { border-subtitle-color: $text-warning; }
        & > .log-lines--plain { color: $foreground; }
        & > .log-lines--error { color: $text-error; }
        & > .log-lines--warning { color: $text-warning; }
        & > .log-lines--quiet { color: $text-muted; }
        & > .log-lines--gutter { color: $text-accent; }
        & > .log-lines--hit { color: $background; background: $warning; }
        & > .log-lines--cursor { background: $primary 30%; }
    }
    """

    def __init__(self, source: LogSource, gutter: int, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.source = source
        self.following = True
        self.wrap = False
        self.needle: Needle | None = None
        self.cursor = 0
        self.left = 0
        self.first = self.end = 0
        self.paused_at = 0
        self._gutter = gutter
        self._page: list[tuple[int, Strip]] = []
        self._page_top: int | None = None
        self._strips: LRUCache[LogLine, list[Strip]] = LRUCache(500)
        self._rich: dict[str, Style] = {}

    def tell(self) -> None:
        """Say what shows; called whenever that changes."""

    # -- what is shown ------------------------------------------------------------------------------------------------

    @property
    def top(self) -> int:
        """The first line on the screen."""
        return self.first + self.scroll_offset.y

    def stretch(self, top: int | None, changed: bool = True) -> None:
        """Set how far one can scroll; the line at the top stays, or where that is None the end shows.

        `changed` is False where lines were found in front alone: what is on the screen need not be read again.
        """
        self.cursor = self.end - 1 if self.following else max(self.first, min(self.cursor, self.end - 1))
        last = self._last_top()
        self.virtual_size = Size(self.scrollable_content_region.width, last - self.first + self._height)
        self._scroll_top(last if top is None else min(top, last))
        if changed or self._page_top != self.top:
            self._forget()

    def _scroll_top(self, key: int) -> None:
        self.scroll_to(y=max(0, key - self.first), animate=False, force=True)

    def _last_top(self) -> int:
        """The line at the top of the page that shows the end."""
        if not self.wrap:
            return max(self.first, self.end - self._height)
        room, key = self._height, self.end
        while key > self.first:
            room -= sum(len(self._lines(line)) for line in self.source.read(key - 1))
            if room < 0:
                break
            key -= 1
        return min(key, max(self.first, self.end - 1))

    @property
    def _height(self) -> int:
        return max(1, self.scrollable_content_region.height)

    # -- drawing ------------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        page = self.page
        if y < len(page):
            return page[y][1].apply_style(self.rich_style).adjust_cell_length(width, self.rich_style)
        if y == 0 and self.source.complete:
            nothing = "no line passes the filter" if isinstance(self.source, Filtered) else "nothing is written yet"
            return Strip([Segment(nothing, self._style("quiet"))]).adjust_cell_length(width, self.rich_style)
        return Strip.blank(width, self.rich_style)

    @property
    def page(self) -> list[tuple[int, Strip]]:
        """The screen's lines, each with its line's key."""
        if self._page_top != self.top:
            self._page, self._page_top = self._laid_out(), self.top
        return self._page

    def _laid_out(self) -> list[tuple[int, Strip]]:
        page: list[tuple[int, Strip]] = []
        for line in self.source.read(self.top, min(self._height, self.end - self.top)):
            page += [(line.key, self._selected(strip) if line.key == self.cursor else strip) for strip in self._lines(line)]
            if len(page) >= self._height:
                break
        return page

    def _lines(self, line: LogLine) -> list[Strip]:
        strips = self._strips.get(line)
        if strips is None:
            width = self.scrollable_content_region.width
            look = Look(self.app.console, self._style, width, self._height if self.wrap else 0, self.left, self._gutter)
            strips = self._strips[line] = drawn(line, self.needle, look)
        return strips

    def _selected(self, strip: Strip) -> Strip:
        if not self.has_focus:
            return strip
        # Only under what has no background: a line keeps its colours, and what was found stands out.
        ground = Style(bgcolor=self._style("cursor").bgcolor)
        return strip.extend_cell_length(self.scrollable_content_region.width).apply_style(ground)

    def _style(self, name: str) -> Style:
        if not self._rich:
            for each in (*STYLES, "cursor"):
                self._rich[each] = self.get_component_rich_style(f"log-lines--{each}", partial=each != "cursor")
        return self._rich[name]

    def _forget(self) -> None:
        self._page_top = None
        self.refresh()

    def redraw(self) -> None:
        self._strips.clear()
        self.stretch(None if self.following else self.top)
        self.tell()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._rich = {}
        self._strips.clear()
        self._page_top = None

    def on_resize(self, event: events.Resize) -> None:
        self.redraw()

    def on_focus(self) -> None:
        self._forget()

    def on_blur(self) -> None:
        self._forget()

    # -- moving -------------------------------------------------------------------------------------------------------

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self.following and new_value < old_value and round(new_value) < self.max_scroll_y:
            self._pause()

    def _pause(self) -> None:
        if self.following:
            self.following = False
            self.paused_at = self.end
            self.tell()

    def follow(self) -> None:
        """Show the end, and what is written from now on."""
        self.following = True
        self.stretch(None)
        self.tell()

    def go_to(self, key: int) -> None:
        """Put the cursor on a line; following pauses."""
        self._pause()
        self.cursor = max(self.first, min(key, self.end - 1))
        shown = {each for each, _ in self.page}
        self._forget()
        if self.cursor not in shown:
            self._scroll_top(min(self._last_top(), self.cursor - self._height // 2))
        self.tell()

    def _move(self, by: int) -> None:
        if by > 0 and self.following:
            return
        keys = [key for key, _ in self.page]
        if keys and not keys[0] <= self.cursor <= keys[-1]:
            # Scrolled away by the mouse: moving goes on from what shows.
            self.cursor = keys[0] if by > 0 else keys[-1]
        target = max(self.first, min(self.cursor + by, self.end - 1))
        self._pause()
        self.cursor = target
        top = self.top
        self._forget()
        if target < top:
            self._scroll_top(target)
        elif keys and target > keys[-1]:
            self._scroll_top(min(self._last_top(), top + target - keys[-1]))
        self.tell()

    def action_line_down(self) -> None:
        self._move(1)

    def action_line_up(self) -> None:
        self._move(-1)

    def action_half_down(self) -> None:
        self._move(self._height // 2)

    def action_half_up(self) -> None:
        self._move(-(self._height // 2))

    def action_page_down(self) -> None:
        self._move(self._height)

    def action_page_up(self) -> None:
        self._move(-self._height)

    def action_top(self) -> None:
        self.go_to(self.first)

    def action_bottom(self) -> None:
        self.follow()

    def action_left(self) -> None:
        self._sideways(-SIDEWAYS)

    def action_right(self) -> None:
        self._sideways(SIDEWAYS)

    def _sideways(self, by: int) -> None:
        if not self.wrap:
            lines = self.source.read(self.top, self._height)
            longest = max((line_text(line, None, self._style).cell_len for line in lines), default=0)
            self.left = max(0, min(self.left + by, longest - SIDEWAYS))
            self.redraw()

    def action_wrap(self) -> None:
        self.wrap = not self.wrap
        self.left = 0
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        page = self.page
        if place is not None and place.y < len(page):
            self.go_to(page[place.y][0])

    def on_mouse_scroll_right(self, event: events.MouseScrollRight) -> None:
        self.action_right()

    def on_mouse_scroll_left(self, event: events.MouseScrollLeft) -> None:
        self.action_left()
