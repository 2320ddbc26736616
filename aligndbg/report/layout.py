"""From a document to lines of a width, in cells."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len

from aligndbg.report.document import Block, Column, Document, Paragraph, Row, Span, Table

Line = list[Span]

GAP = 2
"""Cells between two columns."""

NOTE = 4
"""A row's note stands under its second column, or this far in where that is further."""

SHORTEST = 20
"""Before a cell is shortened below this, a column is dropped."""

LEAST = 6
"""What is left of a cell when no column can be dropped any more."""


def lay_out(document: Document, width: int | None) -> Iterator[Line]:
    """`width` None is a file: nothing is wrapped, shortened or dropped, so that lines can be searched."""
    for block in document:
        yield from _block(block, width)


def _block(block: Block, width: int | None) -> Iterator[Line]:
    if isinstance(block, Table):
        yield from _table(block, width)
    elif width is None:
        yield list(block.spans)
    else:
        yield from _wrap(block, width)


def _wrap(paragraph: Paragraph, width: int) -> Iterator[Line]:
    indent = min(paragraph.hang, width // 2)
    current: Line = []
    used = 0
    for word in _words(paragraph):
        size = cell_len(word.text)
        if used > indent and used + cell_len(word.text.rstrip(" ")) > width and word.text.strip(" "):
            yield _trimmed(current)
            current, used = [Span(" " * indent)] if indent else [], indent
        current.append(word)
        used += size
    yield _trimmed(current)


def _words(paragraph: Paragraph) -> Iterator[Span]:
    """The spans cut after each run of spaces; the label of a field is one word."""
    for position, span in enumerate(paragraph.spans):
        if paragraph.hang and position == 0:
            yield span
            continue
        word = ""
        for character in span.text:
            if word.endswith(" ") and character != " ":
                yield Span(word, span.style)
                word = ""
            word += character
        if word:
            yield Span(word, span.style)


def _table(table: Table, width: int | None) -> Iterator[Line]:
    kept = [position for position, _ in enumerate(table.columns)]
    widths = [
        max(cell_len(column.title), *(cell_len(row.cells[position].text) for row in table.rows), 0)
        for position, column in enumerate(table.columns)
    ]
    if width is not None:
        kept = _fitting(table.columns, widths, width)
        _shorten(table.columns, widths, kept, width)
    titles = Row(tuple(Span(column.title, "dim") for column in table.columns))
    if any(column.title for column in table.columns):
        yield _cells(titles, table.columns, widths, kept)
    for row in table.rows:
        yield _cells(row, table.columns, widths, kept)
        if row.note:
            indent = min(widths[kept[0]] + GAP, NOTE)
            note = Paragraph((Span(" " * indent), Span(row.note, "dim")), indent)
            yield from _block(note, width)


def _total(widths: list[int], kept: list[int]) -> int:
    return sum(widths[position] for position in kept) + GAP * (len(kept) - 1)


def _fitting(columns: tuple[Column, ...], widths: list[int], width: int) -> list[int]:
    """The columns that fit when every cell is as short as may be."""
    least = [min(size, SHORTEST) if column.cut else size for column, size in zip(columns, widths, strict=True)]
    kept = list(range(len(columns)))
    while _total(least, kept) > width and any(columns[position].keep for position in kept):
        most = max(columns[position].keep for position in kept)
        kept = [position for position in kept if columns[position].keep < most]
    return kept


def _shorten(columns: tuple[Column, ...], widths: list[int], kept: list[int], width: int) -> None:
    long = [position for position in kept if columns[position].cut]
    while _total(widths, kept) > width and any(widths[position] > LEAST for position in long):
        widths[max(long, key=lambda position: widths[position])] -= 1


def _cells(row: Row, columns: tuple[Column, ...], widths: list[int], kept: list[int]) -> Line:
    cells: Line = []
    for position in kept:
        text, style = _shortened(row.cells[position].text, widths[position], columns[position].cut), row.cells[position].style
        padding = " " * (widths[position] - cell_len(text))
        cells += [Span(padding), Span(text, style)] if columns[position].align == "right" else [Span(text, style), Span(padding)]
        cells.append(Span(" " * GAP))
    return _trimmed(cells)


def _shortened(text: str, width: int, cut: str) -> str:
    if cell_len(text) <= width:
        return text
    while cell_len(text) > width - 1:
        text = text[1:] if cut == "start" else text[:-1]
    return f"…{text}" if cut == "start" else f"{text}…"


def _trimmed(cells: Line) -> Line:
    """Without spaces at the end of the line."""
    while cells and not cells[-1].text.rstrip(" "):
        cells = cells[:-1]
    return [*cells[:-1], Span(cells[-1].text.rstrip(" "), cells[-1].style)] if cells else []
