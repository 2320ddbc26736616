"""The row of a run's metrics, one of which is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from aligndbg.tui.cells import clean, fit
from aligndbg.tui.theme import MUTED

WIDEST = 24
"""Cells of a metric's name."""
CHOSEN = "bold $text-accent on $accent 20%"


class MetricRow(Widget):
    """The chosen metric stands in brackets. Where they do not all fit, those around it are shown; a click chooses one."""

    ALLOW_SELECT = False

    DEFAULT_CSS = "MetricRow { height: 1; }"

    @dataclass
    class Chosen(Message):
        """A metric was clicked."""

        metric: str

    def __init__(self) -> None:
        super().__init__()
        self._metrics: tuple[str, ...] = ()
        self._chosen = 0

    def show(self, metrics: Sequence[str], chosen: str) -> None:
        index = metrics.index(chosen) if chosen in metrics else 0
        if (tuple(metrics), index) != (self._metrics, self._chosen):
            self._metrics, self._chosen = tuple(metrics), index
            self.refresh()

    def render(self) -> RenderResult:
        return Content.assemble(*((text, style) for text, style, _ in self._pieces()))

    def on_click(self, event: events.Click) -> None:
        left, at = 0, event.get_content_offset_capture(self).x
        for text, _, index in self._pieces():
            if left <= at < left + cell_len(text) and index is not None:
                self.post_message(self.Chosen(self._metrics[index]))
                return
            left += cell_len(text)

    def _pieces(self) -> list[tuple[str, str, int | None]]:
        """(text, style, the metric's index) from left to right."""
        names = [clean(name) for name in self._metrics]
        names = [name if cell_len(name) <= WIDEST else fit(name, WIDEST) for name in names]
        first, end = self._window([cell_len(name) + 2 for name in names])
        pieces: list[tuple[str, str, int | None]] = [("‹", MUTED, first - 1)] if first else []
        for index in range(first, end):
            name, chosen = names[index], index == self._chosen
            pieces.append((f"[{name}]", CHOSEN, index) if chosen else (f" {name} ", "$foreground", index))
        return [*pieces, ("›", MUTED, end)] if end < len(names) else pieces

    def _window(self, cells: Sequence[int]) -> tuple[int, int]:
        """As many metrics around the chosen one as fit between two arrows."""
        width = self.content_size.width
        if sum(cells) <= width or not cells:
            return 0, len(cells)
        first, end, used = self._chosen, self._chosen + 1, cells[self._chosen] + 2
        while True:
            if end < len(cells) and used + cells[end] <= width:
                used += cells[end]
                end += 1
            elif first and used + cells[first - 1] <= width:
                first -= 1
                used += cells[first]
            else:
                return first, end
