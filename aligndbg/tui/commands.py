"""What the palette finds beside the actions: every layer of the run, by name."""

from __future__ import annotations

from functools import partial
from heapq import nlargest

from textual.command import Hit, Hits, Provider
from textual.content import Content
from textual.fuzzy import Matcher

from aligndbg.tui.cells import clean
from aligndbg.tui.screens.compare import CompareScreen
from aligndbg.tui.widgets.layer_table import LayerTable
from aligndbg.workflows.wording import figure, verdict_text

MOST = 30
"""Layers offered for one search: the palette shows fewer."""


class LayerCommands(Provider):
    async def search(self, query: str) -> Hits:
        screen = self.screen
        if not isinstance(screen, CompareScreen):
            return
        matcher = self.matcher(query)
        outline = screen.query_one(LayerTable).outline
        paths = [clean(layer.path) for layer in outline.layers]
        scores = [matcher.match(path) for path in paths]
        for position in nlargest(MOST, range(len(paths)), key=scores.__getitem__):
            if scores[position] <= 0:
                return
            summary = outline.summaries[outline.row_of(position)]
            known = f" · {verdict_text(summary.verdict)} {figure(summary.max_abs)}" if summary.verdict else ""
            display = highlighted(matcher, paths[position])
            command = partial(screen.go_to_layer, position)
            yield Hit(scores[position], display, command, text=paths[position], help=f"go to this layer{known}")


def highlighted(matcher: Matcher, text: str) -> Content:
    """Not Textual's own, which takes the text for markup."""
    content = Content(text)
    for offset in matcher.fuzzy_search.match(matcher.query, text)[1]:
        content = content.stylize(matcher.match_style, offset, offset + 1)
    return content
