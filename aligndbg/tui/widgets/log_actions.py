"""What the user can do in a log."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from aligndbg.tui.actions import Action, key_text

LOG_ACTIONS: tuple[Action, ...] = (
    Action("line_down", ("j", "down"), "Move", "Down", "one line down", ("log",)),
    Action("line_up", ("k", "up"), "Move", "Up", "one line up; following pauses", ("log",)),
    Action("half_down", ("ctrl+d",), "Move", "Half a page down", "half a page down", ("log",)),
    Action("half_up", ("ctrl+u",), "Move", "Half a page up", "half a page up", ("log",)),
    Action("page_down", ("pagedown", "ctrl+f"), "Move", "Page down", "a page down", ("log",)),
    Action("page_up", ("pageup", "ctrl+b"), "Move", "Page up", "a page up", ("log",)),
    Action("top", ("g", "home"), "Move", "Top", "to the first line", ("log",)),
    Action("bottom", ("G", "end"), "Move", "Follow", "to the end, and follow the log again", ("log",), True),
    Action("left", ("h", "left"), "Move", "Left", "long lines: to the left", ("log",)),
    Action("right", ("l", "right"), "Move", "Right", "long lines: to the right", ("log",)),
    Action("next_hit", ("n",), "Find", "Next", "to the next line found", ("log",)),
    Action("previous_hit", ("N",), "Find", "Previous", "to the line found before", ("log",)),
    Action("level", ("e",), "Find", "Level", "all lines, warnings and errors, errors", ("log",), True),
    Action("rank", ("r",), "Find", "Rank", "the lines of all ranks, or of one after the other", ("log",)),
    Action("wrap", ("w",), "View", "Wrap", "wrap long lines, or cut them", ("log",)),
    Action("copy", ("y",), "Copy", "Copy", "the whole line", ("log",)),
)

PANE_ACTIONS: tuple[Action, ...] = (
    Action("search", ("slash",), "Find", "Search", "search while typing", ("log pane",), True),
    Action("only_hits", ("ampersand",), "Find", "Only hits", "only the lines with the searched text, or all", ("log pane",)),
    Action("back", ("escape",), "Find", "Clear", "clear the search and the filter of its lines", ("log pane",)),
)


def log_bindings(actions: tuple[Action, ...]) -> list[BindingType]:
    return [
        Binding(key, action.name, action.label, show=action.footer and key == action.keys[0], key_display=key_text(key))
        for action in actions
        for key in action.keys
    ]
