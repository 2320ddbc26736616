"""What a report says, before it is known where it is printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aligndbg.report.visible import visible

Style = Literal["", "good", "bad", "warn", "dim", "strong"]


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line. Its text is made harmless here, so that no report can forget to."""

    text: str
    style: Style = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", visible(self.text))


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One line, wrapped at words where the width is bounded; what follows the first line is indented by `hang`."""

    spans: tuple[Span, ...]
    hang: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """`keep` orders the columns for narrow terminals: 0 is never dropped, the highest are dropped first. `cut` says at which end
    a long cell may be shortened: paths at their beginning, since they differ at their end."""

    title: str
    keep: int = 0
    align: Literal["left", "right"] = "left"
    cut: Literal["", "start", "end"] = ""


@dataclass(frozen=True, slots=True)
class Row:
    """`note` is a sentence printed under the row."""

    cells: tuple[Span, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


Block = Paragraph | Table
Document = tuple[Block, ...]

BLANK = Paragraph(())


def line(*pieces: str | Span) -> Paragraph:
    return Paragraph(tuple(piece if isinstance(piece, Span) else Span(piece) for piece in pieces))


LABEL = 13
"""Cells of the label of a field."""


def field(label: str, *pieces: str | Span) -> Paragraph:
    """`label        value`, the value's own lines below each other."""
    return Paragraph((Span(f"{label} ".ljust(LABEL), "dim"), *line(*pieces).spans), LABEL)
