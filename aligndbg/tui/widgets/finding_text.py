"""A finding as text of a width. Its sentences quote strangers' sources and are shown inert."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.content import Content

from aligndbg.core.findings import Finding, Status
from aligndbg.core.layers import LayerPair
from aligndbg.report.findings import MARKS, UNKNOWN, Group, change, fix_line, grouped, place_text
from aligndbg.tui.cells import LABEL, clean, hanging
from aligndbg.tui.theme import MUTED
from aligndbg.tui.widgets.detail_text import heading

STYLES: dict[Status, str] = {
    Status.FOUND: "bold $text-error",
    Status.UNKNOWN: "bold $text-error",
    Status.WARNING: "bold $text-warning",
}

FIX = "$text-success"


def group_text(group: Group, width: int) -> Content:
    """An entry of the list: where, what, why, what to type, what that does."""
    finding = group.first
    head = " · ".join(part for part in (finding.layer, "" if finding.id == UNKNOWN else finding.id, group.proof) if part)
    lines = [hanging(MARKS[finding.status], STYLES[finding.status], clean(head), width, "bold")]
    lines.append(hanging("", "", clean(finding.message), width))
    if fix := fix_line(finding):
        lines.append(hanging("  fix", MUTED, clean(fix), width, FIX))
    lines += [hanging("  hint", MUTED, clean(hint), width) for hint in finding.hints]
    if others := group.others:
        lines.append(hanging("  also at", MUTED, clean(others), width))
    return Content("\n").join(lines)


def layer_findings(findings: Sequence[Finding], layer: LayerPair, width: int) -> Iterator[Content]:
    """Those of one layer, a block each, for the details."""
    own = [finding for finding in findings if finding.layer == layer.path]
    for group in grouped(own):
        finding = group.first
        note = "" if finding.id == UNKNOWN else clean(finding.id)
        lines = [heading(str(finding.status).capitalize(), note, width), Content(clean(finding.message))]
        if fix := change(finding):
            lines.append(hanging("fix", MUTED, clean(fix), width, FIX, LABEL - 2))
        if finding.source:
            lines.append(hanging("in", MUTED, clean(place_text(finding.source)), width, label_cells=LABEL - 2))
        if group.proof:
            lines.append(hanging("proof", MUTED, clean(group.proof), width, label_cells=LABEL - 2))
        lines += [hanging("hint", MUTED, clean(hint), width, label_cells=LABEL - 2) for hint in finding.hints]
        yield Content("\n").join(lines)
