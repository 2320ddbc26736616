"""What each line and mark looks like: a colour, and a sign for those who see none."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from aligndbg.tui.cells import clean
from aligndbg.tui.widgets.curve_lines import Line

COLOURS = {
    "train": "$text-primary",
    "eval": "$text-warning",
    "reference": "$foreground 60%",
    "target": "$text-success",
    "broken": "$text-error",
    "mark": "$text-error",
    "cursor": "$foreground 60%",
    "rank-0": "$text-primary",
    "rank-1": "$text-warning",
    "rank-2": "$text-success",
    "rank-3": "$text-accent",
    "rank-4": "$foreground",
    "rank-5": "$text-secondary",
}
RANK_COLOURS = 6

EVAL, EPOCH, BROKEN, BELOW, RULE, TARGET = "◆", "○", "✗", "▽", "▲", "╌"


def colour_of(line: Line) -> str:
    """The name of its colour."""
    return line.phase if line.rank is None else f"rank-{line.rank % RANK_COLOURS}"


def is_second(line: Line, lines: Sequence[Line]) -> bool:
    """Whether it is of epochs' results and lies on the line of the same run's steps: signs are enough for it."""
    return line.whole and any((one.phase, one.rank, one.whole) == (line.phase, line.rank, False) for one in lines)


def sign_of(line: Line, lines: Sequence[Line]) -> str:
    """What is set on it, again and again, to tell it from the others; nothing on a run's training steps."""
    if line.rank is not None:
        return f"{line.rank}" if line.phase == "train" else f"e{line.rank}"
    return EVAL if line.phase == "eval" else EPOCH if is_second(line, lines) else ""


def name_of(line: Line) -> str:
    if line.rank is not None:
        return f"rank {line.rank}" if line.phase == "train" else f"eval of rank {line.rank}"
    return line.phase


def legend(lines: Sequence[Line], reference: str | None, target: float | None, marked: bool) -> Content:
    """Signs and names in their colours. `reference` is the reference's name, None where there is none."""
    parts = []
    for line in lines:
        sign = sign_of(line, lines)
        look = sign if is_second(line, lines) else f"⠒{sign or '⠒'}⠒"
        parts.append((f"{look} {name_of(line)}{' of epochs' if is_second(line, lines) else ''}", colour_of(line)))
    if reference is not None:
        parts.append((f"⠂⠂⠂ {clean(reference) or 'reference'}", "reference"))
    if target is not None:
        parts.append((f"{TARGET * 3} target {target:g}", "target"))
    if any(line.broken for line in lines):
        parts.append((f"{BROKEN} NaN or infinite", "broken"))
    if marked:
        parts.append((f"{RULE} a rule broken", "mark"))
    return Content("   ").join(Content.styled(text, COLOURS[look]) for text, look in parts)
