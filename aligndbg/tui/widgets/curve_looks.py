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
GAP = ("   ", "reference")

EVAL, OTHER_EVAL, EPOCH, BROKEN, BELOW, RULE, TARGET = "◆", "◇", "○", "✗", "▽", "▲", "╌"


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


def legend(lines: Sequence[Line], reference: str | None, target: float | None, marked: bool) -> Content:
    """Signs and names in their colours. `reference` is the reference's name, None where there is none."""
    parts: list[tuple[str, str]] = []
    for phase in dict.fromkeys(line.phase for line in lines if line.rank is not None):
        ranks = [line for line in lines if line.phase == phase and line.rank is not None and not is_second(line, lines)]
        letters = [(f"⠒{sign_of(line, lines)}⠒ ", colour_of(line)) for line in ranks]
        parts += [*letters, ("ranks" if phase == "train" else "eval of ranks", colour_of(ranks[-1])), GAP]
    for line in lines:
        sign = sign_of(line, lines)
        if line.rank is None and is_second(line, lines):
            parts += [(f"{sign} {line.phase} of epochs", colour_of(line)), GAP]
        elif line.rank is None:
            parts += [(f"⠒{sign or '⠒'}⠒ {line.phase}", colour_of(line)), GAP]
    if reference is not None:
        parts += [(f"⠂⠂⠂ {clean(reference) or 'reference'}", "reference"), GAP]
    if target is not None:
        parts += [(f"{TARGET * 3} target {target:g}", "target"), GAP]
    if any(line.broken for line in lines):
        parts += [(f"{BROKEN} NaN or infinite", "broken"), GAP]
    if marked:
        parts += [(f"{RULE} a rule broken", "mark")]
    return Content.assemble(*((text, COLOURS[look]) for text, look in parts))
