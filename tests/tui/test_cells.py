"""Text in a number of cells, and which columns fit."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from aligndbg.tui.cells import bar, clean, fit, hanging
from aligndbg.tui.widgets.columns import COLUMNS, GAP, LEVELS, fitting, level

harmless = st.text().map(clean)


@given(harmless, st.integers(0, 40), st.sampled_from(["left", "right"]), st.sampled_from(["end", "start"]))
def test_text_takes_exactly_its_cells(text: str, width: int, align: str, cut: str) -> None:
    assert cell_len(fit(text, width, align, cut)) == width


@given(harmless, st.integers(1, 40))
def test_what_is_left_out_leaves_an_ellipsis(text: str, width: int) -> None:
    assert ("…" in fit(text, width)) == (cell_len(text) > width or "…" in text)


def test_a_text_is_cut_at_the_end_that_says_least() -> None:
    assert fit("features.3.squeeze", 10) == "features.…"
    assert fit("features.3.squeeze", 10, cut="start") == "…3.squeeze"
    assert fit("層の名前", 5) == "層の…"
    assert fit("層の名前", 6) == "層の …"


@given(st.text())
def test_clean_text_moves_no_cursor(text: str) -> None:
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in clean(text))


def test_a_bar_is_as_long_as_it_is_told() -> None:
    assert bar(0.5, 4) == ("━━", "──")
    assert bar(7.0, 3) == ("━━━", "")
    assert bar(-1.0, 3) == ("", "───")


@given(harmless, st.integers(19, 60))
def test_a_hanging_text_stays_in_its_column(text: str, width: int) -> None:
    first, *others = hanging("  try", "", text, width).plain.split("\n")
    assert first.startswith("  try      ")
    assert all(line.startswith(" " * 11) for line in others)
    assert all(cell_len(line.rstrip()) <= width for line in (first, *others))


@given(st.integers(1, 200), st.lists(st.integers(0, 60), min_size=len(COLUMNS), max_size=len(COLUMNS)), st.integers(1, 80))
def test_columns_fit_whatever_the_width(width: int, natural: list[int], name: int) -> None:
    columns, left = fitting(width, natural, name)
    titles = [column.title for column, _ in columns]
    assert {"max|d|", "verdict"} <= set(titles)
    assert left >= 1
    if width >= 22:
        assert sum(size + GAP for _, size in columns) + left == width


NATURAL = {"kind": 10, "shape": 14, "max|d|": 7, "": 1, "rel": 7, "verdict": 11}


def titles(width: int, **natural: int) -> list[str]:
    """The columns of a table of this width."""
    widest = {**NATURAL, **natural}
    return [column.title for column, _ in fitting(width, [widest.get(column.title, 0) for column in COLUMNS], 30)[0]]


def test_a_narrow_table_keeps_what_counts() -> None:
    assert titles(120) == ["kind", "shape", "max|d|", "", "rel", "verdict"]
    assert titles(80) == ["kind", "shape", "max|d|", "rel", "verdict"]
    assert titles(45) == ["max|d|", "verdict"]
    seen = [titles(width) for width in range(120, 40, -1)]
    assert all(set(later) <= set(earlier) for earlier, later in pairwise(seen))


def test_a_column_for_which_there_is_nothing_takes_no_room() -> None:
    found = titles(140, local=7, onnx=7, blame=6)
    assert found == ["kind", "shape", "max|d|", "", "rel", "local", "onnx", "verdict", "blame"]
    assert "local" in titles(60, local=7, blame=6)


@pytest.mark.parametrize(
    ("figure", "block"), [(None, " "), (0.0, " "), (math.nan, " "), (1e-12, " "), (1e-7, LEVELS[1]), (0.5, "▇"), (math.inf, "▇")]
)
def test_the_block_grows_with_the_power_of_ten(figure: float | None, block: str) -> None:
    assert level(figure) == block
