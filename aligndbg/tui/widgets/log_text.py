"""A line of a log, styled for the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.cells import chop_cells
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from aligndbg.jobs.ansi import plain, spans
from aligndbg.jobs.log_index import LogLine
from aligndbg.jobs.log_search import Level, Needle, level_of
from aligndbg.jobs.masking import mask_text

STYLES = ("plain", "error", "warning", "quiet", "hit", "gutter")

LEVEL_STYLES = {Level.ERROR: "error", Level.WARNING: "warning"}


def line_text(line: LogLine, needle: Needle | None, style: Callable[[str], Style]) -> Text:
    """Without secrets, in its own colours; where it has none, in that of its level. What the needle finds stands out."""
    safe = mask_text(line.text)
    parts = spans(safe)
    shown = plain(safe)
    text = Text(end="", no_wrap=True, style=style("plain"))
    own = any(part.style for part in parts)
    level = None if own else LEVEL_STYLES.get(level_of(shown))
    for part in parts:
        text.append(part.text, style(level) if level else part.style)
    for begin, end in needle.hits(shown) if needle is not None else ():
        text.stylize(style("hit"), begin, end)
    if line.cut:
        text.append("…", style("quiet"))
    return text


def wrapped(text: Text, width: int, most: int) -> Iterator[Text]:
    """The text in lines of `width` cells, at most so many; the last of them says how much is left out."""
    pieces = chop_cells(text.plain, max(2, width)) or [""]
    at = 0
    for number, piece in enumerate(pieces):
        if number == most - 1 and len(pieces) > most:
            note = f"… {len(text) - at:,} more characters"
            yield Text(note[: max(1, width)], end="", style="dim")
            return
        yield text[at : at + len(piece)]
        at += len(piece)


@dataclass(frozen=True, slots=True)
class Look:
    """How lines are drawn: `width` cells, from cell `left` on or wrapped in at most `wrap` lines, a rank in `gutter` cells."""

    console: Console
    style: Callable[[str], Style]
    width: int
    wrap: int
    left: int
    gutter: int


def drawn(line: LogLine, needle: Needle | None, look: Look) -> list[Strip]:
    """One strip, or several where lines wrap; the rank stands at the first of them."""
    text = line_text(line, needle, look.style)
    width = max(1, look.width - look.gutter)
    if look.wrap:
        bodies = [Strip(piece.render(look.console)) for piece in wrapped(text, width, look.wrap)]
    else:
        bodies = [Strip(text.render(look.console)).crop(look.left, look.left + width)]
    if not look.gutter:
        return bodies
    labels = [f"{'' if line.rank is None or number else line.rank}│".rjust(look.gutter) for number in range(len(bodies))]
    return [Strip([Segment(label, look.style("gutter")), *body]) for label, body in zip(labels, bodies, strict=True)]
