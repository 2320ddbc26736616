"""An evaluation's pictures into a file, while the screen goes on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textual import events
from textual.screen import Screen

from aligndbg.core.images import Order
from aligndbg.errors import AligndbgError
from aligndbg.report.triage_export import check_export, export
from aligndbg.tui.feed import tell
from aligndbg.workflows.triage import Triage

LOG = logging.getLogger(__name__)


def export_pictures(screen: Screen[Any], triage: Triage, places: Sequence[int], order: Order, path: Path) -> None:
    """Write in a thread, and say what came of it."""
    try:
        check_export(path)
    except AligndbgError as error:
        screen.notify(f"{error.message}: {error.hint}", severity="warning")
        return

    def say(words: str, wrong: bool = False) -> None:
        notify = screen.notify
        tell(screen, events.Callback(callback=lambda: notify(words, severity="warning" if wrong else "information")))

    def work() -> None:
        try:
            say(f"exported {export(triage, places, order, path)}")
        except AligndbgError as error:
            say(error.message, wrong=True)
        except Exception as error:
            LOG.exception("the export failed")
            say(f"the export failed: {type(error).__name__}: {error}", wrong=True)

    threading.Thread(target=work, name="export", daemon=True).start()
