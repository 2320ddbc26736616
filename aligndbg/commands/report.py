"""`aligndbg report`: the comparison without the app, for terminals and CI."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aligndbg.commands.options import STDOUT, check_targets, device_of, inspection, pair_of, put, settings_of
from aligndbg.errors import AligndbgError, UsageError
from aligndbg.pairs.discovery import nearest_pairs
from aligndbg.report.display import Display, open_display
from aligndbg.report.document import BLANK, Span, line
from aligndbg.report.markdown import markdown
from aligndbg.report.table import pairs_document, worst_exit_code
from aligndbg.report.terminal import write
from aligndbg.report.text import error_document, report_document
from aligndbg.settings import Settings
from aligndbg.workflows.events import RunEnded, RunFailed, RunStarted, SideReady
from aligndbg.workflows.inspect import Inspection, shown_path
from aligndbg.workflows.report_model import Report, to_json
from aligndbg.workflows.reporting import failed_report


def report(options: Namespace) -> int:
    check_targets(json=options.json, md=options.md)
    settings = settings_of(options)
    device_of(options)
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
            reports.append(_run(name, options, settings, display))
            # A run that failed has no result: standard error has told why.
            if printed and reports[-1].verdict != "error":
                _print(reports[-1], several)
    finally:
        display.close()
    if several and printed:
        write((BLANK, *pairs_document(reports)), sys.stdout)
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


def _run(name: str | None, options: Namespace, settings: Settings, display: Display) -> Report:
    """One pair's report, be it of a pair that could not even be loaded."""
    try:
        pair = pair_of(name, options, settings)
        return follow(pair.name, inspection(pair, options, settings), display)
    except AligndbgError as error:
        return _failed(name or "", error)


def follow(name: str, run: Inspection, display: Display) -> Report:
    """Show the progress of a run, and say how it ended. Raises AligndbgError where no session can be written."""
    environment: dict[str, Any] = {}
    session = None
    for event in run.events():
        display.show(event)
        match event:
            case RunStarted(session=folder):
                session = shown_path(folder)
            case SideReady(side, values):
                environment[side] = values
            case RunEnded(found):
                return found
            case RunFailed(error):
                return _failed(name, error, environment, session)
    raise AssertionError("a run ends in RunEnded or RunFailed")


def _print(report: Report, several: bool) -> None:
    """Of several pairs, those that are aligned take one line each."""
    if several and report.verdict == "aligned":
        write((line(Span(report.headline, "good")),), sys.stdout)
        return
    write(report_document(report), sys.stdout)
    if several:
        sys.stdout.write("\n")


def _failed(
    pair: str, error: AligndbgError, environment: Mapping[str, Mapping[str, Any]] | None = None, session: str | None = None
) -> Report:
    report = failed_report(pair, error, environment, session)
    if report.verdict == "error":
        write(error_document(error), sys.stderr)
    return report
