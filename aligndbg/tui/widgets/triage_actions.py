"""What the user can do with the pictures of an evaluation."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from aligndbg.tui.actions import Action, key_text

SCREEN = ("triage",)
TABLE = ("images",)

TRIAGE_ACTIONS: tuple[Action, ...] = (
    Action("open", ("enter",), "Move", "Layers", "of a picture: compare the layers on it; escape comes back to it", TABLE, True),
    Action("next_pane", ("tab",), "Move", "Pane", "to the next pane", SCREEN),
    Action("previous_pane", ("shift+tab",), "Move", "Previous pane", "to the previous pane", SCREEN),
    Action("back", ("escape",), "Move", "Back", "of pictures: leave zoom and details, clear the filter, go back", SCREEN),
    Action("next_flip", ("n",), "Find", "Flip", "to the next picture whose best classes differ", SCREEN, True),
    Action("previous_flip", ("N",), "Find", "Previous flip", "to the picture before whose best classes differ", SCREEN),
    Action("filter", ("slash",), "Find", "Filter", "pictures: filter while typing", SCREEN, True),
    Action("clear_filter", ("backslash",), "Find", "Clear filter", "show all pictures again", SCREEN),
    Action("flips_only", ("f",), "Find", "Flips only", "show the pictures whose best classes differ alone, or all again", SCREEN),
    Action("order", ("s",), "View", "Order", "pictures by max|d|, by KL, flips first, or in the order of the list", SCREEN, True),
    Action("graphics", ("p",), "View", "Picture", "draw the picture by half cells, Kitty or Sixel, as the terminal can", SCREEN),
    Action("zoom", ("z",), "View", "Zoom", "give the focused pane all the room, or back", SCREEN),
    Action("reload", ("r",), "Run", "Reload", "read the evaluation again: one that runs has more pictures", SCREEN),
    Action("mark", ("space",), "Export", "Mark", "mark the picture for export, or not", TABLE, True),
    Action("unmark", ("u",), "Export", "Unmark", "mark none", SCREEN),
    Action("export", ("e",), "Export", "Export", "the marked pictures, else all that show: list file, CSV or HTML", SCREEN, True),
    Action("copy", ("y",), "Copy", "Copy", "of a picture: the selected text, or its line", SCREEN),
)


def triage_bindings(place: str) -> list[BindingType]:
    return [
        Binding(key, action.name, action.label, show=action.footer and key == action.keys[0], key_display=key_text(key))
        for action in TRIAGE_ACTIONS
        if place in action.places
        for key in action.keys
    ]
