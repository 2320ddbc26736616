"""The lists of `sessions list`, `sessions show`, `pairs list` and `convert`, as documents and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from aligndbg.report.document import BLANK, Block, Column, Document, Row, Span, Table, field, line
from aligndbg.report.text import STYLES, environment_text, verdict_span
from aligndbg.store.entries import SideEnvironment, StoredNotice, WeightsSource
from aligndbg.store.listing import SessionSummary
from aligndbg.store.session import Session
from aligndbg.store.text import encode_with
from aligndbg.weights.plan import WeightPlan, WeightRule
from aligndbg.workflows.wording import figure


@dataclass(frozen=True, slots=True)
class PairSummary:
    """One line of the list of pairs; `problem` says why it cannot be loaded or run here."""

    name: str
    description: str
    torch: str = ""
    paddle: str = ""
    path: Path | None = None
    problem: str = ""


def to_json(value: Any) -> bytes:
    """Summaries, plans and the like as indented UTF-8 JSON."""
    return msgspec.json.format(encode_with(msgspec.json.Encoder(enc_hook=str).encode, value), indent=1) + b"\n"


def sessions_document(sessions: Sequence[SessionSummary], root: Path) -> Document:
    if not sessions:
        return (line(f"no session in {root}"),)
    columns = (
        Column("session", cut="start"),
        Column("pair", 2, cut="end"),
        Column("created", 3),
        Column("status"),
        Column("verdict", 1),
    )
    return (Table(columns, tuple(_session_row(session) for session in sessions)),)


def session_document(session: Session) -> Document:
    """What a session holds beside its report, which is printed below it where there is one."""
    return tuple(_session(session))


def pairs_document(pairs: Sequence[PairSummary], root: Path) -> Document:
    if not pairs:
        return (line(f"no pair in {root}"),)
    columns = (
        Column("pair"),
        Column("description", 1, cut="end"),
        Column("torch", 3, cut="start"),
        Column("paddle", 3, cut="start"),
    )
    rows = tuple(
        Row(
            (
                Span(pair.name, "bad" if pair.problem else "strong"),
                Span(pair.description),
                Span(pair.torch, "dim"),
                Span(pair.paddle, "dim"),
            ),
            f"◆ {pair.problem}" if pair.problem else "",
        )
        for pair in pairs
    )
    return (Table(columns, rows),)


def plan_document(plan: WeightPlan) -> Document:
    """Every tensor of the conversion: where from, where to, how and why; then what has no partner."""
    columns = (Column("torch", cut="start"), Column("paddle", cut="start"), Column("rule"), Column("flags", 1), Column("reason", 2))
    rows = tuple(
        Row(
            (
                Span(rule.torch),
                Span(rule.paddle),
                Span(rule_text(rule)),
                Span(", ".join(rule.flags), "warn"),
                Span(rule.reason, "dim"),
            )
        )
        for rule in plan.rules
    )
    blocks: list[Block] = [Table(columns, rows)] if rows else []
    blocks += [BLANK, line(f"{len(plan.rules)} tensors mapped, {len(plan.unfilled)} unfilled, {len(plan.unused)} unused")]
    blocks += [field("unfilled", Span(key, "bad")) for key in plan.unfilled]
    blocks += [field("unused", Span(key, "warn")) for key in plan.unused]
    return tuple(blocks)


def rule_text(rule: WeightRule) -> str:
    """`copy`, `transpose 1,0`, `split 2/3 1,0`: parts are counted from 1."""
    part = f"{rule.part + 1}/{rule.parts}" if rule.parts > 1 else ""
    return " ".join(piece for piece in (rule.rule, part, ",".join(map(str, rule.axes))) if piece)


def _session_row(session: SessionSummary) -> Row:
    if session.error:
        return Row((Span(session.name), Span(""), Span(""), Span("◆ damaged", "bad"), Span("")), session.error)
    verdict = verdict_span(session.verdict) if session.verdict else Span("-", "dim")
    status = Span(session.status, {"failed": "bad", "partial": "warn"}.get(session.status, ""))  # type: ignore[arg-type]
    note = session.headline if session.verdict not in ("", "aligned") else ""
    return Row((Span(session.name, "strong"), Span(session.pair), Span(_moment(session.created)), status, verdict), note)


def _session(session: Session) -> Iterator[Block]:
    snapshot = session.snapshot
    outcome = snapshot.outcome
    yield line(
        Span(session.path.name, "strong"), ": ", Span(session.status, STYLES.get(outcome.verdict, "") if outcome else "warn")
    )
    yield BLANK
    yield field("pair", f"{snapshot.pair.name}{f' — {snapshot.pair.description}' if snapshot.pair.description else ''}")
    yield field("created", f"{_moment(snapshot.created)} by aligndbg {snapshot.aligndbg}")
    if outcome:
        yield field("ended", _moment(outcome.ended))
    if snapshot.options:
        yield field("options", " · ".join(f"{name} {value}" for name, value in snapshot.options.items() if value is not None))
    if snapshot.environment:
        yield field("environment", environment_text(snapshot.environment))
    for entry in session.stream():
        match entry:
            case SideEnvironment(side, values):
                yield field(side, environment_text(values))
            case WeightsSource():
                yield field("weights", entry.source, f" · sha256 {entry.sha256}" if entry.sha256 else "")
            case StoredNotice(level, message, hint):
                yield field(level, Span(message + (f" ({hint})" if hint else ""), "warn" if level == "warning" else ""))
    for source in snapshot.sources:
        yield field("source", f"{source.role} {source.path} · sha256 {source.sha256[:12]}")
    if names := session.tensor_names():
        yield field("tensors", ", ".join(names))
    if session.status != "finished":
        yield from _unfinished(session)


def _unfinished(session: Session) -> Iterator[Block]:
    """What is known of a run without a report."""
    if session.snapshot.kind == "eval":
        yield field("pictures", f"{len(session.images())} judged; `aligndbg eval ... --resume {session.path.name}` goes on")
    layers, results = session.layers(), session.results()
    compared = [result.propagated.stats.max_abs for result in results.values() if result.propagated]
    largest = f", largest max|d| {figure(max(compared))}" if compared else ""
    if layers:
        yield field("layers", f"{len(compared)} of {len(layers)} compared{largest}")
    if first := next((layer for layer in layers if layer.index in results and results[layer.index].mismatch), None):
        yield field("first", first.path, " ", verdict_span(results[first.index].verdict))
    if session.snapshot.outcome and (failure := session.snapshot.outcome.failure):
        yield field("error", Span(failure.message, "bad"))
        if failure.hint:
            yield field("try", failure.hint)
        for said in failure.last_words.rstrip().splitlines():
            yield field("", said)


def _moment(iso: str) -> str:
    """`2026-01-01 12:00:00 UTC` from ISO 8601."""
    return f"{iso[:19].replace('T', ' ')} UTC" if len(iso) >= 19 else iso
