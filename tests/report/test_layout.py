from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from aligndbg.report.document import Column, Paragraph, Row, Span, Table, field
from aligndbg.report.layout import LEAST, lay_out

WORDS = st.lists(st.text(alphabet="ab.卷é", min_size=1, max_size=12), max_size=20)


def _lines(block: Paragraph | Table, width: int | None) -> list[str]:
    return ["".join(span.text for span in line) for line in lay_out((block,), width)]


@given(WORDS, st.integers(20, 60))
def test_wrapping_keeps_every_word_in_the_width(words: list[str], width: int) -> None:
    lines = _lines(field("label", " ".join(words)), width)
    assert " ".join(lines).split() == ["label", *words]
    for line in lines:
        assert cell_len(line) <= width or len(line.split()) == 1 or line.startswith("label")
        assert line == line.rstrip()
    assert all(line.startswith(" ") for line in lines[1:])


@given(st.lists(st.tuples(*[st.text(alphabet="ab.卷é", max_size=40)] * 3), min_size=1, max_size=5), st.integers(30, 150))
def test_tables_fit_and_their_columns_line_up(cells: list[tuple[str, str, str]], width: int) -> None:
    columns = (Column("one", cut="start"), Column("two", 1, cut="end"), Column("three", 2, "right", cut="end"))
    table = Table(columns, tuple(Row(tuple(Span(text) for text in row)) for row in cells))
    lines = _lines(table, width)
    assert len(lines) == 1 + len(cells)
    assert all(cell_len(line) <= max(width, LEAST) for line in lines)
    everything = _lines(table, None)
    for row, line in zip(cells, everything[1:], strict=True):
        assert all(text in line for text in row)


def test_columns_of_one_rank_go_together() -> None:
    columns = (Column("name"), Column("p", 1), Column("q", 1))
    table = Table(columns, (Row((Span("n" * 10), Span("p" * 10), Span("q" * 10))),))
    assert _lines(table, 34)[0] == "name        p           q"
    assert _lines(table, 33) == ["name", "n" * 10]
