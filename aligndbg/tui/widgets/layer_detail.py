"""The right pane: everything known of the selected row."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.color import Color
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from aligndbg.core.findings import Finding
from aligndbg.core.rows import Outline
from aligndbg.core.stats import DiffDetail
from aligndbg.core.verdict import LayerResult
from aligndbg.tui.actions import bindings
from aligndbg.tui.cells import clean
from aligndbg.tui.theme import MUTED
from aligndbg.tui.widgets import detail_text as text
from aligndbg.tui.widgets.finding_text import layer_findings
from aligndbg.tui.widgets.heatmap import heatmap, legend
from aligndbg.tui.widgets.histogram import exponent_histogram, sparkline
from aligndbg.workflows.wording import figure, shape_text

WIDEST = 92
"""Cells: on a wide terminal the two sides stay near each other."""

DOUBLE = 110
"""Cells of a pane that has the pictures beside the figures."""


class LayerDetail(VerticalScroll, can_focus=True):
    """Made anew for each row, and at each width: figures first, pictures after, so that a short pane shows what counts."""

    BINDINGS = bindings("detail")

    DEFAULT_CSS = """
    LayerDetail {
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        scrollbar-size-horizontal: 0;
        & > #halves { width: 1fr; height: auto; layout: vertical; }
        & > #halves.-double { layout: horizontal; }
        & Static { width: 1fr; height: auto; padding: 0 1; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.border_title = "Detail"
        self._tolerance: float | None = None
        self._findings: tuple[Finding, ...] = ()
        self._outline = Outline()
        self._row: int | None = None
        self._path = ""
        self._result: LayerResult | None = None
        self._room = 0
        self._width = 0

    def compose(self) -> ComposeResult:
        with Container(id="halves"):
            yield Static(id="figures", markup=False)
            yield Static(id="pictures", markup=False)

    def show(self, outline: Outline, row: int | None) -> None:
        """A row of this outline. What an earlier run showed of it stays, scrolled to where it was, until there is something new."""
        result = None if row is None or outline.is_group(row) else outline.results[outline.rows[row].layer]
        path = "" if row is None else outline.rows[row].path
        if result is not None and (outline, row) == (self._outline, self._row) and result is self._result:
            return
        moved = path != self._path
        last = not moved and result is None and self._result is not None
        self.border_title = "Detail of the last run" if last else "Detail"
        if last:
            return
        self._outline, self._row, self._path, self._result = outline, row, path, result
        self._draw()
        if moved:
            self.scroll_home(animate=False)

    @property
    def tolerance(self) -> float | None:
        return self._tolerance

    @tolerance.setter
    def tolerance(self, tolerance: float | None) -> None:
        if tolerance != self._tolerance:
            self._tolerance = tolerance
            self._draw()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Of the whole run; the layer's own are shown."""
        return self._findings

    @findings.setter
    def findings(self, findings: tuple[Finding, ...]) -> None:
        if findings != self._findings:
            self._findings = findings
            self._draw()

    def on_resize(self) -> None:
        if self._room != self.scrollable_content_region.width:
            self._draw()

    @property
    def plain(self) -> str:
        """The pane's text without its styles."""
        halves = [half.plain for half in self._halves(max(60, self._width)) if half.plain]
        return "\n".join(line.rstrip() for half in halves for line in half.split("\n"))

    def _draw(self) -> None:
        self._room = self.scrollable_content_region.width
        double = self._room >= DOUBLE
        self._width = max(20, min(WIDEST, self._room // (1 + double) - 2))
        self.query_one("#halves").set_class(double, "-double")
        for name, half in zip(("#figures", "#pictures"), self._halves(self._width), strict=True):
            static = self.query_one(name, Static)
            static.display = bool(half.plain)
            static.update(half)

    def _halves(self, width: int) -> tuple[Content, Content]:
        if self._row is None:
            return Content.styled("no layer is selected", MUTED), Content("")
        if self._outline.is_group(self._row):
            return text.group_text(self._outline, self._row, width), Content("")
        diff = self._result.propagated if self._result else None
        pictures = self._pictures(diff.detail, width) if diff is not None and diff.stats.max_abs > 0.0 else ()
        return Content("\n").join(list(self._figures(width))), Content("\n").join(list(pictures))

    def _figures(self, width: int) -> Iterator[Content]:
        assert self._row is not None
        layer, result = self._outline.layers[self._outline.rows[self._row].layer], self._result
        yield text.title(layer, result, width)
        yield from map(_block, layer_findings(self._findings, layer, width))
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
            count_text = f"{diff.torch.count:,} elements"
            yield _block(text.heading("Outputs", count_text, width), text.statistics(diff.torch, diff.paddle))
        yield _block(text.heading("Pairing", clean(layer.match), width), Content(clean(layer.reason)))

    def _pictures(self, detail: DiffDetail, width: int) -> Iterator[Content]:
        if detail.worst:
            yield _block(text.heading("Worst elements", "", width), text.worst_elements(detail.worst))
        note = f"{detail.exact:,} exact"
        if any(detail.exponents):
            yield _block(text.heading("Histogram of |d|", note, width), exponent_histogram(detail, width, self._tolerance))
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
