"""The app on an evaluation's pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from aligndbg.commands.app import around, run, watched
from aligndbg.core.images import Order
from aligndbg.settings import Settings
from aligndbg.tui.apps import TriageApp
from aligndbg.tui.run import Run, Target
from aligndbg.tui.widgets.picture import GRAPHICS, Graphics, graphics_of
from aligndbg.workflows.triage import Triage, image_inspection


def open_triage_app(
    session: Path, settings: Settings, *, data: Path | None, order: Order, query: str, graphics: Graphics | None
) -> int:
    """`graphics` is how to draw pictures at first, whatever the terminal says of itself."""
    compare = partial(image_target, settings=settings)
    ways = graphics_for(graphics)
    return run(TriageApp(session, compare, around(settings), data=data, order=order, query=query, graphics=ways), settings)


def image_target(triage: Triage, place: int, settings: Settings) -> Target:
    """The comparison of layers on one picture of an evaluation."""

    def start(fixes: Sequence[str] = ()) -> Run:
        return image_inspection(triage, place, settings, fixes)

    name = f"{triage.pair.name} on {Path(triage.images.names[place]).name}"
    return Target(name, start, "", lambda: watched(triage.pair), start, lambda: triage.pair)


def graphics_for(first: Graphics | None) -> tuple[Graphics, ...]:
    """The ways to draw a picture here, `first` in front, be it asked for against the terminal's own word."""
    known = {*graphics_of(os.environ), *([first] if first else [])}
    return tuple(sorted(known, key=lambda one: (one != first, GRAPHICS.index(one))))
