"""What the user can do with curves."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from aligndbg.tui.actions import Action, key_text

PLACE = ("curves",)

CURVE_ACTIONS: tuple[Action, ...] = (
    Action("cursor_left", ("h", "left"), "Move", "Left", "curves: the cursor to the point before; it begins at the last", PLACE),
    Action("cursor_right", ("l", "right"), "Move", "Right", "curves: the cursor to the next point; it begins at the first", PLACE),
    Action("cursor_far_left", ("shift+left", "pageup"), "Move", "Far left", "curves: the cursor ten points back", PLACE),
    Action("cursor_far_right", ("shift+right", "pagedown"), "Move", "Far right", "curves: the cursor ten points on", PLACE),
    Action("cursor_first", ("home",), "Move", "First", "curves: the cursor to the first point", PLACE),
    Action("cursor_last", ("end",), "Move", "Last", "curves: the cursor to the last point", PLACE),
    Action("cursor_away", ("escape",), "Move", "Away", "curves: take the cursor away", PLACE),
    Action("next_metric", ("right_square_bracket",), "View", "Metric", "curves: the next metric", PLACE, True),
    Action("previous_metric", ("left_square_bracket",), "View", "Metric before", "curves: the metric before", PLACE),
    Action("ranks", ("a",), "View", "Ranks", "curves: averaged over the ranks, or each rank", PLACE, True),
    Action("axis", ("u",), "View", "Epochs/steps", "curves: epochs or steps along the axis", PLACE, True),
    Action("scale", ("s",), "View", "Log scale", "curves: a logarithmic scale of the values, or a linear one", PLACE, True),
    Action("copy", ("y",), "Copy", "Copy", "curves: the values at the cursor, else the latest", PLACE),
    Action("copy_csv", ("Y",), "Copy", "Copy CSV", "curves: the metric's points as CSV, which can be read as a reference", PLACE),
)


def curve_bindings() -> list[BindingType]:
    return [
        Binding(key, action.name, action.label, show=action.footer and key == action.keys[0], key_display=key_text(key))
        for action in CURVE_ACTIONS
        for key in action.keys
    ]
