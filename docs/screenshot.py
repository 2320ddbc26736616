"""Draw docs/screenshot.svg: the app on the broken pair, as it stands when the run has ended. Needs both frameworks."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from aligndbg.pairs.discovery import find_pair
from aligndbg.settings import load_settings
from aligndbg.tui.apps import InspectApp
from aligndbg.tui.screens.compare import CompareScreen
from aligndbg.workflows.inspect import Inspection

TARGET = Path(__file__).with_name("screenshot.svg")
SIZE = 144, 38
CELL = 12.2
"""Width of a cell in the picture: what Rich reckons for 20 pixels of Fira Code."""


async def draw(folder: Path) -> str:
    pair = replace(find_pair("broken/squeezenet1_0"), description="a port with three mistakes in it")
    pair = replace(pair, weights=replace(pair.weights, source="kaiming"))
    settings = replace(load_settings(), sessions=folder)
    app = InspectApp(pair.name, lambda: Inspection(pair, settings, {}))
    async with app.run_test(size=SIZE) as pilot:
        screen = app.screen
        while not (isinstance(screen, CompareScreen) and screen.state.phase != "running"):
            await asyncio.sleep(0.1)
            screen = app.screen
        await pilot.pause()
        return app.export_screenshot(title="aligndbg broken/squeezenet1_0")


def _without_leading_spaces(svg: str) -> str:
    """Some readers trim them, and with them the alignment: the text begins further right instead."""

    def moved(found: re.Match[str]) -> str:
        head, x, middle, length, tail, spaces = found.groups()
        count = len(spaces) // len("&#160;")
        return f"{head}{float(x) + CELL * count:.1f}{middle}{float(length) - CELL * count:.1f}{tail}"

    return re.sub(r'(<text [^>]*?x=")([\d.]+)("[^>]*?textLength=")([\d.]+)("[^>]*>)((?:&#160;)+)', moved, svg)


def main() -> int:
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    with tempfile.TemporaryDirectory() as folder:
        svg = asyncio.run(draw(Path(folder)))
    # The reader's own monospaced font: nothing is fetched to show a picture.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code", "monospace")
    TARGET.write_text(_without_leading_spaces(svg))
    return 0


if __name__ == "__main__":
    sys.exit(main())
