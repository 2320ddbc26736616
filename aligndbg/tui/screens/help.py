"""`?`: every key, from the table of actions, and the filter's language, from its own description."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from aligndbg.core import query
from aligndbg.tui.actions import actions_of, grouped, keys_text
from aligndbg.tui.cells import hanging
from aligndbg.tui.screens.pages import Page
from aligndbg.tui.theme import MUTED


class HelpScreen(Page):
    """The actions of `places`: what can be done where one is."""

    def __init__(self, places: Iterable[str]) -> None:
        super().__init__("Keys")
        self._places = tuple(places)

    def content(self, width: int) -> Content:
        actions = actions_of(self._places)
        wide = max(len(keys_text(action)) for action in actions) + 4
        lines = []
        for group, members in grouped(actions).items():
            lines.append(Content.styled(group, "bold $text-accent"))
            lines += [hanging(f"  {keys_text(action)}", "bold", action.help, width, label_cells=wide) for action in members]
            lines.append(Content(""))
        if "compare" in self._places:
            text = (query.__doc__ or "").partition("\n\n")[2].rstrip()
            lines += [
                Content.styled("Filter", "bold $text-accent"),
                Content("  " + text.replace("\n", "\n  ").strip()),
                Content(""),
            ]
        lines.append(
            Content.styled(
                "The mouse selects, scrolls, folds by the arrow, opens by a double click, sorts by the heading max|d|, presses the "
                "keys in the last line, and opens all notices by a click on one.",
                MUTED,
            )
        )
        return Content("\n").join(lines)
