"""One line to type, over a screen."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.dom import DOMNode
from textual.screen import ModalScreen
from textual.widgets import Static

from aligndbg.tui.widgets.filter_bar import HARMLESS, FilterInput


class AskScreen(ModalScreen[str | None]):
    """Returns what was typed; None where Escape left it."""

    HELP: ClassVar = ("filter",)
    DEFAULT_CSS = """
    AskScreen {
        align: center middle; background: $background 60%;
        & > Vertical {
            width: 80%; max-width: 100; height: auto; border: heavy $accent; background: $surface; padding: 0 1;
            border-title-color: $text-accent; border-title-style: bold; border-subtitle-color: $text-muted;
        }
        & FilterInput, & FilterInput:focus { border: none; height: 1; padding: 0; background: $panel; }
        & Static { color: $foreground 60%; }
    }
    """

    def __init__(self, title: str, hint: str, text: str = "") -> None:
        super().__init__()
        self._title = title
        self._hint = hint
        self._text = text

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = self._title
            box.border_subtitle = "enter takes it · esc leaves"
            yield FilterInput(self._text, restrict=HARMLESS)
            yield Static(self._hint, markup=False)

    @property
    def places(self) -> dict[str, DOMNode]:
        return {"filter": self.query_one(FilterInput)}

    @on(FilterInput.Left)
    def _on_left(self, event: FilterInput.Left) -> None:
        event.stop()
        # Enter on an empty line is an answer too.
        self.dismiss(None if event.escaped else self.query_one(FilterInput).value)
