"""Histogram, sparkline and heatmap as cells."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.color import Color

from aligndbg.core.stats import DiffDetail, Heatmap
from aligndbg.tui.widgets.heatmap import heatmap, legend
from aligndbg.tui.widgets.histogram import HEIGHT, exponent_histogram, sparkline

LOW, HIGH = Color.parse("#000000"), Color.parse("#ffffff")


def detail(first: int, *counts: int) -> DiffDetail:
    return DiffDetail(first, counts, 0, (), None, ())


def bars(first: int, *counts: int, width: int = 40, tolerance: float | None = None) -> list[str]:
    return exponent_histogram(detail(first, *counts), width, tolerance).plain.split("\n")


def test_a_bar_for_each_power_of_two_as_high_as_the_logarithm_of_its_count() -> None:
    lines = bars(-4, 999, 0, 31, 1)
    heights = [sum(line[place] != " " for line in lines[:HEIGHT]) for place in (0, 3, 6, 9)]
    assert heights == [5, 0, 3, 1]


@given(st.integers(-126, 100), st.lists(st.integers(0, 10**9), min_size=1, max_size=80).filter(any), st.integers(10, 90))
def test_a_histogram_fits_whatever_it_holds(first: int, counts: list[int], width: int) -> None:
    for tolerance in (None, 1e-4, 2.0**first):
        lines = bars(first, *counts, width=width, tolerance=tolerance)
        assert all(len(line) <= width for line in lines[:HEIGHT])
        assert len(lines) == HEIGHT + 1 + (tolerance is not None)


def test_the_axis_names_decades_where_they_begin() -> None:
    axis = bars(-14, *[1] * 15, width=60)[HEIGHT]
    places = {found.group(): found.start() // 3 for found in re.finditer(r"\S+", axis)}
    # 1e-3 is in the fifth bar, from 2**-10 to 2**-9.
    assert places == {"1e-4": 0, "1e-3": 4, "1e-2": 7, "1e-1": 10, "1": 14}


def test_the_tolerance_stands_under_its_bar_or_beside_all() -> None:
    inside = bars(-14, *[1] * 15, width=60, tolerance=1e-3)[-1]
    assert inside.index("▲") == 3 * 4
    assert bars(-40, 1, 1, tolerance=1e-3)[-1] == "all below the tolerance 1e-3"
    assert bars(0, 1, 1, tolerance=1e-3)[-1] == "all above the tolerance 1e-3"


def test_bars_over_the_tolerance_are_drawn_as_wrong() -> None:
    picture = exponent_histogram(detail(-2, 5, 5, 5), 40, 0.4)
    lowest = picture.split("\n")[HEIGHT - 1]
    styles = [str(span.style) for span in lowest.spans]
    assert styles == ["$text-primary", "$text-error", "$text-error"]


@given(st.lists(st.floats(0.0, 1e30) | st.just(math.nan) | st.just(math.inf), max_size=300), st.integers(1, 80))
def test_a_sparkline_fits(values: list[float], width: int) -> None:
    assert len(sparkline(values, width)) == min(width, len(values))


def test_a_sparkline_is_linear_from_zero_and_hides_no_nan() -> None:
    assert sparkline([0.0, 0.5, 1.0, math.nan, math.inf], 10) == "▁▄█?█"
    assert sparkline([0.0, 0.0], 10) == "▁▁"
    assert sparkline([0.0, 3.0, 0.0, 1.0], 2) == "█▃"


def plane(rows: int, columns: int, values: list[float] | None = None) -> Heatmap:
    values = values if values is not None else [float(place) for place in range(rows * columns)]
    return Heatmap("height x width", (rows, columns), rows, columns, tuple(values))


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 64), (64, 1), (64, 64), (7, 7), (13, 40)])
@pytest.mark.parametrize("width", [20, 36, 90])
def test_a_plane_fits_and_keeps_its_proportions(rows: int, columns: int, width: int) -> None:
    lines = heatmap(plane(rows, columns), width, LOW, HIGH).plain.split("\n")
    assert all(len(line) == len(lines[0]) <= width for line in lines)
    assert len(lines) <= 24
    if min(rows, columns) > 6:
        assert 0.7 < len(lines[0]) / (2 * len(lines)) / (columns / rows) < 1.4


def colours(rows: int, columns: int, values: list[float]) -> list[tuple[str, str]]:
    """Of each block its upper and its lower colour."""
    content = heatmap(plane(rows, columns, values), columns, LOW, HIGH)
    return [(parts[0], parts[-1]) for parts in (str(span.style).split(" on ") for span in content.spans)]


def test_the_largest_is_bright_four_decades_less_is_dark_and_nan_is_bright() -> None:
    values = [1.0, 1e-4, 1e-2, math.nan] * 6 + [0.0, math.inf, 1e-9, 1.0] * 6
    upper = [one for one, _ in colours(12, 4, values)][:4]
    assert [upper[0], upper[1], upper[3]] == ["#FFFFFF", "#000000", "#FFFFFF"]
    assert upper[2] not in ("#FFFFFF", "#000000")


def test_a_plane_without_differences_says_so() -> None:
    assert legend(plane(2, 2, [0.0] * 4), LOW, HIGH).plain == "no difference"
    assert legend(plane(1, 2, [0.5, 0.1]), LOW, HIGH).plain == "5.0e-05 ████████ 0.5"
