"""`aligndbg triage`: an evaluation's pictures, the ones to look at first in front."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from aligndbg.commands.options import STDOUT, check_targets, put, settings_of
from aligndbg.core.image_query import parse_image_query
from aligndbg.core.images import ranked
from aligndbg.errors import UsageError
from aligndbg.report.contact_sheet import contact_sheet
from aligndbg.report.document import Span, line
from aligndbg.report.terminal import write
from aligndbg.report.triage import list_file, triage_csv, triage_document, triage_json
from aligndbg.workflows.triage import Triage, find_evaluation, open_triage

MOST_ROWS = 20
"""Of the table on a terminal."""


def triage(options: Namespace) -> int:
    """Without an option for results, on a terminal: the app."""
    settings = settings_of(options)
    files = {name: getattr(options, name) for name in ("html", "csv", "list", "json")}
    check_targets(**files)
    if options.top is not None and options.top < 1:
        raise UsageError(f"--top: expected 1 or more, found {options.top}")
    data = Path(options.data).expanduser().absolute() if options.data else None
    if data is not None and not data.is_dir():
        raise UsageError(f"--data: {options.data} is not a folder")
    session = find_evaluation(settings.sessions, options.session)
    # Also for the app: what is wrong with the session or the query is told where it was typed.
    found = open_triage(session, data)
    keep = parse_image_query(options.filter or "", found.class_names)
    wordy = options.top is not None or any(files.values())
    if not wordy and sys.stdin.isatty() and sys.stdout.isatty():
        from aligndbg.commands.triage_app import open_triage_app

        query = options.filter or ""
        return open_triage_app(session, settings, data=data, order=options.by, query=query, graphics=options.images)
    places: list[int] = ranked(found.images, options.by, None if keep is None else keep(found.images)).tolist()
    if STDOUT not in files.values():
        write(triage_document(found, places, options.by, options.top or MOST_ROWS), sys.stdout)
    _put(found, places[: options.top], options)
    return 0


def _put(found: Triage, places: list[int], options: Namespace) -> None:
    if options.html:
        put(options.html, lambda: contact_sheet(found, places, options.by))
    if options.csv:
        put(options.csv, lambda: triage_csv(found, places))
    if options.json:
        put(options.json, lambda: triage_json(found, places, options.by))
    if options.list:
        content, left_out = list_file(found, places)
        put(options.list, lambda: content)
        if left_out:
            write((line(Span("left out: ", "warn"), f"{left_out} whose names have a line break"),), sys.stderr)
