"""What the user can do in the form that starts a job."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from aligndbg.tui.actions import Action, key_text

LAUNCH_ACTIONS: tuple[Action, ...] = (
    Action(
        "start",
        ("ctrl+s", "ctrl+enter"),
        "Run",
        "Start",
        "of the form: start the command that is shown, as a job",
        ("launch",),
        True,
    ),
    Action("copy", ("ctrl+y", "y"), "Copy", "Copy", "of the form: the exact command, for a shell", ("launch",), True),
    Action("back", ("escape",), "Move", "Back", "leave the form, starting nothing", ("launch",), True),
    Action("next_field", ("tab",), "Move", "Next field", "of the form: to the next field", ("launch",)),
    Action("previous_field", ("shift+tab",), "Move", "Previous field", "to the field before", ("launch",)),
    Action("next_field", ("enter", "down"), "Move", "Next field", "of the form: to the next field", ("form field",)),
    Action("previous_field", ("up",), "Move", "Previous field", "to the field before", ("form field",)),
    Action("cursor_right", ("right",), "Move", "Complete", "at the end of a path: take its completion", ("form field",)),
)

LAUNCH_MOVING = frozenset("start next_field previous_field".split())
"""Actions of the form after which the focus may be elsewhere."""


def launch_bindings(place: str) -> list[BindingType]:
    return [
        Binding(key, action.name, action.label, show=action.footer and key == action.keys[0], key_display=key_text(key))
        for action in LAUNCH_ACTIONS
        if place in action.places
        for key in action.keys
    ]
