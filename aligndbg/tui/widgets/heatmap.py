"""A plane of differences as half-cell blocks: two rows of the plane in one line."""

from __future__ import annotations

import math

from textual.color import Color
from textual.content import Content

from aligndbg.core.stats import Heatmap
from aligndbg.tui.theme import MUTED
from aligndbg.workflows.wording import figure

DECADES = 4.0
"""From the largest value down to the background."""

MOST_ROWS = 48
"""Half lines: a larger plane is pooled, so that the pane holds more than its picture."""

ENLARGED_ROWS = 24
"""Half lines that a small plane is enlarged to, where it fits."""


def heatmap(plane: Heatmap, width: int, low: Color, high: Color) -> Content:
    """Colours run from `low` to `high` with the logarithm of |d|; pooling keeps the largest."""
    grid = _fitted(plane, width)
    top = _top(plane)
    lines = []
    for upper in range(0, len(grid), 2):
        pieces = []
        for column, value in enumerate(grid[upper]):
            style = _colour(value, top, low, high).hex
            if upper + 1 < len(grid):
                style += f" on {_colour(grid[upper + 1][column], top, low, high).hex}"
            pieces.append(("▀", style))
        lines.append(Content.assemble(*pieces))
    return Content("\n").join(lines)


def legend(plane: Heatmap, low: Color, high: Color) -> Content:
    """The scale of the colours."""
    top = _top(plane)
    if not top:
        return Content.styled("no difference", MUTED)
    ramp = [("█", low.blend(high, place / 7).hex) for place in range(8)]
    return Content.assemble((f"{figure(top * 10**-DECADES)} ", MUTED), *ramp, (f" {figure(top)}", MUTED))


def _top(plane: Heatmap) -> float:
    return max((value for value in plane.values if math.isfinite(value)), default=0.0)


def _fitted(plane: Heatmap, width: int) -> list[list[float]]:
    """The plane with its proportions, pooled or enlarged by a whole factor."""
    shrink = max(1.0, plane.columns / width, plane.rows / MOST_ROWS)
    columns, rows = max(1, int(plane.columns / shrink)), max(1, int(plane.rows / shrink))
    grow = max(1, min(width // columns, ENLARGED_ROWS // rows))
    return [
        [_pooled(plane, row, rows, column, columns) for column in range(columns) for _ in range(grow)]
        for row in range(rows)
        for _ in range(grow)
    ]


def _pooled(plane: Heatmap, row: int, rows: int, column: int, columns: int) -> float:
    """Largest value of the cells that fall into one; NaN where one of them is."""
    cells = [
        plane.values[across * plane.columns + along]
        for across in range(plane.rows * row // rows, max(plane.rows * (row + 1) // rows, plane.rows * row // rows + 1))
        for along in range(
            plane.columns * column // columns, max(plane.columns * (column + 1) // columns, plane.columns * column // columns + 1)
        )
    ]
    return math.nan if any(map(math.isnan, cells)) else max(cells)


def _colour(value: float, top: float, low: Color, high: Color) -> Color:
    """What is not a number is as bad as can be."""
    if not math.isfinite(value):
        return high
    if value <= 0.0 or top <= 0.0:
        return low
    return low.blend(high, min(1.0, max(0.0, 1.0 + math.log10(value / top) / DECADES)))
