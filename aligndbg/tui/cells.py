"""Text in a number of cells, harmless for the terminal."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from aligndbg.report.visible import visible

LABEL = 11
"""Cells of the word that says what a hanging text is."""


def clean(text: str) -> str:
    """A name from a model, file or child, in one line and without escape sequences."""
    return visible(text)


def fit(text: str, width: int, align: str = "left", cut: str = "end") -> str:
    """Exactly `width` cells of `text`, with an ellipsis where some of it is left out."""
    if width <= 0:
        return ""
    size = cell_len(text)
    if size <= width:
        padding = " " * (width - size)
        return padding + text if align == "right" else text + padding
    if cut == "start":
        text = text[::-1]
        kept = set_cell_size(text, width - 1).rstrip(" ")[::-1]
        return " " * (width - 1 - cell_len(kept)) + "…" + kept
    return set_cell_size(text, width - 1) + "…"


def bar(share: float, width: int) -> tuple[str, str]:
    """The done and the left part of a progress bar."""
    done = min(width, max(0, round(share * width)))
    return "━" * done, "─" * (width - done)


def hanging(label: str, label_style: str, text: str, width: int, style: str = "", label_cells: int = LABEL) -> Content:
    """A label and its text, which is wrapped within its own column."""
    lines = Content.styled(text, style).wrap(max(8, width - label_cells)) if text else [Content("")]
    indent = Content("\n" + " " * label_cells)
    return Content.assemble((fit(label, label_cells), label_style), indent.join(lines))
