"""A run's events into a session, and out of it again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from aligndbg import errors
from aligndbg.core.findings import Finding
from aligndbg.core.verdict import LayerResult
from aligndbg.errors import AligndbgError, ChildDied, EnvironmentFault, UsageError
from aligndbg.store import entries
from aligndbg.store.layout import REPORT
from aligndbg.store.session import Session, open_session
from aligndbg.store.snapshot import Failure
from aligndbg.store.writer import SessionWriter
from aligndbg.weights.plan import WeightPlan
from aligndbg.workflows import evaluate_model
from aligndbg.workflows.evaluate_model import EvalReport
from aligndbg.workflows.events import (
    EvalEnded,
    Event,
    FindingMade,
    LayerDiffed,
    LayersPaired,
    Notice,
    RunEnded,
    RunFailed,
    RunStarted,
    SideReady,
    WeightsPlanned,
    WeightsReady,
)
from aligndbg.workflows.report_model import Report, from_json, to_json


def record(events: Iterable[Event], writer: SessionWriter) -> Iterator[Event]:
    """Pass the events on, each one stored before anyone sees it.

    Progress is not stored. However the stream ends, the session is closed; without a `RunEnded` or `RunFailed` it is partial.
    """
    try:
        for event in events:
            _store(event, writer)
            yield event
    finally:
        writer.close()


def replay(session: Session) -> Iterator[Event]:
    """The events of a stored run without its progress. A run that never ended ends in a notice that says so."""
    snapshot = session.snapshot
    yield RunStarted(snapshot.pair.name, snapshot.pair.description, str(session.path))
    layers = 0
    compared: set[int] = set()
    for entry in session.stream():
        if isinstance(entry, entries.PairedLayers):
            layers = len(entry.layers)
        elif isinstance(entry, LayerResult):
            compared.add(entry.index)
        yield _event(entry)
    failure = snapshot.outcome.failure if snapshot.outcome else None
    match session.status:
        case "finished" if snapshot.kind == "eval":
            yield EvalEnded(load_evaluation(session))
        case "finished":
            yield RunEnded(load_report(session))
        case "failed" if failure is not None:
            yield RunFailed(_error(failure))
        case "running":
            yield Notice("info", f"this run still goes on in process {snapshot.writer.pid}; what it has shown so far is here")
        case _ if snapshot.kind == "eval":
            judged = len(session.images())
            hint = f"`aligndbg eval {snapshot.pair.name} --resume {session.path.name}` goes on with it"
            yield Notice("warning", f"this evaluation is partial: it stopped with {judged} pictures judged", hint)
        case _:
            yield Notice("warning", f"this session is partial: its run stopped with {len(compared)} of {layers} layers compared")


class Replay:
    """A stored run as a source of events."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def events(self) -> Iterator[Event]:
        with open_session(self._path) as session:
            yield from replay(session)

    def cancel(self) -> None:
        """Nothing runs that could be stopped."""


def load_report(session: Session) -> Report:
    """Raises EnvironmentFault where the session has no report or a damaged one, UsageError where it is an evaluation."""
    if session.snapshot.kind == "eval":
        raise UsageError(f"{session.path.name} is an evaluation, not a comparison of layers")
    content = _content(session)
    with _reading(session):
        return from_json(content)


def load_evaluation(session: Session) -> EvalReport:
    """Raises EnvironmentFault where the session has no report or a damaged one, UsageError where it is no evaluation."""
    if session.snapshot.kind != "eval":
        raise UsageError(f"{session.path.name} is a comparison of layers, not an evaluation")
    content = _content(session)
    with _reading(session):
        return evaluate_model.from_json(content)


def _content(session: Session) -> bytes:
    content = session.report_json()
    if content is None:
        raise EnvironmentFault(f"{session.path.name} has no report: its run is {session.status}")
    return content


@contextmanager
def _reading(session: Session) -> Iterator[None]:
    try:
        yield
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EnvironmentFault(f"{session.path / REPORT} is damaged: {error}") from None


def _store(event: Event, writer: SessionWriter) -> None:
    match event:
        case SideReady(side, environment):
            writer.write_environment(side, environment)
        case Notice(level, message, hint):
            writer.write_notice(level, message, hint)
        case WeightsReady(source, sha256):
            writer.write_weights(source, sha256)
        case WeightsPlanned(plan):
            writer.write_plan(plan)
        case LayersPaired(layers):
            writer.write_layers(layers)
        case LayerDiffed(result):
            writer.write_result(result)
        case FindingMade(finding):
            writer.write_finding(finding)
        case RunEnded(report):
            writer.finish(to_json(report))
        case EvalEnded(result):
            writer.finish(evaluate_model.to_json(result))
        case RunFailed(error):
            writer.fail(error)


def _event(entry: entries.Entry) -> Event:
    match entry:
        case entries.SideEnvironment(side, values):
            return SideReady(side, values)
        case entries.StoredNotice(level, message, hint):
            return Notice(level, message, hint)
        case entries.WeightsSource(source, sha256):
            return WeightsReady(source, sha256)
        case WeightPlan():
            return WeightsPlanned(entry)
        case entries.PairedLayers(layers):
            return LayersPaired(layers)
        case LayerResult():
            return LayerDiffed(entry)
        case Finding():
            return FindingMade(entry)


def _error(failure: Failure) -> AligndbgError:
    kind = getattr(errors, failure.kind, None)
    if kind is ChildDied:
        return ChildDied(failure.message, failure.hint, failure.last_words)
    known = isinstance(kind, type) and issubclass(kind, AligndbgError)
    return kind(failure.message, failure.hint) if known and kind is not None else AligndbgError(failure.message, failure.hint)
