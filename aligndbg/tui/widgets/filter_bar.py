"""The line where a filter is typed, with what it finds or what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Static

from aligndbg.tui.actions import bindings

HARMLESS = r"[^\x00-\x1f\x7f-\x9f]*"
"""What may be pasted: anything but the terminal's control characters."""


class FilterInput(Input):
    BINDINGS = bindings("filter")

    @dataclass
    class Left(Message):
        """Typing has ended, by Escape where it `escaped`; `cleared` says that the filter goes as well."""

        cleared: bool
        escaped: bool = False

    def action_leave(self) -> None:
        self.post_message(self.Left(True, True))

    def action_done(self) -> None:
        self.post_message(self.Left(not self.value.strip()))


class FilterBar(Vertical):
    """Hidden until it is opened; it stays while its filter holds, so that nobody forgets that rows are missing."""

    DEFAULT_CSS = """
    FilterBar {
        height: auto; display: none; background: $panel;
        &.-open { display: block; }
        & > Horizontal { height: 1; }
        & #slash { width: 3; color: $text-accent; text-style: bold; padding: 0 0 0 1; }
        & Input, & Input:focus { border: none; height: 1; padding: 0; background: $panel; width: 1fr; }
        & #found { width: auto; padding: 0 1; color: $text-muted; }
        & > #wrong { display: none; height: auto; padding: 0 1; color: $text-error; }
        &.-wrong > #wrong { display: block; }
        &.-wrong #found { display: none; }
    }
    """

    @dataclass
    class Changed(Message):
        text: str

    @dataclass
    class Done(Message):
        cleared: bool

    def __init__(self, placeholder: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Static("/", id="slash")
            yield FilterInput(placeholder=self._placeholder, select_on_focus=False, restrict=HARMLESS)
            yield Static("", id="found", markup=False)
        yield Static("", id="wrong", markup=False)

    @property
    def text(self) -> str:
        return self.query_one(Input).value

    def set(self, text: str) -> None:
        """Filter by this text, which stays in sight; the focus stays where it is."""
        self.add_class("-open")
        self.query_one(Input).value = text

    def open(self) -> None:
        self.add_class("-open")
        self.query_one(Input).focus()

    def close(self) -> None:
        self.query_one(Input).value = ""
        self.remove_class("-open", "-wrong")

    def tell(self, found: str, wrong: str = "") -> None:
        """How much passes, or what is wrong with what was typed."""
        self.set_class(bool(wrong), "-wrong")
        self.query_one("#found", Static).update(found)
        self.query_one("#wrong", Static).update(f"✗ {wrong}" if wrong else "")

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    @on(FilterInput.Left)
    def _left(self, event: FilterInput.Left) -> None:
        event.stop()
        self.post_message(self.Done(event.cleared))
