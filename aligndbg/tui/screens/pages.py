"""Pages over a screen: text that scrolls and goes away with Escape."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static


class Page(ModalScreen[None]):
    """A titled box over the screen below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark,i", "dismiss", "Close", show=False),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
        Binding("g", "edge(-1)", show=False),
        Binding("G", "edge(1)", show=False),
    ]

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
        & Static { width: 1fr; height: auto; }
    }
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._page_title = title

    def content(self) -> Content:
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = self._page_title
            box.border_subtitle = "esc closes"
            yield Static(self.content(), markup=False)

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_edge(self, end: int) -> None:
        box = self.query_one(VerticalScroll)
        if end > 0:
            box.scroll_end(animate=False)
        else:
            box.scroll_home(animate=False)
