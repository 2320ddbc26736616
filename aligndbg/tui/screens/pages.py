"""Pages over a screen: text that scrolls and goes away with Escape."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult, RenderResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widget import Widget

from aligndbg.tui.actions import bindings
from aligndbg.tui.clipboard import copy


class Page(ModalScreen[None]):
    """A titled box over the screen below."""

    BINDINGS = bindings("page")
    HELP: ClassVar = ("page",)

    DEFAULT_CSS = """
    Page {
        align: center middle;
        background: $background 60%;
        & > VerticalScroll {
            width: 92%; max-width: 112; height: auto; max-height: 90%;
            border: heavy $accent; border-title-color: $text-accent; border-title-style: bold; border-subtitle-color: $text-muted;
            background: $surface; padding: 1 2;
            scrollbar-size-vertical: 1;
        }
        &.-narrow > VerticalScroll { width: 100%; max-height: 100%; padding: 0 1; }
    }
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (90, "-wide")]
        self._page_title = title

    def content(self, width: int) -> Content:
        """The text for lines of so many cells."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = self._page_title
            box.border_subtitle = "[@click=screen.copy]y copies[/] · [@click=screen.dismiss]esc closes[/]"
            yield PageText()

    def on_click(self, event: events.Click) -> None:
        """Beside the box, the page goes."""
        if event.widget is self:
            self.dismiss()

    @property
    def places(self) -> dict[str, DOMNode]:
        return {"page": self}

    @property
    def _box(self) -> VerticalScroll:
        return self.query_one(VerticalScroll)

    def action_line_down(self) -> None:
        self._box.scroll_relative(y=1, animate=False)

    def action_line_up(self) -> None:
        self._box.scroll_relative(y=-1, animate=False)

    def action_half_down(self) -> None:
        self._box.scroll_relative(y=self._box.size.height // 2, animate=False)

    def action_half_up(self) -> None:
        self._box.scroll_relative(y=-(self._box.size.height // 2), animate=False)

    def action_page_down(self) -> None:
        self._box.scroll_page_down(animate=False)

    def action_page_up(self) -> None:
        self._box.scroll_page_up(animate=False)

    def action_top(self) -> None:
        self._box.scroll_home(animate=False)

    def action_bottom(self) -> None:
        self._box.scroll_end(animate=False)

    def action_copy(self) -> None:
        copy(self, self.query_one(PageText).plain, "the page")


class PageText(Widget):
    """Made anew for each width."""

    DEFAULT_CSS = "PageText { width: 1fr; height: auto; }"

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self._content(width).get_height(self.styles, width)

    def render(self) -> RenderResult:
        return self._content(self.content_size.width)

    @property
    def plain(self) -> str:
        lines = self._content(max(80, self.content_size.width)).plain.splitlines()
        return "\n".join(line.rstrip() for line in lines)

    def _content(self, width: int) -> Content:
        page = self.screen
        assert isinstance(page, Page)
        return page.content(width)
