"""Several pairs in one run: a row each."""

from __future__ import annotations

from collections.abc import Sequence

from aligndbg.report.document import BLANK, Column, Document, Row, Span, Table, line
from aligndbg.report.text import verdict_span
from aligndbg.workflows.headline import cause_of, counts, first_mismatch
from aligndbg.workflows.report_model import LayerReport, Report
from aligndbg.workflows.wording import figure


def pairs_document(reports: Sequence[Report]) -> Document:
    columns = (
        Column("pair", cut="end"),
        Column("verdict"),
        Column("layers", 3, "right"),
        Column("output max|d|", 1, "right"),
        Column("first mismatch", 2, cut="start"),
        Column("", 5),
        Column("seconds", 4, "right"),
    )
    aligned = sum(report.verdict == "aligned" for report in reports)
    total = line(Span(f"{aligned} of {len(reports)} pairs aligned", "good" if aligned == len(reports) else "bad"))
    return (Table(columns, tuple(_row(report) for report in reports)), BLANK, total)


def worst_exit_code(reports: Sequence[Report]) -> int:
    """The highest of the exit codes: they grow with how little is known of the pair. 0 where there is none."""
    return max((report.exit_code for report in reports), default=0)


def _row(report: Report) -> Row:
    first = first_mismatch(report.layers)
    cells = (
        Span(report.pair, "strong"),
        verdict_span(report.verdict),
        Span(str(len(report.layers)) if report.layers else "-"),
        Span(figure(report.output.max_abs if report.output else None)),
        Span(_named(first, cause_of(first, report.findings)) if first else ""),
        Span(", ".join(counts(report.layers))),
        Span(f"{report.timing.total_s:.1f}" if report.timing else "-"),
    )
    return Row(cells, (report.error or {}).get("message", ""))


def _named(layer: LayerReport, cause: str) -> str:
    """`features.2 (ceil-mode)`."""
    path = layer.torch or layer.paddle or ""
    return f"{path} ({cause})" if cause else path
