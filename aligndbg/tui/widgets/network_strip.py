"""The whole network from input to output in one line: a cell a layer, or the worst of several."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from aligndbg.core.rows import NO_ROW, PENDING, Outline, Summary, worse
from aligndbg.core.verdict import Verdict
from aligndbg.tui.theme import MUTED, verdict_style

MARKS: dict[Verdict | None, str] = {
    None: "·",
    Verdict.OK: "▁",
    Verdict.NOISE: "▂",
    Verdict.INHERITED: "▄",
    Verdict.UNPAIRED: "▂",
    Verdict.SHAPE: "▇",
    Verdict.NAN: "▇",
    Verdict.BORN: "▇",
    Verdict.ERROR: "▇",
}
"""The worse, the taller: the strip says the same without colours. None is full, so that the cursor shows behind it."""

HERE = "$foreground 40%"


class NetworkStrip(Widget):
    """Layers stand in the order of execution. A click goes to the worst layer of its cell; the cursor's cell stands on a ground."""

    DEFAULT_CSS = """
    NetworkStrip { height: 1; padding: 0 1; display: none; }
    NetworkStrip.-some { display: block; }
    """

    @dataclass
    class Chosen(Message):
        """The layer at this position of the run was clicked."""

        position: int

    def __init__(self) -> None:
        super().__init__()
        self._outline = Outline()
        self._row: int | None = None
        self.tooltip = "the network from input to output; click to go there"

    def show(self, outline: Outline, row: int | None) -> None:
        self._outline, self._row = outline, row
        self.set_class(bool(outline.rows), "-some")
        self.refresh()

    def render(self) -> RenderResult:
        cells = self._cells()
        here = self._here(len(cells))
        pieces = []
        for place, summary in enumerate(cells):
            known = summary.verdict
            style = verdict_style(known, summary.mismatch) if known else MUTED
            pieces.append((MARKS[known], f"{style} on {HERE}" if place == here else style))
        return Content.assemble(*pieces)

    def on_click(self, event: events.Click) -> None:
        cells = self._cells()
        place = event.get_content_offset_capture(self).x
        if 0 <= place < len(cells) and cells[place].layer != NO_ROW:
            self.post_message(self.Chosen(cells[place].layer))

    def _cells(self) -> list[Summary]:
        """The worst summary of each cell's layers; a cell a layer where there is room."""
        count = len(self._outline.layers)
        width = max(1, self.content_size.width)
        cells = [PENDING] * min(count, width)
        for position in range(count):
            place = position * len(cells) // count
            summary = self._outline.summaries[self._outline.row_of(position)]
            cells[place] = worse(cells[place], summary) if cells[place].layer != NO_ROW else summary
        return cells

    def _here(self, cells: int) -> int | None:
        if self._row is None or not cells or self._row >= len(self._outline.rows):
            return None
        layers = self._outline.layers_below(self._row)
        return layers[0] * cells // len(self._outline.layers) if layers else None
