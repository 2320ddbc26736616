"""Going to the mismatching layers of a table."""

from __future__ import annotations

from aligndbg.tui.widgets.layer_table import LayerTable


def to_mismatch(table: LayerTable, step: int, running: bool) -> None:
    """To the next one, or, where `step` is -1, to the one before; from the end, to the beginning again."""
    found, round_the_end = table.next_mismatch(step)
    if found is None:
        _say_none(table, running)
        return
    if round_the_end:
        table.notify("from the beginning again" if step > 0 else "from the end again", timeout=2)
    table.touched = True
    table.go_to(found)


def to_first(table: LayerTable, running: bool) -> None:
    """To the first born layer, or the first mismatch."""
    first = table.outline.first()
    if first is None:
        _say_none(table, running)
    elif table.outline.takes(first):
        table.touched = True
        table.go_to(first)
    else:
        table.notify("the filter hides it: \\ shows all again")


def _say_none(table: LayerTable, running: bool) -> None:
    among = " among the rows shown" if table.outline.filtered else ""
    table.notify(f"no mismatch{among}{' so far' if running else ''}")
