"""What `y` and `Y` copy of a run."""

from __future__ import annotations

from typing import Any

from textual.screen import Screen

from aligndbg.tui.cells import clean
from aligndbg.tui.clipboard import copy
from aligndbg.tui.run_state import RunState
from aligndbg.tui.widgets.layer_detail import LayerDetail
from aligndbg.tui.widgets.layer_lines import line_text
from aligndbg.tui.widgets.layer_table import LayerTable


def copy_layer(screen: Screen[Any], table: LayerTable, detail: LayerDetail, state: RunState) -> None:
    """The details where they are focused, else the line; the headline while there are no layers."""
    if table.row is None:
        copy(screen, state.headline()[0], "the headline")
    elif detail.has_focus_within:
        copy(screen, detail.plain, f"the details of {clean(table.path)}")
    else:
        copy(screen, line_text(table.outline, table.row), f"the line of {clean(table.path)}")


def copy_report(screen: Screen[Any], state: RunState) -> None:
    """As Markdown; the headline while there is no report."""
    if state.report is None:
        copy(screen, state.headline()[0], "the headline; there is no report yet")
        return
    from aligndbg.report.markdown import markdown

    copy(screen, markdown([state.report]), "the report as Markdown")
