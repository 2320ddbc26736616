"""THE table of what the user can do: key bindings, footer, `?`, the palette and the README's keys come from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True, slots=True)
class Action:
    """`name` is the method `action_<name>` of each place that offers it. `footer` puts its first key at the bottom."""

    name: str
    keys: tuple[str, ...]
    group: str
    label: str
    help: str
    places: tuple[str, ...]
    footer: bool = False


LISTS = ("table", "detail", "list", "findings", "images", "log", "page")
PANES = ("compare", "home", "job")

ACTIONS: tuple[Action, ...] = (
    Action("line_down", ("j", "down"), "Move", "Down", "one line down", LISTS),
    Action("line_up", ("k", "up"), "Move", "Up", "one line up", LISTS),
    Action("half_down", ("ctrl+d",), "Move", "Half a page down", "half a page down", LISTS),
    Action("half_up", ("ctrl+u",), "Move", "Half a page up", "half a page up", LISTS),
    Action("page_down", ("pagedown", "ctrl+f"), "Move", "Page down", "a page down", LISTS),
    Action("page_up", ("pageup", "ctrl+b"), "Move", "Page up", "a page up", LISTS),
    Action("top", ("g", "home"), "Move", "Top", "to the first line", LISTS),
    Action("bottom", ("G", "end"), "Move", "Bottom", "to the last line; a log is followed again", LISTS),
    Action("open", ("enter",), "Move", "Open", "details of a layer; fold or unfold a group", ("table",)),
    Action("open", ("enter",), "Move", "Open", "open the pair, the session or the job", ("list",), True),
    Action("open", ("enter",), "Move", "Layer", "of a finding: to its layer", ("findings",)),
    Action("next_pane", ("tab",), "Move", "Pane", "to the next pane", PANES, True),
    Action("previous_pane", ("shift+tab",), "Move", "Previous pane", "to the previous pane", PANES),
    Action("back", ("escape",), "Move", "Back", "leave zoom, details and findings, clear filter and order, go home", ("compare",)),
    Action("back", ("escape",), "Move", "Back", "clear the filter", ("home",)),
    Action("next_mismatch", ("n",), "Find", "Mismatch", "to the next mismatching layer", ("compare",), True),
    Action("previous_mismatch", ("N",), "Find", "Previous mismatch", "to the mismatching layer before", ("compare",)),
    Action("first", ("f",), "Find", "First", "to the first born layer, or the first mismatch", ("compare",), True),
    Action("findings", ("c",), "Find", "Causes", "what is wrong, why, and what to type: the findings, or back", ("compare",), True),
    Action("born_only", ("b",), "Find", "Born only", "show the born layers alone, or all again", ("compare",)),
    Action("filter", ("slash",), "Find", "Filter", "filter while typing", ("compare", "home"), True),
    Action("clear_filter", ("backslash",), "Find", "Clear filter", "show all again", ("compare", "home")),
    Action("leave", ("escape",), "Find", "Clear", "while typing: show all again", ("filter",), True),
    Action("done", ("enter", "down"), "Find", "To the rows", "while typing: keep the filter and go to the rows", ("filter",), True),
    Action("fold", ("space",), "Tree", "Fold", "fold or unfold the group", ("table",)),
    Action("close", ("h", "left"), "Tree", "Fold or leave", "fold the group, or go to the one around", ("table",)),
    Action("expand", ("l", "right"), "Tree", "Unfold or enter", "unfold the group, or go into it", ("table",)),
    Action("fold_all", ("E",), "Tree", "Fold all", "fold all groups, or unfold all", ("compare",)),
    Action("sort", ("s",), "Tree", "Sort", "largest max|d| first, or back to the tree", ("compare",)),
    Action("zoom", ("z",), "View", "Zoom", "give the focused pane all the room, or back", ("compare", "job")),
    Action("jobs", ("J",), "View", "Jobs", "the list of jobs, on the home screen", ("app",)),
    Action("notices", ("i",), "View", "Notices", "all of the run: notices, last words of a child, environment", ("compare",)),
    Action("dismiss", ("escape", "enter", "q", "i", "question_mark"), "View", "Close", "close a page such as this one", ("page",)),
    Action("confirm", ("enter",), "View", "Yes", "on a question: do it", ("question",)),
    Action("theme", ("ctrl+t",), "View", "Dark or light", "switch between the dark and the light theme", ("app",)),
    Action("launch", ("L",), "Run", "Launch", "an evaluation or a training as a job: a form", ("app",)),
    Action("rerun", ("r",), "Run", "Run", "run again in fresh children", ("compare",), True),
    Action("reload", ("r",), "Run", "Reload", "read the lists again", ("home",)),
    Action("watch", ("w",), "Run", "Watch", "run again whenever the pair's files change, or stop", ("compare",)),
    Action("what_if", ("w",), "Run", "What if", "of a finding: run again with its fix tried, no file changed", ("findings",)),
    Action("edit", ("o",), "Run", "Edit", "of a finding: open its file at the line in $VISUAL or $EDITOR", ("findings",)),
    Action("open", ("enter",), "Pictures", "Layers", "compare the layers on it; escape comes back to it", ("images",), True),
    Action("next_pane", ("tab",), "Pictures", "Pane", "to the next pane", ("triage",)),
    Action("previous_pane", ("shift+tab",), "Pictures", "Previous pane", "to the previous pane", ("triage",)),
    Action("back", ("escape",), "Pictures", "Back", "leave zoom and details, clear the filter, go back", ("triage",)),
    Action("next_flip", ("n",), "Pictures", "Flip", "to the next picture whose best classes differ", ("triage",), True),
    Action("previous_flip", ("N",), "Pictures", "Previous flip", "to the picture before whose best classes differ", ("triage",)),
    Action("filter", ("slash",), "Pictures", "Filter", "filter while typing", ("triage",), True),
    Action("clear_filter", ("backslash",), "Pictures", "Clear filter", "show all pictures again", ("triage",)),
    Action(
        "flips_only",
        ("f",),
        "Pictures",
        "Flips only",
        "only the pictures whose best classes differ, or all",
        ("triage",),
    ),
    Action("order", ("s",), "Pictures", "Sort", "flips first, by max|d|, by KL, or as listed", ("triage",), True),
    Action(
        "graphics",
        ("p",),
        "Pictures",
        "Picture",
        "draw by half cells, Kitty or Sixel, as the terminal can",
        ("triage",),
    ),
    Action("zoom", ("z",), "Pictures", "Zoom", "give the focused pane all the room, or back", ("triage",)),
    Action("reload", ("r",), "Pictures", "Reload", "read the evaluation again: one that runs has more pictures", ("triage",)),
    Action("mark", ("space",), "Pictures", "Mark", "mark the picture for export, or not", ("images",), True),
    Action("unmark", ("u",), "Pictures", "Unmark", "mark none", ("triage",)),
    Action(
        "export",
        ("e",),
        "Pictures",
        "Export",
        "the marked pictures, else all that show: a list, CSV or HTML",
        ("triage",),
        True,
    ),
    Action("copy", ("y",), "Pictures", "Copy", "copy the selected text, or the picture's line", ("triage",)),
    Action("back", ("escape",), "Job", "Back", "leave zoom, or go back; the job runs on", ("job",)),
    Action("next_log", ("t",), "Job", "Log", "the next log: all ranks, the launcher, one rank after the other", ("job",), True),
    Action("previous_log", ("T",), "Job", "Previous log", "the log before", ("job",)),
    Action("reference", ("R",), "Job", "Reference", "draw another job, a log or a CSV under the curves", ("job",)),
    Action("details", ("i",), "Job", "Details", "command, processes, logs and what is wrong with it", ("job",), True),
    Action("stop_job", ("x",), "Job", "Stop", "end every process of the job", ("job",), True),
    Action("copy", ("y",), "Job", "Copy", "copy its id, state and progress", ("job",)),
    Action("cursor_left", ("h", "left"), "Curves", "Left", "the cursor a point back, from the last one", ("curves",)),
    Action("cursor_right", ("l", "right"), "Curves", "Right", "the cursor a point on, from the first one", ("curves",)),
    Action("cursor_far_left", ("shift+left", "pageup"), "Curves", "Far left", "the cursor ten points back", ("curves",)),
    Action("cursor_far_right", ("shift+right", "pagedown"), "Curves", "Far right", "the cursor ten points on", ("curves",)),
    Action("cursor_first", ("home",), "Curves", "First", "the cursor to the first point", ("curves",)),
    Action("cursor_last", ("end",), "Curves", "Last", "the cursor to the last point", ("curves",)),
    Action("cursor_away", ("escape",), "Curves", "Away", "take the cursor away", ("curves",)),
    Action("next_metric", ("right_square_bracket",), "Curves", "Metric", "the next metric", ("curves",), True),
    Action("previous_metric", ("left_square_bracket",), "Curves", "Metric before", "the metric before", ("curves",)),
    Action("ranks", ("a",), "Curves", "Ranks", "averaged over the ranks, or each rank", ("curves",), True),
    Action("axis", ("u",), "Curves", "Epochs/steps", "epochs or steps along the axis", ("curves",), True),
    Action("scale", ("s",), "Curves", "Log scale", "a logarithmic scale of the values, or a linear one", ("curves",), True),
    Action("copy", ("y",), "Curves", "Copy", "copy the values at the cursor, else the latest", ("curves",)),
    Action("copy_csv", ("Y",), "Curves", "Copy CSV", "copy the points as CSV, which a reference can be read from", ("curves",)),
    Action("left", ("h", "left"), "Logs", "Left", "long lines: to the left", ("log",)),
    Action("right", ("l", "right"), "Logs", "Right", "long lines: to the right", ("log",)),
    Action("back", ("escape",), "Logs", "Clear", "clear the search and the filter of lines", ("log pane",)),
    Action("search", ("slash",), "Logs", "Search", "search; /regular expression/ too", ("log pane",), True),
    Action("next_hit", ("n",), "Logs", "Next", "to the next line found", ("log",)),
    Action("previous_hit", ("N",), "Logs", "Previous", "to the line found before", ("log",)),
    Action("only_hits", ("ampersand",), "Logs", "Only hits", "only the lines with the searched text, or all", ("log pane",)),
    Action("level", ("e",), "Logs", "Level", "all lines, warnings and errors, errors", ("log",), True),
    Action("rank", ("r",), "Logs", "Rank", "the lines of all ranks, or of one after the other", ("log",)),
    Action("wrap", ("w",), "Logs", "Wrap", "wrap long lines, or cut them", ("log",)),
    Action("copy", ("y",), "Logs", "Copy", "copy the whole line", ("log",)),
    Action("back", ("escape",), "Form", "Back", "leave the form, starting nothing", ("launch",), True),
    Action("next_field", ("tab",), "Form", "Next field", "to the next field", ("launch",)),
    Action("previous_field", ("shift+tab",), "Form", "Previous field", "to the field before", ("launch",)),
    Action("next_field", ("enter", "down"), "Form", "Next field", "in a field: to the next one", ("form field",)),
    Action("previous_field", ("up",), "Form", "Previous field", "in a field: to the one before", ("form field",)),
    Action("cursor_right", ("right",), "Form", "Complete", "at the end of a path: take its completion", ("form field",)),
    Action("start", ("ctrl+s", "ctrl+enter"), "Form", "Start", "start what is shown, as a job", ("launch",), True),
    Action("copy", ("ctrl+y", "y"), "Form", "Copy", "copy the exact command, for a shell", ("launch",), True),
    Action("copy", ("y",), "Copy", "Copy fix", "of a finding: the selected text, or file, line and fix", ("findings",)),
    Action("copy", ("y",), "Copy", "Copy", "the selected text; else the layer's line, or its details where focused", ("compare",)),
    Action("copy", ("y",), "Copy", "Copy", "the selected text, or the line", ("home",)),
    Action("copy", ("y",), "Copy", "Copy", "on a page: the selected text, or the page", ("page",)),
    Action("copy_report", ("Y",), "Copy", "Copy report", "the report as Markdown", ("compare",)),
    Action("help", ("question_mark",), "App", "Help", "this page", ("app",), True),
    Action("command_palette", ("ctrl+p",), "App", "Palette", "every action and every layer, by name", ("app",), True),
    Action("suspend_process", ("ctrl+z",), "App", "Suspend", "to the shell; `fg` comes back", ("app",)),
    Action("quit", ("q", "ctrl+c"), "App", "Quit", "quit at once; a running comparison is stopped, jobs run on", ("app",), True),
)

MOVING = frozenset(
    "open next_pane previous_pane back findings filter clear_filter search leave done notices details launch jobs next_log "
    "previous_log stop_job start export next_field previous_field reference confirm dismiss help command_palette".split()
)
"""Actions after which the focus may be elsewhere."""

KEY_NAMES = {
    "slash": "/",
    "backslash": "\\",
    "question_mark": "?",
    "ampersand": "&",
    "shift+left": "⇧←",
    "shift+right": "⇧→",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "escape": "esc",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "down": "↓",
    "up": "↑",
    "left": "←",
    "right": "→",
}
"""What is printed on the key, where Textual's name for it is another."""


def key_text(key: str) -> str:
    return KEY_NAMES.get(key, key.replace("ctrl+", "^"))


def actions_of(places: Iterable[str]) -> tuple[Action, ...]:
    wanted = set(places)
    return tuple(action for action in ACTIONS if wanted.intersection(action.places))


def bindings(place: str) -> list[BindingType]:
    """What a widget, screen or app that is this place puts into its BINDINGS."""
    return [
        Binding(key, action.name, action.label, show=action.footer and key == action.keys[0], key_display=key_text(key))
        for action in actions_of((place,))
        for key in action.keys
    ]


def grouped(actions: Sequence[Action] = ACTIONS) -> dict[str, list[Action]]:
    groups: dict[str, list[Action]] = {}
    for action in actions:
        groups.setdefault(action.group, []).append(action)
    return groups


def keys_text(action: Action) -> str:
    return " ".join(key_text(key) for key in action.keys)


def markdown_table() -> str:
    """The keys section of the README."""
    lines = ["| keys | action |", "| --- | --- |"]
    for group, actions in grouped().items():
        lines.append(f"| **{group}** | |")
        for action in actions:
            keys = " ".join(f"`{key_text(key)}`" for key in action.keys)
            lines.append(f"| {keys} | {action.help.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"
