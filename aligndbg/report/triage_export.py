"""A selection of an evaluation's pictures in a file, whose ending says as what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aligndbg.core.images import Order
from aligndbg.errors import EnvironmentFault, UsageError, named
from aligndbg.report.contact_sheet import MOST, contact_sheet
from aligndbg.report.triage import list_file, triage_csv, triage_json
from aligndbg.workflows.triage import Triage
from aligndbg.workflows.wording import counted

ENDINGS = (".txt", ".csv", ".html", ".json")


def check_export(path: Path) -> None:
    """Refuse, before any work is done, a file that cannot be written, or that is there already: it may be the list that the
    pictures came from. UsageError says which."""
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"{named(path)}: expected a name that ends in {', '.join(ENDINGS)}", ".txt is a list file")
    if path.exists():
        raise UsageError(f"{named(path)} is there already", "give another name")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {named(path.parent)}", "make it first")


def export(triage: Triage, places: Sequence[int], order: Order, path: Path) -> str:
    """Write the pictures; what was written, in words."""
    note = ""
    match path.suffix.lower():
        case ".csv":
            content = triage_csv(triage, places)
        case ".json":
            content = triage_json(triage, places, order)
        case ".html":
            content = contact_sheet(triage, places, order)
            note = f", the first {MOST} of {len(places)}" if len(places) > MOST else ""
        case _:
            content, left_out = list_file(triage, places)
            note = f", {left_out} left out: a list file has no place for a name with a line break" if left_out else ""
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise EnvironmentFault(f"{named(path)} cannot be written: {error.strerror}") from None
    return f"{counted(len(places), 'picture')} to {named(path)}{note}"
