"""`aligndbg pairs`: what there is to compare."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from aligndbg.commands.options import on_this_machine, put, settings_of
from aligndbg.errors import AligndbgError
from aligndbg.pairs.discovery import PairEntry, find_pair, list_pairs, model_folders
from aligndbg.pairs.load import load_pair
from aligndbg.pairs.template import new_pair
from aligndbg.report.display import open_display
from aligndbg.report.document import Span, field, line
from aligndbg.report.listings import PairSummary, pairs_document, to_json
from aligndbg.report.terminal import write
from aligndbg.workflows.check_pair import check_pair
from aligndbg.workflows.events import RunFailed


def list_all(options: Namespace) -> int:
    found = [_summary(entry) for entry in list_pairs()]
    if options.json:
        put("-", lambda: to_json(found))
    else:
        write(pairs_document(found, next(iter(model_folders()), Path("models"))), sys.stdout)
    return 0


def check(options: Namespace) -> int:
    """The worst exit code of the pairs named; of all, where none is."""
    settings = settings_of(options)
    code = 0
    for name in options.names or [entry.name for entry in list_pairs()]:
        display = open_display("auto")
        error: AligndbgError | None = None
        try:
            for event in check_pair(on_this_machine(find_pair(name), settings), settings):
                display.show(event)
                error = event.error if isinstance(event, RunFailed) else None
        except AligndbgError as fault:
            error = fault
        finally:
            display.close()
        if error is None:
            write((line(Span("✓ ", "good"), f"{name}: both models can be built"),), sys.stdout)
            continue
        code = max(code, error.exit_code)
        write((line(Span("✗ ", "bad"), f"{name}: {error.message}"),), sys.stdout)
        if error.hint:
            write((field("", "try: ", error.hint),), sys.stdout)
    return code


def new(options: Namespace) -> int:
    for path in new_pair(options.name, Path("models")):
        write((line(f"wrote {path}"),), sys.stdout)
    write((line(f"`aligndbg {options.name}` opens it: replace both models by yours"),), sys.stdout)
    return 0


def _summary(entry: PairEntry) -> PairSummary:
    if entry.error:
        return PairSummary(entry.name, entry.description, path=entry.path, problem=entry.error)
    pair = load_pair(entry.path)
    return PairSummary(entry.name, entry.description, pair.torch.model, pair.paddle.model, entry.path)
