"""`aligndbg sessions`: stored runs."""

from __future__ import annotations

import sys
from argparse import Namespace

from aligndbg.commands.options import check_targets, put, settings_of
from aligndbg.errors import UsageError
from aligndbg.report.document import BLANK, line
from aligndbg.report.evaluation import evaluation_document, evaluation_markdown
from aligndbg.report.listings import session_document, sessions_document, to_json
from aligndbg.report.markdown import markdown
from aligndbg.report.terminal import write
from aligndbg.report.text import report_document
from aligndbg.store.listing import list_sessions, remove, resolve_session
from aligndbg.store.session import Session, open_session
from aligndbg.workflows import evaluate_model, report_model
from aligndbg.workflows.record import load_evaluation, load_report


def list_all(options: Namespace) -> int:
    root = settings_of(options).sessions
    found = list_sessions(root)
    if options.json:
        put("-", lambda: to_json(found))
    else:
        write(sessions_document(found, root), sys.stdout)
    return 0


def show(options: Namespace) -> int:
    settings = settings_of(options)
    path = resolve_session(settings.sessions, options.session)
    with open_session(path) as session:
        if options.text or not (sys.stdin.isatty() and sys.stdout.isatty()):
            _print(session)
            return 0
        kind = session.snapshot.kind
    from aligndbg.commands import app

    return app.open_evaluation(path, settings) if kind == "eval" else app.open_session(path, settings)


def export(options: Namespace) -> int:
    if not (options.json or options.md):
        raise UsageError("nothing to export to", "--json FILE or --md FILE; - is standard output")
    check_targets(json=options.json, md=options.md)
    with open_session(resolve_session(settings_of(options).sessions, options.session)) as session:
        as_json, as_markdown = _exports(session)
    if options.json:
        put(options.json, lambda: as_json)
    if options.md:
        put(options.md, lambda: as_markdown.encode())
    return 0


def _exports(session: Session) -> tuple[bytes, str]:
    if session.snapshot.kind == "eval":
        evaluation = load_evaluation(session)
        return evaluate_model.to_json(evaluation) + b"\n", evaluation_markdown(evaluation)
    report = load_report(session)
    return report_model.to_json(report) + b"\n", markdown([report])


def remove_all(options: Namespace) -> int:
    root = settings_of(options).sessions
    for path in {resolve_session(root, name): None for name in options.names}:
        remove(path)
        write((line(f"removed {path.name}"),), sys.stdout)
    return 0


def _print(session: Session) -> None:
    write(session_document(session), sys.stdout)
    if session.status == "finished":
        evaluated = session.snapshot.kind == "eval"
        document = evaluation_document(load_evaluation(session)) if evaluated else report_document(load_report(session))
        write((BLANK, *document), sys.stdout)
