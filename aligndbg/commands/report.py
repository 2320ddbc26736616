"""`aligndbg report`: the comparison without the app, for terminals and CI."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import msgspec

from aligndbg.commands.options import STDOUT, check_targets, device_of, given, pair_of, put, settings_of
from aligndbg.errors import AligndbgError, UsageError
from aligndbg.pairs.discovery import nearest_pairs
from aligndbg.pairs.schema import PairSpec
from aligndbg.report.display import Display, open_display
from aligndbg.report.markdown import markdown
from aligndbg.report.table import pairs_document, worst_exit_code
from aligndbg.report.terminal import write
from aligndbg.report.text import report_document
from aligndbg.settings import Settings
from aligndbg.workflows.events import RunEnded, RunFailed, RunStarted, SideReady
from aligndbg.workflows.inspect import Inspection, shown_path
from aligndbg.workflows.report_model import Report, to_json
from aligndbg.workflows.reporting import failed_report


def report(options: Namespace) -> int:
    check_targets(json=options.json, md=options.md)
    settings, device = settings_of(options), device_of(options)
    names: list[str | None] = list(options.pairs)
    if not names:
        names = [None] if options.torch or options.paddle else list(nearest_pairs())
    if not names:
        raise UsageError("there is no pair to compare", "`aligndbg pairs new NAME` makes one")
    several = len(names) > 1
    printed = STDOUT not in (options.json, options.md)
    display = open_display(options.display)
    reports: list[Report] = []
    try:
        for name in names:
            reports.append(_run(name, options, settings, device, display, several))
            if printed:
                write(report_document(reports[-1]), sys.stdout)
                if several:
                    sys.stdout.write("\n")
    finally:
        display.close()
    if several and printed:
        write(pairs_document(reports), sys.stdout)
    if options.json:
        put(options.json, lambda: json_of(reports))
    if options.md:
        put(options.md, lambda: markdown(reports).encode())
    return worst_exit_code(reports)


def json_of(reports: Sequence[Report]) -> bytes:
    """One report as an object, several as a list of them."""
    if len(reports) == 1:
        return to_json(reports[0]) + b"\n"
    return msgspec.json.format(b"[" + b",".join(to_json(each) for each in reports) + b"]", indent=1) + b"\n"


def _run(name: str | None, options: Namespace, settings: Settings, device: str, display: Display, several: bool) -> Report:
    """One pair's report. Of several pairs, one that cannot be loaded is a row of the table; alone it is an error."""
    try:
        pair = pair_of(name, options, settings)
    except AligndbgError as error:
        if not several:
            raise
        return failed_report(name or "", error)
    return run_pair(pair, settings, given(options), device, display)


def run_pair(pair: PairSpec, settings: Settings, asked: dict[str, Any], device: str, display: Display) -> Report:
    """Compare, show the progress, and say how it ended."""
    environment: dict[str, Any] = {}
    session = None
    for event in Inspection(pair, settings, asked, device).events():
        display.show(event)
        match event:
            case RunStarted(session=folder):
                session = shown_path(folder)
            case SideReady(side, values):
                environment[side] = values
            case RunEnded(found):
                return found
            case RunFailed(error):
                return failed_report(pair.name, error, environment, session)
    raise AssertionError("a run ends in RunEnded or RunFailed")
