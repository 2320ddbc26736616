"""The plot of one metric, on textual-plot: lines, what is marked on them, and the cursor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from rich.cells import cell_len
from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual_hires_canvas import Canvas, HiResMode
from textual_plot import PlotWidget

from aligndbg.tui.cells import clean
from aligndbg.tui.widgets.curve_lines import Line, Mark, value_at
from aligndbg.tui.widgets.curve_looks import BELOW, BROKEN, COLOURS, OTHER_EVAL, RULE, TARGET, colour_of, is_second, sign_of
from aligndbg.tui.widgets.curve_ticks import Ticks

APART = 12
"""Cells from one sign on a line to the next."""
MARGIN = 8
"""Cells on the left for the ticks' labels."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn. `target` is a value, `cursor` an x and `heights` the values that `lines` have there; with `log` the values
    stand on a logarithmic scale."""

    lines: tuple[Line, ...] = ()
    reference: tuple[Line, ...] = ()
    marks: tuple[Mark, ...] = ()
    target: float | None = None
    log: bool = False
    whole_ticks: bool = False
    cursor: float | None = None
    heights: tuple[float | None, ...] = ()

    def spans(self) -> tuple[float, float]:
        """The first and the last x: the run's own, so that it fills the plot whatever its reference has; or the reference's."""
        xs = [x for line in self.lines or self.reference for x in (*line.xs, *line.broken, *(mark.x for mark in self.marks))]
        return min(xs, default=0.0), max(xs, default=1.0)


class CurvePlot(PlotWidget, can_focus=False, inherit_bindings=False):
    """Shows a `Picture`. It has no keys and no zoom of its own: a click or a drag says where it was."""

    BINDINGS: ClassVar[list[BindingType]] = []

    ALLOW_SELECT = False
    margin_top = reactive(0)
    margin_bottom = reactive(1)
    margin_left = reactive(MARGIN)

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"curve-plot--{name}" for name in COLOURS}

    DEFAULT_CSS = (
        """
    CurvePlot {
        width: 1fr;
        height: 1fr;
        & > .plot--axis { color: $foreground 25%; }
        & > .plot--tick { color: $text-muted; text-style: none; }
    """
        + "\n".join(f"        & > .curve-plot--{name} {{ color: {colour}; }}" for name, colour in COLOURS.items())
        + "\n    }\n"
    )

    @dataclass
    class Pointed(Message):
        """The mouse was pressed at this x."""

        x: float

    def __init__(self) -> None:
        super().__init__(allow_pan_and_zoom=False)
        self.picture = Picture()
        self._taken: set[tuple[int, int]] = set()

    @property
    def columns(self) -> int:
        """Cells between the axes; 0 while the plot has no size."""
        return max(0, self.size.width - MARGIN - 2)

    @property
    def rows(self) -> int:
        return max(0, self.size.height - 3)

    def show(self, picture: Picture) -> None:
        """Draw anew what has changed: a cursor that moves over the same lines costs little."""
        before, self.picture = self.picture, picture
        if replace(before, cursor=None, heights=()) != replace(picture, cursor=None, heights=()):
            self._redraw()
        elif before != picture:
            self._rerender()

    def notify_style_update(self) -> None:
        """The library's own keeps the styles of the theme before. Those of the new one are known once this has returned."""
        Widget.notify_style_update(self)
        if self.is_mounted:
            self.call_later(self._redraw)

    def on_resize(self) -> None:
        self._redraw()

    # -- lines --------------------------------------------------------------------------------------------------------

    def _redraw(self) -> None:
        """Give the library what it can draw; the rest is drawn over it."""
        picture = self.picture
        self.clear()
        left, right = picture.spans()
        # Half a cell on the right, or the last point would be hidden by the frame.
        room = (right - left or 1.0) / (2 * max(1, self.columns))
        left, right = (left, right + room) if right > left else (left - 0.5, right + 0.5)
        low, high = self._limits()
        self.set_xlimits(left, right)
        self.set_ylimits(low, high)
        self.set_x_formatter(Ticks(self.columns // 10, whole=picture.whole_ticks))
        self.set_y_formatter(Ticks(min(8, self.rows // 2), log=picture.log))
        for line in picture.reference:
            self._plot_dotted(line, left, right)
        if picture.target is not None and (height := self._height(picture.target)) is not None:
            xs = np.linspace(left, right, max(2, self.columns), endpoint=False)
            self.scatter(xs + room, np.full(len(xs), height), TARGET, self._style("target"))
        # Between its results an evaluation's line is made up: it hides nothing that was measured.
        for line in sorted(picture.lines, key=lambda line: line.phase == "train"):
            if not is_second(line, picture.lines):
                points = self._points(line)
                self.plot([x for x, _ in points], [y for _, y in points], self._style(colour_of(line)), HiResMode.BRAILLE)

    def _plot_dotted(self, line: Line, left: float, right: float) -> None:
        """The mean of each column, a dot for each: dots tell it from the run's own lines."""
        points = self._points(line)
        if not points:
            return
        xs, ys = np.array(points).T
        edges = np.linspace(left, right, self.columns + 1)
        places = np.searchsorted(edges, xs, "right") - 1
        counts = np.bincount(places.clip(0, self.columns), minlength=self.columns + 1)
        sums = np.bincount(places.clip(0, self.columns), ys, minlength=self.columns + 1)
        centres = (edges[:-1] + edges[1:]) / 2
        inside = (centres >= min(xs[0], right)) & (centres <= xs[-1])
        between = np.interp(centres, xs, ys)
        means = np.divide(sums[:-1], counts[:-1], out=between, where=counts[:-1] > 0)
        if not inside.any():
            inside, centres, means = np.array([True]), xs[:1], ys[:1]
        self.scatter(centres[inside], means[inside], "·", self._style("reference"), HiResMode.BRAILLE)

    def _points(self, line: Line) -> list[tuple[float, float]]:
        """(x, height) of those that have a place."""
        return [(x, height) for x, y in zip(line.xs, line.ys, strict=True) if (height := self._height(y)) is not None]

    def _height(self, value: float) -> float | None:
        """Where a value lies on the y axis; None where a logarithmic one has no place for it."""
        if not self.picture.log:
            return value
        return math.log10(value) if value > 0 else None

    def _limits(self) -> tuple[float, float]:
        """The lowest and highest y, with some room."""
        picture = self.picture
        left, right = picture.spans()
        values = [y for line in picture.lines for y in line.ys]
        values += [y for line in picture.reference for x, y in zip(line.xs, line.ys, strict=True) if left <= x <= right]
        values += [] if picture.target is None else [picture.target]
        heights = [height for value in values if (height := self._height(value)) is not None]
        low, high = min(heights, default=0.0), max(heights, default=1.0)
        room = max(0.05 * (high - low), 1e-6 * abs(high)) if high > low else 0.1 * abs(high) or 1.0
        return low - room, high + room

    def _style(self, name: str) -> str:
        return str(self.get_component_rich_style(f"curve-plot--{name}"))

    # -- what lies over the lines -------------------------------------------------------------------------------------

    def _render_plot(self) -> None:
        canvas = next(iter(self.query("#plot").results(Canvas)), None)
        if canvas is None or self.columns < 2 or self.rows < 1:
            return
        with canvas.batch_refresh():
            super()._render_plot()
            self._taken.clear()
            if (at := self.picture.cursor) is not None:
                column, _ = self._cell(at, 0.0)
                canvas.draw_line(column, 1, column, self.rows, "│", self._style("cursor"))
            self._draw_signs(canvas)
            self._draw_broken(canvas)
            self._draw_marks(canvas)
            if (target := self.picture.target) is not None and (height := self._height(target)) is not None:
                _, row = self._cell(0.0, height)
                self._label(canvas, 1, row, f"target {target:g}", self._style("target"))

    def _cell(self, x: float, height: float) -> tuple[int, int]:
        """The cell within the frame that is nearest to a point."""
        column, row = self.get_hires_pixel_from_coordinate(x, height)
        return min(max(1, math.floor(column)), self.columns), min(max(1, math.floor(row)), self.rows)

    def _draw_signs(self, canvas: Canvas) -> None:
        left, right = self.picture.spans()
        for line in self.picture.reference:
            shown = [(x, y) for x, y in zip(line.xs, line.ys, strict=True) if left <= x <= right]
            for column, row in self._point_cells(shown) if line.phase == "eval" else ():
                self._write(canvas, column, row, OTHER_EVAL, self._style("reference"))
        for turn, line in enumerate(self.picture.lines):
            sign, style = sign_of(line, self.picture.lines), self._style(colour_of(line))
            for column, row in self._sign_cells(line, turn) if sign else ():
                self._write(canvas, column, row, sign, f"{style} bold")
        at = self.picture.cursor
        for line, value in zip(self.picture.lines, self.picture.heights, strict=True) if at is not None else ():
            if at is not None and value is not None and (height := self._height(value)) is not None:
                sign = sign_of(line, self.picture.lines) or "●"
                self._write(canvas, *self._cell(at, height), sign, f"{self._style(colour_of(line))} bold")

    def _sign_cells(self, line: Line, turn: int) -> Iterator[tuple[int, int]]:
        """Ranks take turns along the axis, so that none hides another; results have their sign on every point that has room."""
        if line.rank is not None:
            for column in range(2 + turn * APART // len(self.picture.lines), self.columns, APART):
                x, _ = self.get_coordinate_from_pixel(column, 1)
                if (value := value_at(line, x)) is not None and (height := self._height(value)) is not None:
                    yield column, self._cell(x, height)[1]
            return
        yield from self._point_cells(list(zip(line.xs, line.ys, strict=True)))

    def _point_cells(self, points: Sequence[tuple[float, float]]) -> Iterator[tuple[int, int]]:
        """The cells of the points, those left out for which there is no room."""
        apart, free = 1 if len(points) * 3 <= self.columns else APART // 3, 0
        for x, y in points:
            if (height := self._height(y)) is not None and (cell := self._cell(x, height))[0] >= free:
                yield cell
                free = cell[0] + apart

    def _draw_broken(self, canvas: Canvas) -> None:
        """At the edges, where values would lie that no axis has a place for."""
        style = self._style("broken")
        for sign, row, told, xs in (
            (BROKEN, 1, "NaN or infinite", [x for line in self.picture.lines for x in line.broken]),
            (BELOW, self.rows, "0 or less", [x for line in self.picture.lines for x in self._below(line)]),
        ):
            columns = sorted({self._cell(x, 0.0)[0] for x in xs})
            for column in columns:
                self._write(canvas, column, row, sign, style)
            if columns:
                self._label(canvas, columns[0], row, told, style)

    def _below(self, line: Line) -> list[float]:
        return [x for x, y in zip(line.xs, line.ys, strict=True) if self._height(y) is None]

    def _draw_marks(self, canvas: Canvas) -> None:
        style, named = self._style("mark"), set()
        for mark in self.picture.marks:
            heights = [
                height
                for line in sorted(self.picture.lines, key=lambda line: (line.phase != mark.phase, line.rank != mark.rank))
                if (value := value_at(line, mark.x)) is not None and (height := self._height(value)) is not None
            ]
            column, row = self._cell(mark.x, heights[0]) if heights else (self._cell(mark.x, 0.0)[0], 1)
            self._write(canvas, column, row, RULE, f"{style} bold")
            if mark.rule not in named:
                self._label(canvas, column, row, mark.rule, style)
            named.add(mark.rule)

    def _label(self, canvas: Canvas, column: int, row: int, text: str, style: str) -> None:
        """Beside a mark, where it hides least; nowhere where there is no room."""
        text = f" {clean(text)} "
        places = [
            (self._hidden(canvas, x, y, len(text)) + abs(y - row), y, x)
            for y in range(max(1, row - 3), min(self.rows, row + 3) + 1)
            for x in (column + 1, column - len(text))
            if x >= 1 and x + len(text) <= self.columns + 1
        ]
        free = [place for place in places if not any((place[2] + at, place[1]) in self._taken for at in range(len(text)))]
        if free:
            _, y, x = min(free)
            self._taken.update((x + at, y) for at in range(len(text)))
            self._write(canvas, x, y, text, style)

    def _hidden(self, canvas: Canvas, x: int, y: int, cells: int) -> int:
        return sum(canvas.get_pixel(x + at, y)[0] != " " for at in range(cells))

    def _write(self, canvas: Canvas, x: int, y: int, text: str, style: str) -> None:
        """Within the frame, a character a cell. Unlike the canvas's own writing it obeys no markup."""
        for at, character in enumerate(text):
            if 1 <= x + at <= self.columns:
                canvas.set_pixel(x + at, y, character if cell_len(character) == 1 else "?", style)

    # -- the mouse ----------------------------------------------------------------------------------------------------

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._point(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if event.button == 1:
            self._point(event)

    def _point(self, event: events.MouseEvent) -> None:
        column = event.screen_x - self.region.x - MARGIN
        if event.button == 1 and 0 <= column <= self.columns + 1:
            self.post_message(self.Pointed(self.get_coordinate_from_pixel(column, 0)[0]))
