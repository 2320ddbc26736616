"""The right pane: everything known of the selected row."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.color import Color
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from aligndbg.core.rows import Outline
from aligndbg.core.stats import Diff
from aligndbg.tui.actions import bindings
from aligndbg.tui.cells import clean
from aligndbg.tui.widgets import detail_text as text
from aligndbg.tui.widgets.heatmap import heatmap, legend
from aligndbg.tui.widgets.histogram import exponent_histogram, sparkline
from aligndbg.workflows.wording import figure, shape_text

WIDEST = 92
"""Cells: on a wide terminal the two sides stay near each other."""


class LayerDetail(VerticalScroll, can_focus=True):
    """Made anew for each row, and at each width: statistics first, pictures after, so that a short pane shows what counts."""

    BINDINGS = bindings("detail")

    DEFAULT_CSS = """
    LayerDetail {
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        scrollbar-size-horizontal: 0;
        & > Static { width: 1fr; height: auto; padding: 0 1; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.tolerance: float | None = None
        self._outline = Outline()
        self._row: int | None = None
        self._width = 0

    def compose(self) -> ComposeResult:
        yield Static(markup=False)

    def show(self, outline: Outline, row: int | None) -> None:
        moved = (outline, row) != (self._outline, self._row)
        self._outline, self._row = outline, row
        self._draw()
        if moved:
            self.scroll_home(animate=False)

    def on_resize(self) -> None:
        if self._width != self._inner:
            self._draw()

    @property
    def plain(self) -> str:
        """The pane's text without its styles."""
        return self._content(max(60, self._inner)).plain if self._row is not None else ""

    @property
    def _inner(self) -> int:
        return max(20, min(WIDEST, self.scrollable_content_region.width - 2))

    def _draw(self) -> None:
        self._width = self._inner
        content = self._content(self._width) if self._row is not None else Content("")
        self.query_one(Static).update(content)

    def _content(self, width: int) -> Content:
        assert self._row is not None
        if self._outline.is_group(self._row):
            return text.group_text(self._outline, self._row, width)
        return Content("\n").join(self._blocks(width))

    def _blocks(self, width: int) -> Iterator[Content]:
        assert self._row is not None
        position = self._outline.rows[self._row].layer
        layer, result = self._outline.layers[position], self._outline.results[position]
        yield text.title(layer, result)
        diff = result.propagated if result else None
        if result is not None and diff is not None:
            yield _block(text.heading("Difference", "torch − paddle", width), text.difference(diff.stats, diff, width))
            if result.noise_floor is not None:
                yield text.field("noise", figure(result.noise_floor))
        if result is not None and result.local is not None:
            yield _block(text.heading("Local", "on torch's inputs", width), text.difference(result.local, None, width))
        if result is not None and result.onnx is not None:
            rows = [
                text.field("torch", figure(result.onnx.torch_max_abs)),
                text.field("paddle", figure(result.onnx.paddle_max_abs)),
            ]
            yield _block(text.heading("Against ONNX", "max|d|", width), *rows)
        count = text.differing_attributes(layer)
        yield _block(text.heading("Layer", "", width), text.sides(layer, width))
        note = f"≠ {count} differ{'s' if count == 1 else ''}" if count else ""
        yield _block(text.heading("Attributes", note, width), text.attributes(layer, width))
        if diff is not None:
            yield from self._pictures(diff, width)
        reason = clean(layer.reason)
        yield _block(text.heading("Pairing", clean(layer.match), width), Content(reason))

    def _pictures(self, diff: Diff, width: int) -> Iterator[Content]:
        detail = diff.detail
        yield _block(text.heading("Outputs", f"{diff.torch.count:,} elements", width), text.statistics(diff.torch, diff.paddle))
        if detail.worst and diff.stats.max_abs > 0.0:
            yield _block(text.heading("Worst elements", "", width), text.worst_elements(detail.worst))
        note = f"{detail.exact:,} exact"
        if any(detail.exponents):
            yield _block(text.heading("Histogram of |d|", note, width), exponent_histogram(detail, width, self.tolerance))
        if any(value > 0.0 for value in detail.channels):
            top = figure(max(detail.channels))
            yield _block(
                text.heading("Channels", f"0 … {top}", width), Content.styled(sparkline(detail.channels, width), "$text-primary")
            )
        if detail.heatmap is not None and any(detail.heatmap.values):
            low, high = self._colours()
            plane = detail.heatmap
            title = text.heading("Heatmap", f"{clean(plane.axes)} {shape_text(plane.shape)}", width)
            yield _block(title, heatmap(plane, width, low, high), legend(plane, low, high))

    def _colours(self) -> tuple[Color, Color]:
        variables = self.app.theme_variables
        return Color.parse(variables["panel"]), Color.parse(variables["error"])

    def action_line_down(self) -> None:
        self.scroll_relative(y=1, animate=False)

    def action_line_up(self) -> None:
        self.scroll_relative(y=-1, animate=False)

    def action_half_down(self) -> None:
        self.scroll_relative(y=self.size.height // 2, animate=False)

    def action_half_up(self) -> None:
        self.scroll_relative(y=-(self.size.height // 2), animate=False)

    def action_page_down(self) -> None:
        self.scroll_page_down(animate=False)

    def action_page_up(self) -> None:
        self.scroll_page_up(animate=False)

    def action_top(self) -> None:
        self.scroll_home(animate=False)

    def action_bottom(self) -> None:
        self.scroll_end(animate=False)


def _block(*parts: Content) -> Content:
    """With an empty line before it."""
    return Content("\n").join([Content(""), *parts])
