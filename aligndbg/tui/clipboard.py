"""Copying by an escape sequence to the terminal (OSC 52), which works through ssh as well."""

from __future__ import annotations

from typing import Any

from textual.screen import Screen


def copy(screen: Screen[Any], text: str, what: str) -> None:
    """Copy what is selected on the screen, else `text`, and say what was copied."""
    selected = screen.get_selected_text()
    if selected:
        text, what = selected, "the selection"
    screen.app.copy_to_clipboard(text)
    screen.notify(f"copied {what}", timeout=3)
