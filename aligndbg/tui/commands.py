"""What the palette finds beside the actions: every layer of the run, by name."""

from __future__ import annotations

from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from aligndbg.tui.cells import clean
from aligndbg.tui.screens.compare import CompareScreen
from aligndbg.tui.widgets.layer_table import LayerTable

MOST = 30
"""Layers offered for one search: the palette shows fewer."""


class LayerCommands(Provider):
    async def search(self, query: str) -> Hits:
        screen = self.screen
        if not isinstance(screen, CompareScreen):
            return
        matcher = self.matcher(query)
        outline = screen.query_one(LayerTable).outline
        found = 0
        for position, layer in enumerate(outline.layers):
            path = clean(layer.path)
            score = matcher.match(path)
            if score > 0 and found < MOST:
                found += 1
                yield Hit(score, matcher.highlight(path), partial(screen.go_to_layer, position), help="go to this layer")

    async def discover(self) -> Hits:
        return
        yield DiscoveryHit("", lambda: None)
