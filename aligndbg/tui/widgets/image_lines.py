"""How the lines of the table of pictures look: which columns there is room for, heading and cells."""

from __future__ import annotations

from collections.abc import Callable

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from aligndbg.core.images import Order, Side
from aligndbg.report.triage import difference_text, right_text
from aligndbg.tui.cells import clean, fit
from aligndbg.workflows.triage import Triage

Styles = Callable[[str], Style]

GAP = 1
MARK, RIGHT, FIGURE = 1, 9, 7
"""Cells of columns that do not change."""

CLASS_LEAST, CLASS_MOST = 10, 22
LABEL_LEAST, LABEL_MOST = 8, 18
NAME_LEAST = 12

PROBABILITY = 5
"""Cells of a best class's probability, the blank before it included."""

MEASURED = 2000
"""Names that are measured for their column's width."""

HEADINGS: dict[str, Order] = {"max|d|": "max", "KL": "kl", "right": "flips", "picture": "position"}
"""What a click on a heading asks for."""


class ImageLines:
    """`measure` once for an evaluation, `lay_out` for each width."""

    def __init__(self) -> None:
        self._natural = NAME_LEAST
        self._columns: list[tuple[str, int]] = []

    def measure(self, triage: Triage) -> None:
        self._natural = max((cell_len(clean(name)) for name in triage.images.names[:MEASURED]), default=NAME_LEAST)

    def lay_out(self, width: int) -> None:
        left = width - MARK - sum(GAP + size for size in (RIGHT, FIGURE, FIGURE))
        name = max(1, min(NAME_LEAST, left))
        left -= name
        sizes = {"label": 0, "torch": 0, "paddle": 0}
        if left >= 2 * (GAP + CLASS_LEAST):
            sizes["torch"] = sizes["paddle"] = CLASS_LEAST
            left -= 2 * (GAP + CLASS_LEAST)
        if sizes["torch"] and left >= GAP + LABEL_LEAST:
            sizes["label"] = LABEL_LEAST
            left -= GAP + LABEL_LEAST
        # The end of a name tells the picture; classes need what is left, for many begin alike.
        more = max(0, min(left, self._natural - name, width // 5 - name))
        name, left = name + more, left - more
        for column, most in (("torch", CLASS_MOST), ("paddle", CLASS_MOST), ("label", LABEL_MOST)):
            share = left // 2 if column == "torch" else left
            more = max(0, min(share, most - sizes[column])) if sizes[column] else 0
            sizes[column] += more
            left -= more
        self._columns = [("picture", name + max(0, left))]
        self._columns += [(column, size) for column, size in sizes.items() if size]
        self._columns += [("right", RIGHT), ("max|d|", FIGURE), ("KL", FIGURE)]

    def header(self, style: Styles, order: Order) -> list[Segment]:
        titles = {"paddle": "Paddle"}
        text = " " * MARK
        for place, (column, size) in enumerate(self._columns):
            mark = "▾" if HEADINGS.get(column) == order and order != "position" else ""
            align = "right" if column in ("max|d|", "KL") else "left"
            text += (" " * GAP if place else "") + fit(mark + titles.get(column, column), size, align)
        return [Segment(text, style("header"))]

    def line(self, style: Styles, triage: Triage, place: int, marked: bool) -> list[Segment]:
        segments = [Segment("●" if marked else " ", style("mark"))]
        for number, (column, size) in enumerate(self._columns):
            if number:
                segments.append(Segment(" " * GAP, style("plain")))
            segments.append(Segment(*_cell(triage, place, column, size, style)))
        return segments

    def title_at(self, x: int) -> str:
        """The title of the column at this cell of a line."""
        left = MARK
        for number, (column, size) in enumerate(self._columns):
            left += size + (GAP if number else 0)
            if x < left:
                return column
        return ""


def _cell(triage: Triage, place: int, column: str, size: int, style: Styles) -> tuple[str, Style]:
    images = triage.images
    compared = bool(images.compared[place])
    match column:
        case "picture":
            return fit(clean(images.names[place]), size, cut="start"), style("plain" if images.judged[place] else "quiet")
        case "label":
            return fit(_class(triage, int(images.labels[place])), size), style("quiet")
        case "torch" | "paddle":
            return _best(triage, place, "torch" if column == "torch" else "paddle", size, style)
        case "right":
            return fit(right_text(images, place), size), style(tone_of(triage, place))
        case "max|d|":
            return fit(difference_text(float(images.max_abs[place]), compared), size, "right"), style("plain")
        case _:
            return fit(difference_text(float(images.divergence[place]), compared), size, "right"), style("plain")


def tone_of(triage: Triage, place: int) -> str:
    """The style of whose best class is right."""
    images = triage.images
    if images.only_torch[place]:
        return "bad"
    if images.flips[place] or not images.judged[place]:
        return "warn"
    return "good" if images.compared[place] and images.right(place) == "both" else "quiet"


def _best(triage: Triage, place: int, side: Side, size: int, style: Styles) -> tuple[str, Style]:
    top = triage.images.of(side).top(place)
    if not top:
        return fit("-", size), style("quiet")
    number, probability = top[0]
    text = fit(_class(triage, number), size - PROBABILITY) + fit(f"{probability:.2f}", PROBABILITY, "right")
    return text, style("plain" if number == triage.images.labels[place] else "warn")


def _class(triage: Triage, number: int) -> str:
    return clean(triage.class_name(number) or str(number))


def line_text(triage: Triage, place: int) -> str:
    """A picture's whole line, as it would read in a message to a colleague."""
    images = triage.images
    compared = bool(images.compared[place])
    parts = [clean(images.names[place]), f"label {clean(triage.class_text(int(images.labels[place])))}"]
    for side, title in (("torch", "torch"), ("paddle", "Paddle")):
        top = images.of(side).top(place)  # type: ignore[arg-type]
        if top:
            parts.append(f"{title} {clean(triage.class_text(top[0][0]))} {top[0][1]:.3f}")
    if compared:
        parts += [f"max|d| {difference_text(float(images.max_abs[place]), True)}"]
        parts += [f"KL {difference_text(float(images.divergence[place]), True)}"]
    if images.problems[place]:
        parts.append(clean(images.problems[place]))
    return "  ".join(parts)
